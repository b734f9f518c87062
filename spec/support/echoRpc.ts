import protobuf from 'protobufjs'
import type { ChannelOptions } from '../../lib/rpc/channelOptions.ts'
import { service, RpcServer, type ClientOptions, type Handlers, type RpcServerOptions } from '../../lib/rpc/index.ts'
import type { BidiMethod, ClientStreamMethod, ServerStreamMethod, UnaryMethod } from '../../lib/rpc/method.ts'
import { memoryClient } from '../../lib/testing/memoryClient.ts'
import { netDefer } from './netTools.ts'

export interface Item {
  text: string
  count: number
  body: Uint8Array
}
type Init = Partial<Item>

const { root } = protobuf.parse(`
  syntax = "proto3";
  package test;
  message Item { string text = 1; uint32 count = 2; bytes body = 3; }
  service Echo {
    rpc One(Item) returns (Item);
    rpc Down(Item) returns (stream Item);
    rpc Up(stream Item) returns (Item);
    rpc Both(stream Item) returns (stream Item);
  }`)

export const ItemType = root.lookupType('test.Item')

/** A service with one method of each kind. */
export const Echo = service<{
  one: UnaryMethod<Item, Item, Init, Init>
  down: ServerStreamMethod<Item, Item, Init, Init>
  up: ClientStreamMethod<Item, Item, Init, Init>
  both: BidiMethod<Item, Item, Init, Init>
}>(root.lookupService('test.Echo'))

/** What answers with what it was asked, as often as `count` says, or with how much there was. */
export const echo: Handlers<typeof Echo> = {
  one: (item) => item,
  async *down({ text, count }) {
    for (let i = 0; i < count; i++) yield { text, count: i }
  },
  async up(items) {
    let count = 0
    let text = ''
    for await (const item of items) {
      count++
      text += item.text
    }
    return { count, text }
  },
  async *both(items) {
    for await (const item of items) yield item
  },
}

/** A server in memory, and a client of it; both are gone after the test. */
export async function echoPair(
  handlers: Partial<Handlers<typeof Echo>> = {},
  serverOptions: RpcServerOptions = {},
  options: ChannelOptions & ClientOptions = {},
) {
  const errors: unknown[] = []
  const server = new RpcServer({ onError: (error) => errors.push(error), ...serverOptions })
  server.add(Echo, { ...echo, ...handlers })
  const client = await memoryClient(server, Echo, options)
  netDefer(async () => {
    client.$channel.abort()
    await server.shutdown({ graceMs: 0 })
  })
  return { server, client, errors }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Something that happens later. */
export function later<T = void>(): {
  promise: Promise<T>
  resolve: (value: T) => void
  reject: (error: unknown) => void
} {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((res, rej) => {
    resolve = res
    reject = rej
  })
  promise.catch(() => {})
  return { promise, resolve, reject }
}
