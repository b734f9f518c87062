"""Echoes frames behind a four-byte big-endian length, over asyncio's streams."""
import asyncio
import struct


async def serve(reader, writer):
    try:
        while True:
            header = await reader.readexactly(4)
            body = await reader.readexactly(struct.unpack(">L", header)[0])
            writer.write(header + body)
            await writer.drain()
    except asyncio.IncompleteReadError as error:
        print("end after", len(error.partial), "bytes of", error.expected, flush=True)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print("serving on 127.0.0.1,%d" % server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
