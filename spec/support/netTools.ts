/** What the specs of real connections share. Whatever is opened through here is gone after the test. */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import * as net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createConnection, createUnixConnection } from '../../lib/endpoints/connect.ts'
import { createServer, createUnixServer, type TcpListenOptions } from '../../lib/endpoints/listen.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { Protocol, type AnyProtocol, type ProtocolFactory } from '../../lib/protocol.ts'
import type { SocketTransport } from '../../lib/transports/socketTransport.ts'
import type { Transport } from '../../lib/transport.ts'

const cleanups: (() => unknown)[] = []

/** Runs after the test, the last one first. */
export function netDefer(cleanup: () => unknown): void {
  cleanups.push(cleanup)
}

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Something that others can wait for to change. */
export class NetWatched {
  readonly #watchers = new Set<() => void>()

  /** Resolves as soon as `condition` holds; it is looked at after every event. */
  until(condition: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!condition()) return
        this.#watchers.delete(look)
        resolve()
      }
      this.#watchers.add(look)
      look()
    })
  }

  changed(): void {
    for (const look of [...this.#watchers]) look()
  }
}

/** A protocol that keeps a log of its callbacks: `made data eof lost pause resume`, several data in a row as one. */
export class NetRecorder extends Protocol {
  readonly log: string[] = []
  readonly chunks: Buffer[] = []
  transport!: SocketTransport
  /** What `eofReceived` returns. */
  keepOpen = false
  lostWith: Error | null | undefined
  readonly #watched = new NetWatched()

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  get size(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0)
  }

  count(event: string): number {
    return this.log.filter((each) => each === event).length
  }

  until(condition: () => boolean): Promise<void> {
    return this.#watched.until(condition)
  }

  untilEvent(event: string): Promise<void> {
    return this.until(() => this.log.includes(event))
  }

  note(event: string): void {
    if (event !== 'data' || this.log.at(-1) !== 'data') this.log.push(event)
    this.#watched.changed()
  }

  override connectionMade(transport: Transport): void {
    this.transport = transport as SocketTransport
    this.note('made')
  }
  override dataReceived(data: Buffer): void {
    this.chunks.push(data)
    this.note('data')
  }
  override eofReceived(): boolean {
    this.note('eof')
    return this.keepOpen
  }
  override connectionLost(error: Error | null): void {
    this.lostWith = error
    this.note('lost')
  }
  override pauseWriting(): void {
    this.note('pause')
  }
  override resumeWriting(): void {
    this.note('resume')
  }
}

/** The other end: a bare `net.Socket`. It reads only when told to. */
export class NetPeer extends NetWatched {
  readonly socket: net.Socket
  readonly chunks: Buffer[] = []
  size = 0
  ended = false
  closed = false
  error: NodeJS.ErrnoException | undefined

  constructor(socket: net.Socket, reading = true) {
    super()
    this.socket = socket
    socket.on('error', (error) => {
      this.error = error
      this.changed()
    })
    socket.on('close', () => {
      this.closed = true
      this.changed()
    })
    socket.on('end', () => {
      this.ended = true
      this.changed()
    })
    if (reading) this.read()
    netDefer(() => socket.destroy())
  }

  get text(): string {
    return Buffer.concat(this.chunks).toString('latin1')
  }

  /** Begins to read, or goes on. */
  read(): void {
    if (this.socket.listenerCount('data') === 0) {
      this.socket.on('data', (chunk) => {
        this.chunks.push(chunk)
        this.size += chunk.length
        this.changed()
      })
    }
    this.socket.resume()
  }
}

export type NetAddress = { port: number; host?: string } | { path: string }

/** A path for a Unix socket, in a directory of its own. */
export function netUnixPath(name = 'socket'): string {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
  netDefer(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, name)
}

/** Connects a bare socket. */
export async function netDial(address: NetAddress, { reading = true } = {}): Promise<NetPeer> {
  const socket = new net.Socket({ allowHalfOpen: true })
  socket.pause()
  const peer = new NetPeer(socket, reading)
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject)
    socket.connect('port' in address ? { host: '127.0.0.1', ...address } : address, () => {
      socket.off('error', reject)
      resolve()
    })
  })
  return peer
}

