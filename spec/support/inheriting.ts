import { spawn } from 'node:child_process'
import type * as net from 'node:net'
import { join } from 'node:path'
import { netDefer } from './netTools.ts'

/**
 * Runs an ES module text as a program that imports the built package, with `sockets` as its descriptors from 3 on.
 * Resolves with its exit code and what it wrote to stderr. `shell` is run before it, in the same process.
 */
export function spawnWith(
  source: string,
  sockets: readonly (net.Socket | net.Server)[],
  shell = ':',
): Promise<[code: number | null, stderr: string]> {
  const inherited = sockets.map((each) => (each as unknown as { _handle: { fd: number } })._handle.fd)
  const args = ['-c', `${shell}; exec "$0" "$@"`, process.execPath, '--input-type=module', '-e', source]
  const child = spawn('/bin/sh', args, {
    cwd: join(__dirname, '../..'),
    env: { ...process.env, NODE_OPTIONS: '' },
    stdio: ['ignore', 'ignore', 'pipe', ...inherited],
  })
  let stderr = ''
  child.stderr!.on('data', (data) => (stderr += String(data)))
  const ended = new Promise<[number | null, string]>((resolve) => child.on('close', (code) => resolve([code, stderr])))
  netDefer(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return ended
}
