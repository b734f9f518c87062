# An asyncio client with TLS: says a line, prints version and answers. Usage: port cafile
import asyncio, ssl, sys


async def main():
    context = ssl.create_default_context(cafile=sys.argv[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]), ssl=context, server_hostname="localhost")
    print(writer.get_extra_info("ssl_object").version())
    writer.write(b"over and out\n" + (b"x" * 99 + b"\n") * 10_000)
    print(await reader.readline())
    print(len(await reader.readexactly(1_000_000)))
    writer.close()
    await writer.wait_closed()


asyncio.run(main())
