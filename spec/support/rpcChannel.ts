/** What the specs of channels share: a channel, a client on it, and servers that are played by hand. */
import * as net from 'node:net'
import { Channel } from '../../lib/rpc/channel.ts'
import type { ChannelOptions, ChannelState } from '../../lib/rpc/channelOptions.ts'
import type { RpcEndpoint, RpcEndpoints } from '../../lib/rpc/dial.ts'
import { makeClient } from '../../lib/rpc/makeClient.ts'
import { ReflectedChat, root } from '../rpc/chatServices.ts'
import { netDefer } from './netTools.ts'
import { HELLO, OUR_OFFER, rawFrame, REQUEST, type RawFrame, type FramePeer } from './ttrpcPeer.ts'

export const HOST = '127.0.0.1'
export const Sent = root.lookupType('chat.v1.Sent')
export const Line = root.lookupType('chat.v1.Line')
/** Waits that a test can wait for. */
const quick = { initialDelayMs: 100, factor: 2, maxDelayMs: 400, jitter: 0 }

/** A channel that is gone after the test, a client on it, and the states that it went through. */
export function openChannel(target: RpcEndpoint | RpcEndpoints, options: ChannelOptions = {}) {
  const states: ChannelState[] = []
  const channel = new Channel(target, {
    backoff: quick,
    ...options,
    onStateChange: (state, each) => {
      expect(each.state).toBe(state)
      states.push(state)
    },
  })
  netDefer(() => channel.abort())
  return { channel, states, client: makeClient(ReflectedChat, channel) }
}

/** A port on which nobody listens. */
export async function nobody(): Promise<number> {
  const listener = net.createServer()
  await new Promise<void>((resolve) => listener.listen(0, HOST, resolve))
  const { port } = listener.address() as net.AddressInfo
  await new Promise((resolve) => listener.close(resolve))
  return port
}

export const sent = (count: number): { payload: Uint8Array } => ({ payload: Sent.encode({ count }).finish() })
export const line = (text: string): Uint8Array => Line.encode({ text }).finish()

/** Takes one Request, and answers it. */
export async function answer(peer: FramePeer, count: number): Promise<RawFrame> {
  const request = await peer.nextOf(REQUEST)
  peer.respond(request.id, sent(count))
  return request
}

/** The same as a server that knows of the extension. */
export async function hello(peer: FramePeer, count: number): Promise<RawFrame> {
  const request = await peer.nextOf(REQUEST)
  peer.send(rawFrame(0, HELLO, 0, OUR_OFFER))
  peer.respond(request.id, sent(count))
  return request
}

export const call = { room: 'a', text: 'hello' }
