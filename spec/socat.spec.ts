/** Every wire of ours with socat at the other end. */
import { once } from 'node:events'
import { createUnixConnection } from '../lib/endpoints/connect.ts'
import { createDatagramEndpoint } from '../lib/endpoints/createDatagramEndpoint.ts'
import { endpointFromString } from '../lib/streams/endpointFromString.ts'
import { openConnection, startServer, startUnixServer } from '../lib/streams/open.ts'
import { createSubprocessExec } from '../lib/streams/createSubprocessExec.ts'
import type { StreamReader } from '../lib/streams/streamReader.ts'
import type { StreamWriter } from '../lib/streams/streamWriter.ts'
import { netDefer, netPromise, NetRecorder, netStop, netUnixPath } from './support/netTools.ts'
import { itWith, Program } from './support/program.ts'
import { ca, certified } from './support/tlsFixtures.ts'

const HOST = '127.0.0.1'
const itWithSocat = itWith('socat')
const LARGE = 'x'.repeat(2_000_000)

/** Answers all with its length, after the end. */
async function measure(reader: StreamReader, writer: StreamWriter): Promise<void> {
  writer.write(`${(await reader.read()).length} bytes`)
  writer.close()
}

/** Pipes `input` through socat to `address`. */
async function socat(address: string, input: string): Promise<string> {
  const program = new Program('socat', ['-t', '10', '-', address])
  netDefer(() => program.child.kill())
  program.child.stdin.end(input)
  expect([await program.exit(), program.stderr]).toEqual([0, ''])
  return program.stdout
}

/** socat that listens, and tells when. */
async function listening(address: string, other: string, ...options: string[]): Promise<Program> {
  const program = new Program('socat', ['-d', '-d', ...options, address, other])
  netDefer(() => program.child.kill('SIGKILL'))
  while (!/listening on/.test(program.stderr)) await once(program.child.stderr, 'data')
  return program
}

const portIn = ({ stderr }: Program): number => Number(/listening on .*:(\d+)/.exec(stderr)![1])

describe('socat', () => {
  itWithSocat('as a client over TCP: its half-close, and all its bytes', async () => {
    const server = await startServer(measure, { host: HOST })
    netStop(server)
    expect(await socat(`TCP:${HOST}:${server.sockets[0]!.port}`, LARGE)).toBe('2000000 bytes')
  })

  itWithSocat('as a client over a Unix socket', async () => {
    const path = netUnixPath()
    const server = await startUnixServer(measure, { path })
    netStop(server)
    expect(await socat(`UNIX-CONNECT:${path}`, LARGE)).toBe('2000000 bytes')
  })

  itWithSocat('as a client with TLS, which checks our certificate', async () => {
    const server = await startServer(
      async (reader, writer) => {
        for await (const line of reader) writer.write(line)
        writer.close()
      },
      { host: HOST, tls: certified('localhost') },
    )
    netStop(server)
    const { port } = server.sockets[0]!
    const address = `OPENSSL:${HOST}:${port},cafile=spec/fixtures/tls/ca.crt,commonname=localhost`
    expect(await socat(address, 'to and fro\n')).toBe('to and fro\n')
  })

  itWithSocat('as an echo over TCP and over TLS: what we send comes back', async () => {
    const files = 'cert=spec/fixtures/tls/localhost.crt,key=spec/fixtures/tls/localhost.key,verify=0'
    for (const [address, options] of [
      [`TCP-LISTEN:0,bind=${HOST}`, {}],
      [`OPENSSL-LISTEN:0,bind=${HOST},${files}`, { tls: { ca }, serverHostname: 'localhost' }],
    ] as const) {
      const echo = await listening(address, 'EXEC:cat')
      const { reader, writer } = await openConnection({ host: HOST, port: portIn(echo), ...options })
      writer.write(LARGE)
      expect((await reader.readExactly(LARGE.length)).equals(Buffer.from(LARGE))).toBe(true)
      writer.close()
      await echo.exit()
    }
  })

  itWithSocat('as an echo over a Unix socket', async () => {
    const path = netUnixPath()
    await listening(`UNIX-LISTEN:${path}`, 'EXEC:cat')
    const recorder = new NetRecorder()
    const [transport] = await createUnixConnection(() => recorder, { path })
    transport.write('there and back')
    transport.writeEof()
    await recorder.untilEvent('lost')
    expect([recorder.text, recorder.lostWith]).toEqual(['there and back', null])
  })

  itWithSocat('as an echo of datagrams', async () => {
    const received = netPromise<string>()
    const [server, serverProtocol] = await createDatagramEndpoint(
      () => ({
        datagramReceived: (data: Buffer, address: [string, number]) => server.sendto(`got ${data.toString()}`, address),
      }),
      { localAddr: [HOST, 0] },
    )
    expect(serverProtocol).toHaveProperty('datagramReceived')
    netDefer(() => server.close())
    const [, port] = server.getExtraInfo('sockname') as [string, number]
    const client = new Program('socat', ['-t', '5', '-', `UDP:${HOST}:${port}`])
    netDefer(() => client.child.kill())
    client.child.stdout.on('data', () => received.resolve(client.stdout))
    client.child.stdin.write('a datagram')
    expect(await received.promise).toBe('got a datagram')
  })

  itWithSocat('as a child that is talked to over its pipes, and passes it on', async () => {
    const server = await startServer(measure, { host: HOST })
    netStop(server)
    const child = await createSubprocessExec('socat', ['-t', '10', '-', `TCP:${HOST}:${server.sockets[0]!.port}`], {
      stdin: 'pipe',
      stdout: 'pipe',
    })
    const { stdout } = await child.communicate(LARGE)
    expect([stdout.toString(), child.returncode]).toEqual(['2000000 bytes', 0])
  })

  itWithSocat('behind a string: an endpoint from a configuration', async () => {
    const path = netUnixPath()
    const server = await endpointFromString(`unix:${path}`).startServer(measure)
    netStop(server)
    expect(await socat(`UNIX-CONNECT:${path}`, 'seven b')).toBe('7 bytes')
  })
})
