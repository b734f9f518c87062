/** `connectReadPipe`, `connectWritePipe` and `connectStdio`: a protocol on pipes that are there already. */
import { createReadStream, createWriteStream, fstatSync } from 'node:fs'
import { Socket } from 'node:net'
import type { Readable, Writable } from 'node:stream'
import { isatty, ReadStream, WriteStream } from 'node:tty'
import { toFactory, type AnyProtocol, type ProtocolFactory } from '../protocol.ts'
import type { ReadTransport, Transport, WriteTransport } from '../transport.ts'
import { JoinedDuplex } from '../transports/joinedDuplex.ts'
import { clientOwner } from '../transports/transportOwner.ts'
import { WritePipeTransport } from '../transports/writePipeTransport.ts'
import { connectDuplex, type DuplexOptions } from './connectDuplex.ts'

/** As for {@link connectDuplex}; the pipe is named in errors by `extraInfo.name`, by default its descriptor. */
export interface PipeOptions extends DuplexOptions {}

/**
 * Puts a protocol on what can only be read from: the descriptor of a pipe, a socket, a terminal or a file, or a stream
 * of Node's such as `process.stdin`. Returns its transport and the protocol, whose `connectionMade` has run; nothing is
 * received before the caller has had a turn. From now on the pipe belongs to the transport, which closes it.
 *
 * After the end of the stream the transport closes itself, whatever `eofReceived()` says. Otherwise like
 * {@link connectDuplex}. A descriptor is set to non-blocking, for every process that has it.
 *
 * Throws a TypeError for what is no such stream, for one that is destroyed or decodes text, and the system's error for a
 * descriptor that is not open. (asyncio: `loop.connect_read_pipe`.)
 */
export function connectReadPipe<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  pipe: number | Readable,
  options: PipeOptions = {},
): [transport: ReadTransport, protocol: P] {
  const stream = typeof pipe === 'number' ? readStreamOf(pipe) : pipe
  if (typeof (stream as Partial<Readable> | null)?.read !== 'function') throw new TypeError('a Readable is needed')
  if (stream.destroyed) throw new TypeError('the stream is destroyed')
  if (stream.readableEncoding !== null) {
    throw new TypeError(`the stream must give bytes, not ${stream.readableEncoding}: do not call setEncoding()`)
  }
  return attached(stream, pipe, () => {
    const protocol = toFactory<[], P>(protocolFactory)()
    const extraInfo = { name: nameOf(pipe), pipe: stream, ...options.extraInfo }
    return connectDuplex(() => protocol, new JoinedDuplex(stream), { ...options, extraInfo })
  })
}

/**
 * Puts a protocol on what can only be written to: the descriptor of a pipe, a socket, a terminal or a file, or a stream
 * of Node's such as `process.stdout`. Returns its transport and the protocol, whose `connectionMade` has run.
 *
 * A reader that hangs up closes it: `connectionLost` gets `null` if everything was taken, else a ConnectionLostError
 * whose `cause` is the system's `EPIPE`. A socket tells it at once, a pipe with the next write, since Node cannot watch
 * a pipe that it does not write to. `writeEof()` is `close()`. A descriptor is set to non-blocking, for every process
 * that has it.
 *
 * Throws like {@link connectReadPipe}. (asyncio: `loop.connect_write_pipe`.)
 */
export function connectWritePipe<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  pipe: number | Writable,
  options: PipeOptions = {},
): [transport: WriteTransport, protocol: P] {
  const stream = typeof pipe === 'number' ? writeStreamOf(pipe) : pipe
  if (typeof (stream as Partial<Writable> | null)?.write !== 'function') throw new TypeError('a Writable is needed')
  const { side = 'client', onConnectionError, extraInfo } = options
  return attached(stream, pipe, () => {
    const owner = { ...clientOwner(onConnectionError), side }
    const protocol = toFactory<[], P>(protocolFactory)()
    const extra = { name: nameOf(pipe), ...extraInfo }
    const transport = new WritePipeTransport(stream, protocol, owner, extra)
    transport.start()
    return [transport, protocol]
  })
}

/**
 * Puts a protocol on this process's stdin and stdout, as one transport in both directions; by default as the `server`,
 * since whoever has started the process is the client. Returns as {@link connectDuplex} does.
 *
 * Whatever else writes to stdout, such as `console.log`, ends up in the middle: print to stderr. `writeEof()` and
 * `close()` end what is sent, but Node keeps the descriptor open: over a pipe the reader sees the end when the process
 * exits. Closing lets go of stdin, so that it may. (asyncio has none; Twisted: `StandardIO`.)
 */
export function connectStdio<P extends AnyProtocol>(
  protocolFactory: ProtocolFactory<P>,
  options: PipeOptions = {},
): [transport: Transport, protocol: P] {
  const protocol = toFactory<[], P>(protocolFactory)()
  const stdio = new JoinedDuplex(process.stdin, process.stdout)
  const extraInfo = { name: 'stdio', ...options.extraInfo }
  return connectDuplex(() => protocol, stdio, { side: 'server', ...options, extraInfo })
}

/** A stream that was made for the call does not outlive its failure. */
function attached<T>(stream: Readable | Writable, pipe: number | Readable | Writable, connect: () => T): T {
  try {
    return connect()
  } catch (error) {
    if (stream !== pipe) stream.on('error', () => {}).destroy()
    throw error
  }
}

function nameOf(pipe: number | Readable | Writable): string {
  const fd = typeof pipe === 'number' ? pipe : (pipe as { fd?: unknown }).fd
  return typeof fd === 'number' ? (['stdin', 'stdout', 'stderr'][fd] ?? `descriptor ${fd}`) : 'pipe'
}

function readStreamOf(fd: number): Readable {
  if (isatty(fd)) return new ReadStream(fd)
  if (isPipe(fd)) return new Socket({ fd, readable: true, writable: false, allowHalfOpen: true })
  return createReadStream('', { fd })
}

function writeStreamOf(fd: number): Writable {
  if (isatty(fd)) return new WriteStream(fd)
  const stats = fstatSync(fd)
  // From a pipe nothing can be read; a socket tells of its end that way.
  if (isPipe(fd)) return new Socket({ fd, readable: stats.isSocket(), writable: true, allowHalfOpen: true })
  return createWriteStream('', { fd })
}

function isPipe(fd: number): boolean {
  const stats = fstatSync(fd)
  return stats.isFIFO() || stats.isSocket()
}
