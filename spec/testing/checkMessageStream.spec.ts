import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import type { Datagram } from '../../lib/messages/datagramMessages.ts'
import { FramedMessages } from '../../lib/messages/framedMessages.ts'
import { memoryMessageStreams } from '../../lib/messages/memoryMessageStreams.ts'
import { MessageStream } from '../../lib/messages/messageStream.ts'
import { MessageStreamProtocol } from '../../lib/messages/messageStreamProtocol.ts'
import { openDatagrams, openMessageStream, startMessageServer } from '../../lib/messages/openMessageStream.ts'
import {
  checkMessageStream,
  messageStreamChecks,
  type MessageStreamsUnderTest,
} from '../../lib/testing/checkMessageStream.ts'
import { memoryPair } from '../../lib/testing/memoryPair.ts'
import type { TcpListenOptions } from '../../lib/endpoints/listen.ts'
import { netUnixPath } from '../support/netTools.ts'
import { ca, certified } from '../support/tlsFixtures.ts'

const HOST = '127.0.0.1'
type Bytes = Uint8Array | string

const numbered = (number: number, size: number): Buffer => {
  const bytes = Buffer.alloc(Math.max(4, size))
  bytes.writeUInt32BE(number)
  return bytes
}
const framed = {
  message: numbered,
  numberOf: (message: Uint8Array) => Buffer.from(message).readUInt32BE(),
}

function dialled(
  where: () => { listen: TcpListenOptions | { path: string }; dial: object },
): MessageStreamsUnderTest<Uint8Array, Bytes> {
  return {
    ...framed,
    async connect() {
      const { listen, dial } = where()
      const server = await startMessageServer(lengthPrefixed(), listen)
      const { port } = server.sockets[0]!
      const [client, served] = await Promise.all([
        openMessageStream(lengthPrefixed(), { ...('path' in listen ? {} : { host: HOST, port }), ...dial }),
        server.accept(),
      ])
      server.close()
      return [client, served]
    },
  }
}

const wires: Record<string, MessageStreamsUnderTest<never, never>> = {
  'a memory pair of any values': {
    connect: async () => memoryMessageStreams<{ number: number }>({ sizeOf: () => 1000 }),
    message: (number) => ({ number }),
    numberOf: (message: { number: number }) => message.number,
  } satisfies MessageStreamsUnderTest<{ number: number }, { number: number }> as never,
  'frames over TCP': dialled(() => ({ listen: { host: HOST }, dial: {} })) as never,
  'frames over TLS': dialled(() => ({
    listen: { host: HOST, tls: certified('localhost') },
    dial: { tls: { ca }, serverHostname: 'localhost' },
  })) as never,
  'frames over a Unix socket': dialled(() => {
    const path = netUnixPath()
    return { listen: { path }, dial: { path } }
  }) as never,
  'frames over a memory pair': {
    ...framed,
    async connect() {
      const ends = [0, 1].map(() => new MessageStreamProtocol<Uint8Array, Bytes>(new MessageStream()))
      memoryPair(
        new FramedMessages<Uint8Array, Bytes>(lengthPrefixed(), ends[0]!),
        new FramedMessages<Uint8Array, Bytes>(lengthPrefixed(), ends[1]!),
        { chunkSize: 7000 },
      )
      return [ends[0]!.stream, ends[1]!.stream] as const
    },
  } satisfies MessageStreamsUnderTest<Uint8Array, Bytes> as never,
  'datagrams, connected': {
    ...framed,
    datagrams: true,
    async connect() {
      // Each must know the other's port: the first to be opened is closed again for its number.
      const [first, second] = await Promise.all([0, 1].map(() => openDatagrams({ localAddr: [HOST, 0] })))
      const [a, b] = [first!, second!].map((stream) => stream.getExtraInfo('sockname') as [string, number])
      await Promise.all([first![Symbol.asyncDispose](), second![Symbol.asyncDispose]()])
      return Promise.all([
        openDatagrams({ localAddr: a!, remoteAddr: b! }),
        openDatagrams({ localAddr: b!, remoteAddr: a! }),
      ])
    },
  } satisfies MessageStreamsUnderTest<Buffer, Bytes> as never,
  'datagrams, with their addresses': (() => {
    const others = new WeakMap<object, object>()
    return {
      datagrams: true,
      async connect() {
        const [a, b] = await Promise.all([0, 1].map(() => openDatagrams({ localAddr: [HOST, 0] })))
        others.set(a!, b!).set(b!, a!)
        return [a!, b!] as const
      },
      message: (number: number, size: number, from: object) => {
        const to = others.get(from) as MessageStream<unknown>
        return { data: numbered(number, size), address: to.getExtraInfo('sockname') as [string, number] }
      },
      numberOf: ({ data }: Datagram<Buffer>) => data.readUInt32BE(),
    } satisfies MessageStreamsUnderTest<Datagram<Buffer>, Datagram>
  })() as never,
}

describe.each(Object.entries(wires))('%s', (_name, wire) => {
  const checks = messageStreamChecks.filter(
    ({ datagrams }) => (datagrams ?? wire.datagrams ?? false) === (wire.datagrams ?? false),
  )
  it.each(checks.map((check) => [check.name, check] as const))('%s', (_check, check) => check.run(wire))
})

describe('checkMessageStream', () => {
  const memory = wires['a memory pair of any values'] as unknown as MessageStreamsUnderTest<
    { number: number },
    { number: number }
  >

  it('runs all checks that apply', async () => {
    await expect(checkMessageStream(memory)).resolves.toBeUndefined()
  })

  it('names the check that fails, with the failure as its cause', async () => {
    const forgetful = {
      ...memory,
      message: (number: number) => ({ number: Math.min(number, 10) }),
    }
    const error = await checkMessageStream(forgetful).then(
      () => undefined,
      (reason: Error) => reason,
    )
    expect(error?.message).toMatch(/^carries messages both ways, in order, with their borders: /)
    expect(error?.cause).toMatchObject({ name: 'AssertionError' })
  })
})
