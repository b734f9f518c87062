import { openConnection } from '../lib/index.ts'
import { LengthPrefixedReader, LengthPrefixedWriter } from '../lib/framing/index.ts'
import { itWith, Program, sample } from './support/program.ts'

const python = (script: string, ...args: string[]): Program => new Program('python3', [`spec/peers/${script}`, ...args])
const itWithPython = itWith('python3')

describe('Python’s asyncio streams', () => {
  itWithPython('as a client of the string server', async () => {
    const server = sample('4-string-server', '0')
    const client = python('string_client.py', String(await server.port()))
    expect([await client.exit(), client.stderr]).toEqual([0, ''])
    expect(client.stdout).toBe("['ok', 'ok', 'ok', 'ok'] b''\n")
    expect(await server.interrupt()).toBe(0)
  })

  itWithPython('as a client of the Qbp server', async () => {
    const server = sample('qbp/server', '0')
    const client = python('qbp.py', String(await server.port()))
    expect([await client.exit(), client.stderr]).toEqual([0, ''])
    expect(client.stdout.split('\n')).toEqual([
      'welcome session 1',
      'refused: not in nowhere',
      "joined room with ['python'] history 0",
      'heard 1 to 100 line 99 by python',
      'goodbye received 104 sent 104',
      "rest b''",
      '',
    ])
    expect(await server.interrupt()).toBe(0)
    expect(server.stdout).not.toContain('error')
  })

  itWithPython('as a server of frames, for a length-prefixed reader and writer', async () => {
    const server = python('frame_server.py')
    const [reader, writer] = await openConnection({
      host: '127.0.0.1',
      port: await server.port(),
      reader: LengthPrefixedReader,
      writer: LengthPrefixedWriter,
    })
    const frames = ['', 'a', 'x'.repeat(200_000), 'grün']
    for (const frame of frames) writer.writeMessage(frame)
    const echoed: string[] = []
    for (let i = 0; i < frames.length; i++) echoed.push(Buffer.from((await reader.readMessage())!).toString())
    expect(echoed).toEqual(frames)
    writer.write(Uint8Array.of(0, 0))
    writer.writeEof()
    expect(await reader.readMessage()).toBeUndefined()
    writer.close()
    await writer.waitClosed()
    await server.output(/end after 2 bytes of 4/)
    server.child.kill()
    await server.exit()
  })

  itWithPython('as a Qbp server, for the sample’s client', async () => {
    const server = python('qbp.py', 'serve')
    const client = new Program(process.execPath, ['spec/peers/qbpClient.mjs', String(await server.port())])
    expect([await client.exit(), client.stderr]).toEqual([0, ''])
    expect(client.stdout).toBe("room [ 'node' ]\n1 node: line 0 | 100 node: line 99\ntrue true\n")
    await server.output(/rest b''/)
    server.child.kill()
    await server.exit()
  })
})
