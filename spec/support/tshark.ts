import { spawnSync } from 'node:child_process'

/** What tshark prints of a file, with all checksums looked at. */
export function tshark(path: string, ...args: string[]): string {
  const checked = ['ip.check_checksum:TRUE', 'tcp.check_checksum:TRUE'].flatMap((option) => ['-o', option])
  const { stdout, stderr, status } = spawnSync('tshark', ['-n', '-r', path, ...checked, ...args], {
    maxBuffer: 256 * 1024 * 1024,
  })
  if (status !== 0) throw new Error(`tshark ended with ${status}: ${stderr.toString()}`)
  return stdout.toString()
}

/** What tshark finds wrong with the packets: nothing. */
export const complaints = (path: string): string =>
  tshark(
    path,
    '-Y',
    'tcp.analysis.flags || _ws.malformed || _ws.expert.severity >= 0x600000 || ' +
      'ip.checksum.status == "Bad" || tcp.checksum.status == "Bad"',
  )

/** The bytes of the n-th conversation, as the client and the server sent them. */
export function conversation(path: string, n = 0): { client: Buffer; server: Buffer } {
  const lines = tshark(path, '-q', '-z', `follow,tcp,raw,${n}`).split('\n')
  const hex = lines.filter((line) => /^\t?[0-9a-f]+$/.test(line))
  const join = (own: (line: string) => boolean): Buffer =>
    Buffer.from(hex.filter(own).join('').replaceAll('\t', ''), 'hex')
  return { client: join((line) => !line.startsWith('\t')), server: join((line) => line.startsWith('\t')) }
}
