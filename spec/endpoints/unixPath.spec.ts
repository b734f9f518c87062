import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import * as net from 'node:net'
import { dirname } from 'node:path'
import { createUnixConnection } from '../../lib/endpoints/connect.ts'
import { createUnixServer, type UnixListenOptions } from '../../lib/endpoints/listen.ts'
import type { Server } from '../../lib/endpoints/server.ts'
import { netDefer, netDial, netError, NetRecorder, netStop, netUnixPath } from '../support/netTools.ts'
import { itWith, Program } from '../support/program.ts'

const itOnLinux = process.platform === 'linux' ? it : it.skip
const itWithPython = itWith('python3')

async function listen(path: string, options: Partial<UnixListenOptions> = {}): Promise<Server> {
  const server = await createUnixServer(NetRecorder, { path, ...options })
  netStop(server)
  return server
}

/** A socket's file that nobody listens on. */
async function stale(path: string): Promise<void> {
  const first = net.createServer()
  await new Promise<void>((resolve) => first.listen(path, resolve))
  linkSync(path, `${path}.kept`)
  first.close()
  linkSync(`${path}.kept`, path)
  unlinkSync(`${path}.kept`)
}

const inode = (path: string): number => lstatSync(path).ino

describe('listening on a path (A55, N11)', () => {
  it('replaces a socket that nobody accepts on', async () => {
    const path = netUnixPath()
    await stale(path)
    expect(await netError<NodeJS.ErrnoException>(netDial({ path }))).toMatchObject({ code: 'ECONNREFUSED' })
    await listen(path)
    await netDial({ path })
    expect(lstatSync(path).isSocket()).toBe(true)
  })

  it('lets one of several that come at once have it', async () => {
    for (let round = 0; round < 5; round++) {
      const path = netUnixPath()
      // oxlint-disable-next-line no-await-in-loop -- each on its own
      await stale(path)
      // oxlint-disable-next-line no-await-in-loop
      const outcomes = await Promise.allSettled([listen(path), listen(path), listen(path)])
      expect(outcomes.map(({ status }) => status).toSorted((a, b) => a.localeCompare(b))).toEqual([
        'fulfilled',
        'rejected',
        'rejected',
      ])
      // oxlint-disable-next-line no-await-in-loop
      await netDial({ path })
    }
  })

  it('leaves one that lives, and it goes on', async () => {
    const path = netUnixPath()
    await listen(path)
    const before = inode(path)
    await expect(listen(path)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(inode(path)).toBe(before)
    await netDial({ path })
  })

  it.each<[string, (path: string) => void]>([
    ['a file', (path) => writeFileSync(path, 'kept')],
    ['a directory', (path) => mkdirSync(path)],
    ['a link', (path) => symlinkSync('/nowhere', path)],
  ])('never removes %s', async (_, make) => {
    const path = netUnixPath()
    make(path)
    const before = inode(path)
    await expect(listen(path)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    expect(inode(path)).toBe(before)
  })

  it('refuses a path that the system would cut off, and none at all; so does connecting', async () => {
    const directory = dirname(netUnixPath())
    const path = (size: number): string => `${directory}/${'x'.repeat(size - directory.length - 1)}`
    const most = process.platform === 'linux' ? 107 : 103
    await listen(path(most))
    await netDial({ path: path(most) })
    for (const long of [path(most + 1), `${path(most - 1)}ü`]) {
      const message = `the path of a Unix socket has ${most} bytes at most, not ${most + 1}`
      await expect(listen(long)).rejects.toThrow(RangeError)
      await expect(listen(long)).rejects.toThrow(message)
      await expect(createUnixConnection(NetRecorder, { path: long })).rejects.toThrow(message)
    }
    expect(readdirSync(directory)).toHaveLength(1)
    await expect(listen('')).rejects.toThrow(TypeError)
    await expect(createUnixServer(NetRecorder, {})).rejects.toThrow('give either path or fd')
  })
})

describe('closing (A55, N11)', () => {
  it('removes the file', async () => {
    const path = netUnixPath()
    const server = await listen(path)
    server.close()
    expect(readdirSync(dirname(path))).toEqual([])
  })

  it('leaves what has taken its place: another socket, which goes on, or a file', async () => {
    const path = netUnixPath()
    const server = await listen(path)
    unlinkSync(path)
    const other = net.createServer()
    await new Promise<void>((resolve) => other.listen(path, resolve))
    netDefer(() => other.close())
    server.close()
    expect(readdirSync(dirname(path))).toHaveLength(1)
    await netDial({ path })

    const second = netUnixPath()
    const replaced = await listen(second)
    unlinkSync(second)
    writeFileSync(second, 'kept')
    replaced.close()
    expect(lstatSync(second).size).toBe(4)
    expect(readdirSync(dirname(second))).toHaveLength(1)
  })

  it('goes well when the file is gone, or its directory', async () => {
    const path = netUnixPath()
    const server = await listen(path)
    unlinkSync(path)
    server.close()
    await server.waitClosed()
    expect(existsSync(path)).toBe(false)
  })

  it('keeps the file with cleanupSocket: false; the next server replaces it', async () => {
    const path = netUnixPath()
    const server = await listen(path, { cleanupSocket: false })
    const before = inode(path)
    server.close()
    expect(inode(path)).toBe(before)
    expect(readdirSync(dirname(path))).toHaveLength(1)
    expect(await netError<NodeJS.ErrnoException>(netDial({ path }))).toMatchObject({ code: 'ECONNREFUSED' })
    await listen(path)
    await netDial({ path })
  })
})

describe('an abstract name', () => {
  const name = `millrace-spec-path-${process.pid}`

  itOnLinux('is no file, is in use once, and named by an @ in messages', async () => {
    const server = await listen(`\0${name}`)
    expect(server.sockets[0]!.getsockname()).toBe(`\0${name}`)
    await expect(listen(`\0${name}`)).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const [transport] = await createUnixConnection(NetRecorder, { path: `\0${name}` })
    expect(transport.getExtraInfo('peername')).toBe(`\0${name}`)
    transport.abort()
    server.close()
    const error = await netError(createUnixConnection(NetRecorder, { path: `\0${name}` }))
    expect(error.message).toMatch(`could not connect to unix:@${name}: `)
  })

  itWithPython('is the one that others know by it', async () => {
    const recorder = new NetRecorder()
    const server = await createUnixServer(() => recorder, { path: `\0${name}` })
    netStop(server)
    // Node 20 binds to the name and NULs behind it, as many as fit.
    const [major] = process.versions.node.split('.').map(Number) as [number]
    const padded = major < 22 ? `'\\0${name}'.ljust(108, '\\0')` : `'\\0${name}'`
    const source = `import socket; s = socket.socket(socket.AF_UNIX); s.connect(${padded}); s.send(b'hello')`
    const python = new Program('python3', ['-c', source])
    expect([await python.exit(), python.stderr]).toEqual([0, ''])
    await recorder.untilEvent('eof')
    expect(recorder.text).toBe('hello')
  })
})
