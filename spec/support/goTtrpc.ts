/** The real Go ttrpc peer (spec/peers/ttrpc), as a server and as a client. Whatever is started here is gone after the test. */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { netDefer, netUnixPath, NetWatched, type NetAddress } from './netTools.ts'

const folder = join(__dirname, '../peers/ttrpc')
const binary = join(folder, 'bin/ttrpc-peer')
/** The program of docs/rpc-go.md. */
export const goGreeter = join(folder, 'bin/greeter')

function whyNot(): { peer?: string; streams?: string } {
  const reason = ((): string | undefined => {
    if (!existsSync(binary)) return 'no Go peer: scripts/go-peer.sh builds it'
    const built = statSync(binary).mtimeMs
    const sources = readdirSync(folder).filter((file) => file.endsWith('.go'))
    const newer = sources.some((file) => statSync(join(folder, file)).mtimeMs > built)
    return newer ? 'the Go peer is older than its source: scripts/go-peer.sh builds it' : undefined
  })()
  if (reason !== undefined) return { peer: reason, streams: reason }
  const { stdout } = spawnSync(binary, ['version'], { encoding: 'utf8' })
  const hasStreams = (JSON.parse(stdout) as GoEvent)['streams'] === true && existsSync(goGreeter)
  return hasStreams ? {} : { streams: 'its ttrpc is older than 1.2' }
}

const missing = whyNot()

type Runner = (name: string, run: () => Promise<void>, timeoutMs?: number) => void
const runner =
  (reason: string | undefined): Runner =>
  (name, run, timeoutMs) =>
    reason === undefined ? it(name, run, timeoutMs) : it.skip(`${name} (skipped: ${reason})`, run, timeoutMs)

/** `it`, if the Go peer is built; else a test that is skipped and says why. */
export const itWithGo = runner(missing.peer)
/** The same, where it has streams and details of errors: with ttrpc 1.2 and later. */
export const itWithGoStreams = runner(missing.streams)

/** A line that the peer printed. */
export type GoEvent = Readonly<Record<string, unknown>>

class GoProcess {
  readonly #child: ChildProcessWithoutNullStreams
  readonly #events: GoEvent[] = []
  readonly #watched = new NetWatched()
  readonly #ended: Promise<number | null>
  #code: number | null | undefined
  stderr = ''
  /** Whether its ttrpc has streams: 1.2 and later. */
  readonly streams = missing.streams === undefined

  constructor(...args: string[]) {
    this.#child = spawn(binary, args)
    this.#child.stderr.on('data', (chunk: Buffer) => {
      this.stderr += chunk.toString()
      this.#watched.changed()
    })
    this.#child.stdin.on('error', () => {})
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#events.push(JSON.parse(line) as GoEvent)
      this.#watched.changed()
    })
    this.#ended = new Promise((resolve) =>
      this.#child.on('close', (code) => {
        this.#code = code
        this.#watched.changed()
        resolve(code)
      }),
    )
    netDefer(async () => {
      this.kill()
      await this.#ended
    })
  }

  /** Takes the first line, of those not yet taken, that has all of these; waits for it. Nobody has to wait with it. */
  event(wanted: GoEvent): Promise<GoEvent> {
    const taken = this.#event(wanted)
    taken.catch(() => {})
    return taken
  }

  async #event(wanted: GoEvent): Promise<GoEvent> {
    const found = (): number =>
      this.#events.findIndex((event) => Object.entries(wanted).every(([key, value]) => event[key] === value))
    await this.#watched.until(() => found() !== -1 || this.#code !== undefined)
    if (found() === -1) throw new Error(`the Go peer ended without ${JSON.stringify(wanted)}: ${this.stderr}`)
    return this.#events.splice(found(), 1)[0]!
  }

  /** What it printed, of what was not yet taken. */
  events(wanted: GoEvent): GoEvent[] {
    return this.#events.filter((event) => Object.entries(wanted).every(([key, value]) => event[key] === value))
  }

  /** Resolves when its log matches. */
  async logged(pattern: RegExp): Promise<void> {
    await this.#watched.until(() => pattern.test(this.stderr) || this.#code !== undefined)
    if (!pattern.test(this.stderr)) throw new Error(`the Go peer ended without ${String(pattern)}: ${this.stderr}`)
  }

  say(line: string): void {
    this.#child.stdin.write(`${line}\n`)
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Resolves with its exit code: 2 is a panic. */
  exit(): Promise<number | null> {
    return this.#ended
  }
}

/** Go's server with the service `millrace.test.Echo`: what its methods do is in spec/peers/ttrpc/server.go and streams.go. */
export class GoServer extends GoProcess {
  address!: { port: number; host: string } | { path: string }

  static start(kind: 'tcp' | 'unix' = 'tcp'): Promise<GoServer> {
    return GoServer.startAt(kind === 'tcp' ? '127.0.0.1:0' : `unix:${netUnixPath()}`)
  }

