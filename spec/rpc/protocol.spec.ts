/** The examples of docs/protocol.md: what both ends of ours really send, byte for byte. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import protobufjs from 'protobufjs'
import { Channel } from '../../lib/rpc/channel.ts'
import { makeClient } from '../../lib/rpc/makeClient.ts'
import type { CallContext } from '../../lib/rpc/handlers.ts'
import type { Metadata } from '../../lib/rpc/metadata.ts'
import { RpcError } from '../../lib/rpc/rpcError.ts'
import { RpcServer } from '../../lib/rpc/rpcServer.ts'
import { service } from '../../lib/rpc/service.ts'
import { Status } from '../../lib/rpc/status.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { netDefer, netError } from '../support/netTools.ts'
import { CANCEL, type FramePeer, PING, rawClient, rawFrame, rawServer, type RawFrame } from '../support/ttrpcPeer.ts'

const HOST = '127.0.0.1'
const page = readFileSync(join(__dirname, '../../docs/protocol.md'), 'utf8')

/** The frames of each block of hexadecimal. */
const blocks = [...page.matchAll(/```hex\n(.*?)```/gs)].map(([, text]) => {
  // A line is bytes, then words.
  const digits = text!.split('\n').map((line) => /^ *((?:[0-9a-f]{2} +)*[0-9a-f]{2})(?= |$)/.exec(line)?.[1] ?? '')
  const bytes = Buffer.from(digits.join('').replaceAll(' ', ''), 'hex')
  const frames: Buffer[] = []
  for (let at = 0; at < bytes.length; at += 10 + bytes.readUInt32BE(at)) {
    frames.push(bytes.subarray(at, at + 10 + bytes.readUInt32BE(at)))
  }
  return frames
})
const [unary = [], serverStream = [], clientStream = [], offer = [], others = []] = blocks
const [ping, pong, cancel, , , header, trailer] = others

const { root } = protobufjs.parse(
  `syntax = "proto3";
   package chat.v1;
   message Text { string text = 1; }
   service Chat {
     rpc Send (Text) returns (Text);
     rpc Watch (Text) returns (stream Text);
     rpc Upload (stream Text) returns (Text);
   }`,
)
const Chat = service(root.lookupService('chat.v1.Chat'))

const bytesOf = ({ id, type, flags, data }: RawFrame): Buffer => rawFrame(id, type, flags, data)
async function take(peer: FramePeer, count: number): Promise<Buffer[]> {
  const frames: Buffer[] = []
  while (frames.length < count) frames.push(bytesOf(await peer.next()))
  return frames
}
/** The same frame on another stream. */
function withId(frame: Buffer, id: number): Buffer {
  const copy = Buffer.from(frame)
  copy.writeUInt32BE(id, 4)
  return copy
}