/** A bare server, and the peers it accepts. */
export async function netListen(
  kind: 'tcp' | 'unix' = 'tcp',
  { reading = true } = {},
): Promise<{ address: NetAddress; accepted: () => Promise<NetPeer>; listener: net.Server; peers: NetPeer[] }> {
  const peers: NetPeer[] = []
  const waiting: ((peer: NetPeer) => void)[] = []
  const listener = net.createServer({ allowHalfOpen: true, pauseOnConnect: true }, (socket) => {
    const peer = new NetPeer(socket, reading)
    const waiter = waiting.shift()
    if (waiter === undefined) peers.push(peer)
    else waiter(peer)
  })
  const path = kind === 'unix' ? netUnixPath() : undefined
  await new Promise<void>((resolve) => {
    if (path === undefined) listener.listen(0, '127.0.0.1', resolve)
    else listener.listen(path, resolve)
  })
  netDefer(() => listener.close())
  const address = path === undefined ? { port: (listener.address() as net.AddressInfo).port } : { path }
  const accepted = (): Promise<NetPeer> =>
    new Promise((resolve) => {
      const peer = peers.shift()
      if (peer === undefined) waiting.push(resolve)
      else resolve(peer)
    })
  return { address, accepted, listener, peers }
}

export interface NetServing {
  server: Server
  address: NetAddress
  errors: { error: unknown; transport: Transport | undefined }[]
  port: number
}

/** One of our servers on a free port, or a Unix path; its connections are aborted after the test. */
export async function netServe(
  factory: ProtocolFactory,
  kind: 'tcp' | 'unix' = 'tcp',
  options: TcpListenOptions = {},
): Promise<NetServing> {
  const errors: NetServing['errors'] = []
  const onConnectionError = (error: unknown, transport: Transport | undefined): void => {
    errors.push({ error, transport })
  }
  const path = kind === 'unix' ? netUnixPath() : undefined
  const server =
    path === undefined
      ? await createServer(factory, { host: '127.0.0.1', onConnectionError, ...options })
      : await createUnixServer(factory, { path, onConnectionError, ...options })
  netStop(server)
  const port = server.sockets[0]!.port
  return { server, errors, port, address: path === undefined ? { port } : { path } }
}

/** Ends a server after the test, whatever its clients do. */
export function netStop(server: Server): void {
  netDefer(async () => {
    server.close()
    server.abortClients()
    await server.waitClosed()
  })
}

/** A connection of ours on the given side, its protocol, and the bare socket at the other end. */
export async function netConnection<P extends AnyProtocol>(
  kind: 'tcp' | 'unix',
  side: 'server' | 'client',
  protocol: P,
  { reading = true } = {},
): Promise<{ transport: SocketTransport; peer: NetPeer; errors: unknown[] }> {
  const errors: unknown[] = []
  let transport: SocketTransport | undefined
  if (side === 'client') {
    const { address, accepted } = await netListen(kind, { reading })
    const onConnectionError = (error: unknown): void => void errors.push(error)
    const [made] =
      'port' in address
        ? await createConnection(() => protocol, { host: '127.0.0.1', port: address.port, onConnectionError })
        : await createUnixConnection(() => protocol, { ...address, onConnectionError })
    transport = made as SocketTransport
    const abort = (): void => transport!.abort()
    netDefer(abort)
    return { transport, peer: await accepted(), errors }
  }
  const { promise: made, resolve } = netPromise<SocketTransport>()
  const original = (protocol as Partial<Protocol>).connectionMade
  Object.assign(protocol, {
    connectionMade(this: P, each: Transport) {
      resolve(each as SocketTransport)
      original?.call(this as Protocol, each)
    },
  })
  const { address } = await netServe(() => protocol, kind, { onConnectionError: (error) => void errors.push(error) })
  const peer = await netDial(address, { reading })
  return { transport: await made, peer, errors }
}

export function netPromise<T = void>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((settle) => (resolve = settle))
  return { promise, resolve }
}

