/**
 * Reading into memory of the user's, without a copy: what Node has as the option `onread`.
 *
 * It is public for sockets that one makes oneself. For those that are made by Node, accepted ones and those of TLS,
 * it can be put in place by Node's own names for it. Where these are not found, what is read comes through `push()`.
 */
import type { Socket } from 'node:net'

/** As in Node's option. The callback answers whether to go on reading; `buffer` is asked for memory after it. */
export interface OnRead {
  buffer: () => Uint8Array
  callback: (this: Socket, n: number, memory: Uint8Array) => boolean
}

/** The most that Node reads at a time. */
export const READ_SIZE = 64 * 1024

/** For those that have no memory to offer at the moment. One for all: what is read into it is dealt with at once. */
export const SCRATCH: Uint8Array = new Uint8Array(READ_SIZE)

type Names = Record<'kBuffer' | 'kBufferGen' | 'kBufferCb', symbol>
type Handle = { useUserBuffer?: (memory: Uint8Array) => void }
type Inside = Record<symbol, unknown> & { _handle?: Handle | null }

let names: Names | undefined

/** From the next read on, `socket` reads into what `onRead` gives, first into {@link SCRATCH}. Returns whether it could be arranged. */
export function readInto(socket: Socket, onRead: OnRead): boolean {
  const inside = socket as unknown as Inside
  names ??= findNames(socket)
  const handle = inside._handle
  if (names === undefined || typeof handle?.useUserBuffer !== 'function') return false
  if (inside[names.kBufferCb] === onRead.callback) return true
  inside[names.kBuffer] = SCRATCH
  inside[names.kBufferGen] = onRead.buffer
  inside[names.kBufferCb] = onRead.callback
  handle.useUserBuffer(SCRATCH)
  return true
}

/** The memory that `socket` was to read into next is not its any more. To be called for one that reads so. */
export function readElsewhere(socket: Socket): void {
  const inside = socket as unknown as Inside
  if (names === undefined || inside._handle == null) return
  inside[names.kBuffer] = SCRATCH
  inside._handle.useUserBuffer!(SCRATCH)
}

function findNames(socket: Socket): Names | undefined {
  const own = Object.getOwnPropertySymbols(socket)
  const find = (name: string): symbol | undefined => own.find(({ description }) => description === name)
  const [kBuffer, kBufferGen, kBufferCb] = [find('kBuffer'), find('kBufferGen'), find('kBufferCb')]
  if (kBuffer === undefined || kBufferGen === undefined || kBufferCb === undefined) return undefined
  return { kBuffer, kBufferGen, kBufferCb }
}
