import { spawnSync } from 'node:child_process'
import { constants, mkdtempSync, openSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The descriptors of both ends of a pipe of the system. Whoever uses one closes it. */
export function systemPipe(): { reading: number; writing: number } {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
  const path = join(folder, 'fifo')
  spawnSync('mkfifo', [path])
  const reading = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writing = openSync(path, constants.O_WRONLY | constants.O_NONBLOCK)
  rmSync(folder, { recursive: true })
  return { reading, writing }
}