/** Some turns of the event loop: what was under way has had its chance. */
export async function netTurns(n = 5): Promise<void> {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Waits for what nothing tells of: looks in every turn, for 20 s of real time at most. */
export async function netUntil(condition: () => boolean): Promise<void> {
  for (const started = performance.now(); !condition(); await netTurns(1)) {
    if (performance.now() - started > 20_000) throw new Error(`not so within 20 s: ${String(condition)}`)
  }
}

/** A byte to another server and back, over real sockets: what was sent before it has arrived as well. */
export async function netRoundTrip(): Promise<void> {
  const echo = net.createServer((socket) => socket.pipe(socket))
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve))
  for (let i = 0; i < 3; i++) {
    await new Promise<void>((resolve, reject) => {
      const socket = net.connect((echo.address() as net.AddressInfo).port, '127.0.0.1')
      socket.on('error', reject)
      socket.on('close', () => resolve())
      socket.on('data', () => socket.destroy())
      socket.write('.')
    })
    await netTurns()
  }
  echo.close()
}

/** The error that a promise rejects with. Fails if it does not. */
export async function netError<E = Error>(promise: Promise<unknown>): Promise<E> {
  let value: unknown
  try {
    value = await promise
  } catch (error) {
    return error as E
  }
  throw new Error(`expected a rejection, got ${String(value)}`)
}

export interface NetChild {
  code: number | null
  stdout: string
  stderr: string
}

/** Runs an ES module text as a program that imports the built package. */
export function netProgram(
  source: string,
  { node = [], env = {}, shell }: { node?: string[]; env?: Record<string, string>; shell?: string } = {},
): {
  ended: Promise<NetChild>
  line: () => Promise<string>
  kill: () => void
  send: (text: string) => void
  /** Ends its input. */
  end: () => void
  /** Closes its output. */
  hangUp: () => void
  signal: (name: NodeJS.Signals) => void
} {
  const args = [...node, '--input-type=module', '-e', source]
  const options = { cwd: join(__dirname, '../..'), env: { ...process.env, NODE_OPTIONS: '', ...env } }
  const child =
    shell === undefined
      ? spawn(process.execPath, args, options)
      : spawn('/bin/sh', ['-c', `${shell}; exec "$0" "$@"`, process.execPath, ...args], options)
  let stdout = ''
  let stderr = ''
  let handedOut = 0
  const watched = new NetWatched()
  child.stdout.on('data', (data) => {
    stdout += data
    watched.changed()
  })
  child.stderr.on('data', (data) => (stderr += data))
  child.stdin.on('error', () => {})
  const ended = new Promise<NetChild>((resolve) => child.on('close', (code) => resolve({ code, stdout, stderr })))
  const kill = (): void => void child.kill('SIGKILL')
  netDefer(async () => {
    kill()
    await ended
  })
  const line = async (): Promise<string> => {
    const mine = handedOut++
    const gone = ended.then(() => Promise.reject(new Error(`the program ended: ${stdout}${stderr}`)))
    await Promise.race([watched.until(() => stdout.split('\n').length > mine + 1), gone])
    gone.catch(() => {})
    return stdout.split('\n')[mine]!
  }
  const send = (text: string): void => void child.stdin.write(text)
  return {
    ended,
    line,
    kill,
    send,
    end: () => void child.stdin.end(),
    hangUp: () => void child.stdout.destroy(),
    signal: (name) => void child.kill(name),
  }
}

/** A port whose listener is stuck, with a full queue: connecting to it takes for ever. */
export async function netClogged(): Promise<{ port: number }> {
  const program = netProgram(
    `import * as net from 'node:net'
     import { writeSync } from 'node:fs'
     const listener = net.createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
       writeSync(1, listener.address().port + '\\n')
       Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
     })`,
  )
  const port = Number(await program.line())
  for (let i = 0; i < 20; i++) {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    netDefer(() => socket.destroy())
    await netRoundTrip()
    if (socket.connecting) return { port }
  }
  throw new Error('the queue does not fill')
}
