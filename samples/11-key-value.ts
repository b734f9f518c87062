// A key-value service: get, put, and a stream that tells of every change from a revision on.
//   node dist/samples/11-key-value.js                    a server, and a client that uses it
//   node dist/samples/11-key-value.js serve 7001         the server alone, for several clients
//   millrace call 127.0.0.1:7001 kv.v1.Store/Watch '{"prefix":"color/"}'
import { once, EventEmitter } from 'node:events'
import protobuf from 'protobufjs'
import {
  connect,
  Reflection,
  ReflectionService,
  RpcError,
  RpcServer,
  service,
  Status,
  type Handlers,
  type ServerStreamMethod,
  type UnaryMethod,
} from 'millrace/rpc'

const { root } = protobuf.parse(`
  syntax = "proto3";
  package kv.v1;
  message Key { string key = 1; }
  message Entry { string key = 1; string value = 2; uint32 revision = 3; }
  message Range { string prefix = 1; uint32 after = 2; }
  service Store {
    rpc Get(Key) returns (Entry);
    rpc Put(Entry) returns (Entry);
    rpc Watch(Range) returns (stream Entry);
  }`)

interface Entry {
  key: string
  value: string
  revision: number
}

// A schema that is loaded at run time has no types: they are said here. `millrace gen` writes them from a file.
const Store = service<{
  get: UnaryMethod<{ key: string }, Entry>
  put: UnaryMethod<Entry, Entry, { key: string; value: string }>
  watch: ServerStreamMethod<{ prefix: string; after: number }, Entry, { prefix?: string; after?: number }>
}>(root.lookupService('kv.v1.Store'))

class MemoryStore implements Handlers<typeof Store> {
  readonly #entries = new Map<string, Entry>()
  readonly #log: Entry[] = []
  readonly #changes = new EventEmitter().setMaxListeners(0)

  get({ key }: { key: string }): Entry {
    const entry = this.#entries.get(key)
    if (entry === undefined) throw new RpcError(Status.NOT_FOUND, `there is no ${key}`)
    return entry
  }

  put({ key, value }: { key: string; value: string }): Entry {
    if (key === '') throw new RpcError(Status.INVALID_ARGUMENT, 'an entry needs a key')
    const entry = { key, value, revision: this.#log.length + 1 }
    this.#entries.set(key, entry)
    this.#log.push(entry)
    this.#changes.emit('change')
    return entry
  }

  // A watcher that is slower than the writers falls behind, and catches up: the log is what waits, not the connection.
  async *watch({ prefix, after }: { prefix: string; after: number }, { signal }: { signal: AbortSignal }) {
    for (let next = after; ;) {
      while (next < this.#log.length) {
        const entry = this.#log[next++]!
        if (entry.key.startsWith(prefix)) yield entry
      }
      await once(this.#changes, 'change', { signal })
    }
  }
}

const server = new RpcServer()
server.add(Store, new MemoryStore())
server.add(ReflectionService, new Reflection(server))

const [command, port = '0'] = process.argv.slice(2)
await server.listen({ host: '127.0.0.1', port: Number(port) })
const address = server.address

if (command === 'serve') {
  process.once('SIGINT', () => void server.shutdown({ graceMs: 1000 }))
  console.log(`serving on ${address.host}:${address.port}`)
} else {
  const client = await connect(Store, address)
  await client.put({ key: 'color/sky', value: 'blue' })
  const watching = (async () => {
    for await (const { key, value, revision } of client.watch({ prefix: 'color/' })) {
      console.log(`${revision}: ${key} is ${value}`)
      // Leaving the loop cancels the call, and ends its handler.
      if (value === 'black') break
    }
  })()
  await client.put({ key: 'size/sky', value: 'large' })
  for (const value of ['red', 'black']) await client.put({ key: 'color/sky', value })
  await watching
  console.log('now', (await client.get({ key: 'color/sky' })).value)
  try {
    await client.get({ key: 'color/sea' }, { timeoutMs: 1000 })
  } catch (error) {
    if (!(error instanceof RpcError) || error.status !== Status.NOT_FOUND) throw error
    console.log(error.statusMessage)
  }
  await client.$channel.close()
  await server.shutdown()
}
