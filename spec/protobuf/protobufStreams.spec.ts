import { DecodeError, openConnection, startServer } from '../../lib/index.ts'
import { ProtobufReader, ProtobufWriter } from '../../lib/protobuf/index.ts'
import type { StreamReaderOptions, StreamReaderProtocol, StreamReader, Transport } from '../../lib/index.ts'
import { memoryStreams } from '../../lib/testing/index.ts'
import { StaticPerson } from './messageTypes.ts'

type StaticPerson = InstanceType<typeof StaticPerson>

describe('ProtobufReader and ProtobufWriter', () => {
  const classes = { reader: ProtobufReader.of(StaticPerson), writer: ProtobufWriter.of(StaticPerson) }

  it('carry messages over TCP, typed with no annotation', async () => {
    const server = await startServer(
      async (reader, writer) => {
        for await (const person of reader) {
          person satisfies StaticPerson
          writer.writeMessage({ name: `${person.name}!`, age: person.age + 1 })
          await writer.drain()
        }
        writer.close()
      },
      { host: '127.0.0.1', port: 0, ...classes },
    )
    const [reader, writer] = await openConnection({ host: '127.0.0.1', port: server.sockets[0]!.port, ...classes })
    for (let age = 0; age < 50; age++) writer.writeMessage({ name: 'Ada', age })
    writer.writeEof()
    const answers: (string | number)[][] = []
    for await (const { name, age } of reader) answers.push([name, age])
    expect(answers).toEqual(Array.from({ length: 50 }, (_, age) => ['Ada!', age + 1]))
    writer.close()
    await writer.waitClosed()
    server.close()
    await server.waitClosed()
  })

  it('can be subclassed for one type', async () => {
    class PersonReader extends ProtobufReader<StaticPerson> {
      constructor(options?: StreamReaderOptions) {
        super(StaticPerson, options)
      }
    }
    class PersonWriter extends ProtobufWriter<{ name?: string }> {
      constructor(transport: Transport, protocol: StreamReaderProtocol, reader?: StreamReader<unknown>) {
        super(StaticPerson, transport, protocol, reader)
      }
      greet(name: string): void {
        this.writeMessage({ name })
      }
    }
    const [client, server] = memoryStreams({ reader: PersonReader, writer: PersonWriter })
    client.writer.greet('Ada')
    expect((await server.reader.readMessage())?.name).toBe('Ada')
    client.writer.close()
    expect(await server.reader.readMessage()).toBeUndefined()
    server.writer.close()
    await server.writer.waitClosed()
  })

  it('keep rejecting with the DecodeError, which names the peer', async () => {
    const [client, server] = memoryStreams(classes)
    client.writer.writeMessage({ name: 'good' })
    client.writer.write(Uint8Array.of(2, 0x0a, 9))
    expect((await server.reader.readMessage())?.name).toBe('good')
    const failure = await server.reader.readMessage().catch((error: unknown) => error)
    expect(failure).toBeInstanceOf(DecodeError)
    expect((failure as Error).message).toMatch(/\(from memory:\d+\)$/)
    await expect(server.reader.read(1)).rejects.toBe(failure)
    server.writer.close()
    client.writer.close()
    await Promise.all([server.writer.waitClosed(), client.writer.waitClosed()])
  })
})
