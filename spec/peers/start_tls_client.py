# An asyncio client that goes over to TLS in mid-stream. Usage: port cafile
import asyncio, ssl, sys


async def main():
    reader, writer = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    if not hasattr(writer, "start_tls"):
        writer.close()
        return print("no start_tls")
    writer.write(b"STARTTLS\n")
    print(await reader.readline())
    await writer.start_tls(ssl.create_default_context(cafile=sys.argv[2]), server_hostname="localhost")
    writer.write(b"secret\n")
    answer = await reader.readline()
    print(writer.get_extra_info("ssl_object").version(), answer)
    writer.close()


asyncio.run(main())