describe('docs/protocol.md', () => {
  it('shows whole frames', () => {
    expect(blocks.map((frames) => frames.length)).toEqual([3, 4, 4, 3, 7])
    for (const frame of blocks.flat()) expect(frame).toHaveLength(10 + frame.readUInt32BE(0))
  })

  async function serve(): Promise<FramePeer> {
    let sent = 0
    const server = new RpcServer().add(Chat, {
      send(_request: unknown, context: CallContext) {
        if (++sent === 2) throw new RpcError(Status.NOT_FOUND, 'no such room')
        if (context.deadline === Infinity) context.trailer.set('rows', '2')
        return { text: 'ok' }
      },
      async *watch(_request: unknown, context: CallContext) {
        if (context.metadata.size > 0) {
          context.sendHeader({ node: 'a1' })
          context.trailer.set('rows', '2')
        }
        yield { text: 'x' }
        yield {}
      },
      async upload(texts: AsyncIterable<unknown>) {
        for await (const _ of texts);
        return { text: 'ok' }
      },
    })
    netDefer(() => server.forceShutdown())
    await server.listen({ host: HOST, port: 0 })
    return rawClient(server.address.port)
  }

  it('shows what a server sends', async () => {
    const peer = await serve()
    peer.send(unary[0]!, withId(unary[0]!, 3))
    expect(await take(peer, 2)).toEqual(unary.slice(1))
    peer.send(serverStream[0]!)
    expect(await take(peer, 3)).toEqual(serverStream.slice(1))
    peer.send(...clientStream.slice(0, 3))
    expect(await take(peer, 1)).toEqual(clientStream.slice(3))
  })

  it('shows what a server sends with the extension', async () => {
    const peer = await serve()
    peer.send(offer[0]!)
    expect(await take(peer, 2)).toEqual(offer.slice(1))
    peer.send(ping!)
    expect(await take(peer, 1)).toEqual([pong])
    // Metadata of its own, behind the rest.
    const data = Buffer.concat([serverStream[0]!.subarray(10), Buffer.from('2a060a0161120162', 'hex')])
    peer.send(rawFrame(5, 1, 1, data))
    const [, message, empty, end] = serverStream
    expect(await take(peer, 5)).toEqual([header, message, empty, trailer, end])
  })

  async function connected(options: { extension: boolean }) {
    const server = await rawServer()
    const channel = new Channel({ host: HOST, port: server.port }, options)
    netDefer(() => channel.abort())
    const ready = channel.ready()
    const peer = await server.accepted()
    await ready
    return { client: makeClient(Chat, channel), peer }
  }

  it('shows what a client sends, and takes', async () => {
    using _clock = new FakeClock()
    const { client, peer } = await connected({ extension: false })
    const response = client.send({ text: 'hi' }, { timeoutMs: 1000 })
    expect(await take(peer, 1)).toEqual([unary[0]])
    peer.send(unary[1]!)
    expect(await response).toEqual({ text: 'ok' })
    const failed = netError(client.send({ text: 'hi' }, { timeoutMs: 1000 }))
    expect(await take(peer, 1)).toEqual([withId(unary[0]!, 3)])
    peer.send(unary[2]!)
    expect(await failed).toMatchObject({ status: Status.NOT_FOUND, statusMessage: 'no such room' })
    const stream = client.watch({ text: 'a' })
    expect(await take(peer, 1)).toEqual([serverStream[0]])
    peer.send(...serverStream.slice(1))
    const texts: unknown[] = []
    for await (const { text } of stream) texts.push(text)
    expect(texts).toEqual(['x', ''])
    const uploaded = client.upload([{ text: 'x' }])
    expect(await take(peer, 3)).toEqual(clientStream.slice(0, 3))
    peer.send(clientStream[3]!)
    expect(await uploaded).toEqual({ text: 'ok' })
  })

  it('shows what a client sends with the extension, and takes', async () => {
    const { client, peer } = await connected({ extension: true })
    const trailers: unknown[] = []
    const response = client.send(
      { text: 'hi' },
      { onTrailer: (metadata: Metadata) => trailers.push(metadata.toJSON()) },
    )
    expect(await take(peer, 1)).toEqual([offer[0]])
    peer.send(...offer.slice(1))
    expect(await response).toEqual({ text: 'ok' })
    expect(trailers).toEqual([{ rows: '2' }])
    const skipped = client.send({ text: 'hi' })
    peer.send(withId(unary[1]!, 3))
    await skipped
    const headers: unknown[] = []
    const stream = client.watch(
      { text: 'a' },
      {
        onHeader: (metadata: Metadata) => headers.push(metadata.toJSON()),
        onTrailer: (metadata: Metadata) => trailers.push(metadata.toJSON()),
      },
    )
    peer.send(header!, serverStream[1]!, trailer!)
    expect((await stream.next()).value).toEqual({ text: 'x' })
    expect([headers, trailers]).toEqual([[{ node: 'a1' }], [{ rows: '2' }, { rows: '2' }]])
    await stream.return!()
    expect(bytesOf(await peer.nextOf(CANCEL))).toEqual(cancel)
    // As a server may ask as well.
    peer.send(withId(ping!, 0))
    expect(bytesOf(await peer.nextOf(PING))).toEqual(withId(pong!, 0x7fffffff))
  })
})
