import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { PcapFile } from '../../lib/layers/pcapFile.ts'
import { ACK, pcapHeader, type Segment } from '../../lib/layers/tcpPacket.ts'
import { netDefer, netError, netTurns } from '../support/netTools.ts'

let directory: string
beforeEach(() => (directory = mkdtempSync(join(tmpdir(), 'millrace-'))))
afterEach(() => rmSync(directory, { recursive: true }))

const end = { address: Uint8Array.of(127, 0, 0, 1), port: 1 }
/** 16 + 40 bytes and the data. */
const segment = (size: number, fill = 'x'): Segment => ({
  from: end,
  to: end,
  seq: 0,
  ack: 0,
  flags: ACK,
  data: Buffer.alloc(size, fill),
})

describe('PcapFile', () => {
  it('has its header, and the packets in their order, when it is closed', async () => {
    const path = join(directory, 'file')
    {
      await using file = await PcapFile.create(pathToFileURL(path))
      for (let i = 0; i < 1000; i++) file.add(segment(10, String.fromCharCode(i & 0x7f)))
    }
    const written = readFileSync(path)
    expect(written.subarray(0, 24)).toEqual(Buffer.from(pcapHeader()))
    expect(written.length).toBe(24 + 1000 * 66)
    for (let i = 0; i < 1000; i++) expect(written[24 + i * 66 + 65]).toBe(i & 0x7f)
  })

  it('has what was captured so far after flush(), and empties a file that was there', async () => {
    const path = join(directory, 'file')
    await using first = await PcapFile.create(path)
    first.add(segment(100))
    await first.flush()
    expect(readFileSync(path).length).toBe(24 + 156)
    await using second = await PcapFile.create(path)
    await second.flush()
    expect(readFileSync(path).length).toBe(24)
  })

  it('ignores what comes after close(), which may be called again', async () => {
    const path = join(directory, 'file')
    const file = await PcapFile.create(path)
    const closed = file.close()
    file.add(segment(10))
    expect(file.close()).toBe(closed)
    await closed
    expect(readFileSync(path).length).toBe(24)
    expect(file.dropped).toBe(0)
  })

  it('drops and counts what a slow disk does not take, and goes on when it does', async () => {
    // A pipe that nobody reads yet is a slow disk.
    const path = join(directory, 'pipe')
    await once(spawn('mkfifo', [path]), 'exit')
    const reader = spawn('sh', ['-c', `exec 3< ${path}; read go; cat <&3`])
    netDefer(() => void reader.kill())
    const file = await PcapFile.create(path, { maxQueuedBytes: 500_000 })
    for (let i = 0; i < 20; i++) file.add(segment(100_000 - 56))
    expect(file.dropped).toBe(15)
    await netTurns(50)
    file.add(segment(0))
    expect(file.dropped).toBe(16)
    let length = 0
    reader.stdout.on('data', (chunk: Buffer) => (length += chunk.length))
    reader.stdin.write('go\n')
    await file.flush()
    file.add(segment(0))
    await file.close()
    await once(reader, 'close')
    expect(length).toBe(24 + 5 * 100_000 + 56)
  })

  it('rejects where there is no such folder, and for a limit that makes no sense', async () => {
    expect(await netError(PcapFile.create(join(directory, 'no/file')))).toMatchObject({ code: 'ENOENT' })
    const path = join(directory, 'file')
    expect(await netError(PcapFile.create(path, { maxQueuedBytes: 0 }))).toBeInstanceOf(RangeError)
    expect(existsSync(path)).toBe(false)
  })

  it('counts what a full disk does not take, and tells the error when it is closed', async () => {
    const file = await PcapFile.create('/dev/full')
    file.add(segment(10))
    expect(await netError(file.flush())).toMatchObject({ code: 'ENOSPC' })
    const { dropped } = file
    file.add(segment(10))
    expect(file.dropped).toBe(dropped + 1)
    expect(await netError(file.close())).toMatchObject({ code: 'ENOSPC' })
  })
})
