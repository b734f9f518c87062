/**
 * The file of a Unix socket: libuv binds to a path and, when it closes, unlinks whatever is there by then. Here a file
 * that nobody listens on any more is replaced, and only a file of ours is removed.
 */
import { lstatSync, renameSync, unlinkSync, type BigIntStats } from 'node:fs'
import * as net from 'node:net'

/** What fits into `sun_path`, its closing NUL included. */
const SUN_PATH = process.platform === 'linux' ? 108 : 104

/**
 * Throws a RangeError for a path that the system has no room for (libuv would cut it off in silence), and a TypeError
 * for none at all. A name that begins with NUL is abstract: it is no file.
 */
export function checkUnixPath(path: string): void {
  if (path === '') throw new TypeError('path is empty')
  const size = Buffer.byteLength(path)
  const most = isAbstract(path) ? SUN_PATH : SUN_PATH - 1
  if (size > most) {
    throw new RangeError(`the path of a Unix socket has ${most} bytes at most, not ${size}: ${JSON.stringify(path)}`)
  }
}

export const isAbstract = (path: string): boolean => path.startsWith('\0')

/**
 * To be called when binding has failed since there is a file: removes it if it is a socket that nobody accepts on.
 * Resolves with whether it did. A file of another kind is never removed, nor one that cannot be tried.
 */
export async function removeStale(path: string): Promise<boolean> {
  if (isAbstract(path)) return false
  const found = statsOf(path)
  if (found === undefined) return true
  if (!found.isSocket() || (await probe(path)) !== 'ECONNREFUSED') return false
  // Somebody else may have been faster; his file may well have got the very number that was free again.
  const now = statsOf(path)
  if (!sameFile(found, now) || found.ctimeNs !== now!.ctimeNs) return false
  unlinkSync(path)
  return true
}

/** The code of the error that connecting gives. */
function probe(path: string): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = net.connect(path)
    socket.on('connect', () => {
      socket.destroy()
      resolve(undefined)
    })
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
  })
}

/**
 * How to close a socket that has just been bound to `path`: its file is removed if it is still the same one, and if
 * `cleanup`. Anything else is left as it is; for as long as the closing takes, it has another name.
 */
export function releaseOf(path: string, cleanup: boolean): ((close: () => void) => void) | undefined {
  if (isAbstract(path)) return undefined
  const bound = statsOf(path)
  return (close) => {
    const now = statsOf(path)
    if (now === undefined || (cleanup && sameFile(bound, now))) return close()
    const aside = `${path}.${process.pid}~`
    try {
      renameSync(path, aside)
    } catch {
      // Where it cannot be renamed it cannot be unlinked either.
      return close()
    }
    try {
      close()
    } finally {
      renameSync(aside, path)
    }
  }
}

function sameFile(one: BigIntStats | undefined, other: BigIntStats | undefined): boolean {
  return one !== undefined && other !== undefined && one.ino === other.ino && one.dev === other.dev
}

function statsOf(path: string): BigIntStats | undefined {
  try {
    return lstatSync(path, { bigint: true })
  } catch {
    return undefined
  }
}