  /** At `HOST:PORT`, or at `unix:PATH`. */
  static async startAt(listen: string): Promise<GoServer> {
    const server = new GoServer('server', '--listen', listen)
    const address = String((await server.event({ event: 'listening' }))['address'])
    const port = Number(address.split(':').at(-1))
    server.address = listen.startsWith('unix:') ? { path: address } : { host: '127.0.0.1', port }
    return server
  }

  /** Lets the calls of `Hold` with this name go. */
  release(name: string): void {
    this.say(`release ${name}`)
  }
}

/** How a call of Go's client, or one receive of it, has ended. */
export interface GoOutcome {
  /** The response, encoded. */
  payload?: Buffer
  /** A stream's end. */
  end?: true
  /** Go's text, and which of its kinds of failure it is; of a status, what is in it. */
  error?: string
  kind?: 'status' | 'closed' | 'cancelled' | 'deadline' | 'protocol'
  code?: number
  message?: string
  details?: { typeUrl: string; value: Buffer }[]
}

const bytes = (base64: unknown): Buffer => Buffer.from(typeof base64 === 'string' ? base64 : '', 'base64')

function outcomeOf({ id: _id, op: _op, payload, details, ...rest }: GoEvent): GoOutcome {
  const failed = 'error' in rest || 'end' in rest
  return {
    ...(rest as GoOutcome),
    ...(!failed && { payload: bytes(payload) }),
    ...(Array.isArray(details) && {
      details: (details as GoEvent[]).map(({ typeUrl, value }) => ({ typeUrl: String(typeUrl), value: bytes(value) })),
    }),
  }
}

export interface GoCallOptions {
  service?: string
  payload?: Uint8Array
  timeoutMs?: number
  metadata?: Record<string, string[]>
}

/** Go's client. Payloads are encoded messages. */
export class GoClient extends GoProcess {
  #lastId = 0

  static async connect(address: NetAddress): Promise<GoClient> {
    const to = 'path' in address ? `unix:${address.path}` : `127.0.0.1:${address.port}`
    const client = new GoClient('client', '--connect', to)
    await client.event({ event: 'connected' })
    return client
  }

  command(op: string, { payload, ...fields }: GoEvent & { payload?: Uint8Array | undefined }): void {
    const encoded = payload !== undefined && { payload: Buffer.from(payload).toString('base64') }
    this.say(JSON.stringify({ op, ...fields, ...encoded }))
  }

  unary(method: string, options: GoCallOptions = {}): { outcome: Promise<GoOutcome>; cancel: () => void } {
    const id = ++this.#lastId
    this.command('unary', { id, method, ...options })
    const outcome = this.event({ id }).then(outcomeOf)
    outcome.catch(() => {})
    return { outcome, cancel: () => this.command('cancel', { id }) }
  }

  /** `count` calls at once; how many were answered in which way, `ok` being their own payload. */
  async many(method: string, count: number, options: GoCallOptions = {}): Promise<Record<string, number>> {
    const id = ++this.#lastId
    this.command('many', { id, method, count, ...options })
    return (await this.event({ id }))['answers'] as Record<string, number>
  }

  open(
    method: string,
    { clientStreams = false, serverStreams = false, ...options }: GoCallOptions & GoStreamKind,
  ): GoStream {
    const id = ++this.#lastId
    this.command('open', { id, method, clientStreams, serverStreams, ...options })
    return new GoStream(this, id)
  }

  /** Closes the connection. */
  async close(): Promise<void> {
    this.command('close', {})
    await this.event({ event: 'closed' })
  }
}

interface GoStreamKind {
  clientStreams?: boolean
  serverStreams?: boolean
}

/** A stream of Go's client. What it is told to do it does in this order; each answer tells when it is done. */
export class GoStream {
  readonly #client: GoClient
  readonly #id: number

  constructor(client: GoClient, id: number) {
    this.#client = client
    this.#id = id
  }

  #answer(op: string): Promise<GoOutcome> {
    const outcome = this.#client.event({ id: this.#id, op }).then(outcomeOf)
    outcome.catch(() => {})
    return outcome
  }

  opened(): Promise<GoOutcome> {
    return this.#answer('open')
  }

  /** Sends it, `count` times. */
  send(payload: Uint8Array, count = 1): Promise<GoOutcome> {
    this.#client.command('send', { id: this.#id, payload, count })
    return this.#answer('send')
  }

  closeSend(): Promise<GoOutcome> {
    this.#client.command('closeSend', { id: this.#id })
    return this.#answer('closeSend')
  }

  receive(): Promise<GoOutcome> {
    this.#client.command('receive', { id: this.#id })
    return this.#answer('receive')
  }

  /** Receives until the end, or a failure: that is the last one. */
  async rest(): Promise<GoOutcome[]> {
    const outcomes: GoOutcome[] = []
    this.#client.command('receive', { id: this.#id, count: 1e9 })
    do outcomes.push(await this.#answer('receive'))
    while (outcomes.at(-1)!.payload !== undefined)
    return outcomes
  }

  cancel(): void {
    this.#client.command('cancel', { id: this.#id })
  }
}
