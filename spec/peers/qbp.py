"""The Qbp chat in Python, by hand: what the proto file says, without a protobuf library."""
import asyncio
import struct
import sys

HELLO, WELCOME, JOIN, JOINED, LEAVE, SAY, SAID, REFUSED, BYE, GOODBYE = range(1, 11)


def varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def message(fields):
    """Fields as (number, int | str | bytes)."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += varint(number << 3) + varint(value)
        else:
            value = value.encode() if isinstance(value, str) else value
            out += varint(number << 3 | 2) + varint(len(value)) + value
    return out


def parse(data):
    """The fields of a message: number -> list of int or bytes."""
    fields, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(data):
        tag = number()
        if tag & 7 == 0:
            value = number()
        else:
            length = number()
            value = data[at : at + length]
            at += length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def send(writer, kind, *fields):
    body = message(fields)
    writer.write(struct.pack(">HL", kind, len(body)) + body)


async def receive(reader):
    kind, length = struct.unpack(">HL", await reader.readexactly(6))
    return kind, parse(await reader.readexactly(length))


async def client(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    send(writer, HELLO, (1, "python"))
    kind, fields = await receive(reader)
    print("welcome" if kind == WELCOME else kind, "session", fields[1][0])
    send(writer, SAY, (1, "nowhere"), (2, "anybody?"))
    kind, fields = await receive(reader)
    print("refused:", fields[1][0].decode())
    send(writer, JOIN, (1, "room"))
    kind, fields = await receive(reader)
    print("joined", fields[1][0].decode(), "with", [m.decode() for m in fields[2]], "history", len(fields.get(3, [])))
    for i in range(100):
        send(writer, SAY, (1, "room"), (2, "line %d" % i))
    await writer.drain()
    heard = [(await receive(reader))[1] for _ in range(100)]
    print("heard", heard[0][2][0], "to", heard[-1][2][0], heard[-1][4][0].decode(), "by", heard[-1][3][0].decode())
    send(writer, BYE)
    writer.write_eof()
    kind, fields = await receive(reader)
    print("goodbye" if kind == GOODBYE else kind, "received", fields[1][0], "sent", fields[2][0])
    print("rest", await reader.read())
    writer.close()
    await writer.wait_closed()


async def serve(reader, writer):
    user, said, received, sent = "", 0, 0, 0
    while True:
        kind, fields = await receive(reader)
        received += 1
        sent += 1
        if kind == HELLO:
            user = fields[1][0]
            send(writer, WELCOME, (1, 1))
        elif kind == JOIN:
            send(writer, JOINED, (1, fields[1][0]), (2, user))
        elif kind == SAY:
            said += 1
            send(writer, SAID, (1, fields[1][0]), (2, said), (3, user), (4, fields[2][0]))
        elif kind == BYE:
            send(writer, GOODBYE, (1, received), (2, sent))
            break
        await writer.drain()
    print("rest", await reader.read(), flush=True)
    writer.close()


async def server():
    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("serving on 127.0.0.1,%d" % listening.sockets[0].getsockname()[1], flush=True)
    await listening.serve_forever()


asyncio.run(server() if sys.argv[1] == "serve" else client(int(sys.argv[1])))
