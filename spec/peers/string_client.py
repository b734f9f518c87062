"""A client of the string server, over asyncio's streams: sends strings behind '<L', expects an ok for each."""
import asyncio
import struct
import sys


async def main(port):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    strings = [b"hello world\n", b"", b"x" * 70000, "grün".encode()]
    writer.write(b"".join(struct.pack("<L", len(s)) + s for s in strings))
    await writer.drain()
    answers = []
    for _ in strings:
        (length,) = struct.unpack("<L", await reader.readexactly(4))
        answers.append((await reader.readexactly(length)).decode())
    writer.write_eof()
    rest = await reader.read()
    writer.close()
    await writer.wait_closed()
    print(answers, rest)


asyncio.run(main(int(sys.argv[1])))
