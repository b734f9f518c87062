import { once } from 'node:events'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { openConnection, type StreamReader } from '../lib/index.ts'
import { netDefer } from './support/netTools.ts'
import { itWith, Program, sample } from './support/program.ts'
import { complaints, conversation } from './support/tshark.ts'

const connect = async (program: Program) => openConnection({ host: '127.0.0.1', port: await program.port() })

const itWithNc = itWith('nc')
const itWithTshark = itWith('tshark')
const itWithOpenssl = itWith('openssl')
const itWithCurl = itWith('curl')

/** As the head of 7-starttls-echo says. */
function selfSigned(): { cert: string; key: string } {
  const head = readFileSync(join(__dirname, '../samples/7-starttls-echo.ts'), 'utf8')
  const [command] = /openssl req [^]*?DNS:localhost/.exec(head)!
  const directory = mkdtempSync(join(tmpdir(), 'millrace-'))
  netDefer(() => rmSync(directory, { recursive: true }))
  execFileSync('sh', ['-c', command.replaceAll('\n//', '\n')], { cwd: directory, stdio: 'ignore' })
  return { cert: join(directory, 'cert.pem'), key: join(directory, 'key.pem') }
}

describe('the samples', () => {
  const covered = [
    '10-http2-server',
    '11-key-value',
    '12-chat',
    '13-either-way',
    '14-nursery-chat',
    '15-promises-in-a-scope',
    '16-component-for-promises',
    '1-echo-protocol',
    '2-echo-streams',
    '3-greeting',
    '4-string-server',
    '5-logging-transport',
    '6-tcp-proxy',
    '7-starttls-echo',
    '8-subprocess',
    '9-datagrams',
    'go',
    'mini-redis',
    'qbp',
  ]

  // mini-redis has specs of its own, in spec/samples; the one in Go is run by spec/rpc/goDocs.
  it('are all run here', () => {
    const names = readdirSync(join(__dirname, '../samples')).map((name) => name.replace(/\.ts$/, ''))
    expect(names.sort()).toEqual([...covered].sort())
  })

  it('1-echo-protocol sends everything back, and says who came and went', async () => {
    const program = sample('1-echo-protocol', '0')
    const [reader, writer] = await connect(program)
    writer.write('to and fro')
    expect((await reader.readExactly(10)).toString()).toBe('to and fro')
    writer.close()
    await program.output(/connection from 127\.0\.0\.1,\d+\nconnection closed: clean/)
    expect(await program.interrupt()).toBe(0)
    expect(program.stderr).toBe('')
  })

  it('2-echo-streams sends every line back, and closes open connections when interrupted', async () => {
    const program = sample('2-echo-streams', '0')
    const [reader, writer] = await connect(program)
    writer.write('one\ntw')
    expect((await reader.readLine()).toString()).toBe('one\n')
    writer.write('o\n')
    expect((await reader.readLine()).toString()).toBe('two\n')
    expect(await program.interrupt()).toBe(0)
    expect((await reader.read()).length).toBe(0)
    writer.close()
    expect(program.stdout).toMatch(/closed\n$/)
  })

  it('3-greeting greets, and closes one connection for one bad message', async () => {
    const program = sample('3-greeting', '0')
    const [reader, writer] = await connect(program)
    const bad = await connect(program)
    bad.writer.write(Uint8Array.of(0xff))
    expect((await bad.reader.read()).length).toBe(0)
    writer.write('Ada\n')
    expect((await reader.readLine()).toString()).toBe('Hello, Ada!\n')
    writer.close()
    bad.writer.close()
    await program.output(/error: The encoded data was not valid/)
    expect(await program.interrupt()).toBe(0)
  })

  it('4-string-server answers ok to each string, and reports one that is too long', async () => {
    const program = sample('4-string-server', '0')
    const [reader, writer] = await connect(program)
    writer.write(Buffer.from('\x03\0\0\0abc\0\0\0\0', 'latin1'))
    expect((await reader.readExactly(12)).toString('latin1')).toBe('\x02\0\0\0ok\x02\0\0\0ok')
    writer.write(Buffer.from([0x00, 0x00, 0x00, 0x01]))
    expect((await reader.read()).length).toBe(0)
    writer.close()
    await program.output(/error: a frame of 16777216 bytes is over the limit of 99999 \(from 127\.0\.0\.1:\d+\)/)
    expect(await program.interrupt()).toBe(0)
    expect(program.stdout).toMatch(/received 3 bytes: "abc"\nreceived 0 bytes: ""\n/)
  })

  itWithNc('4-string-server answers the line of its head comment, with nc', async () => {
    const program = sample('4-string-server', '0')
    const line = String.raw`printf '\014\000\000\000hello world\n' | nc -q 2 127.0.0.1 ${await program.port()}`
    const nc = new Program('bash', ['-c', line])
    expect(await nc.exit()).toBe(0)
    expect(nc.stdout).toBe('\x02\0\0\0ok')
    await program.output(/received 12 bytes: "hello world\\n"/)
    expect(await program.interrupt()).toBe(0)
  })

  it.each(['asyncio', 'trio'])('13-either-way serves the same strings in the way of %s', async (way) => {
    const program = sample('13-either-way', way, '0')
    const [reader, writer] = await connect(program)
    writer.write(Buffer.from('\x03\0\0\0abc\0\0\0\0', 'latin1'))
    expect((await reader.readExactly(12)).toString('latin1')).toBe('\x02\0\0\0ok\x02\0\0\0ok')
    const bad = await connect(program)
    bad.writer.write(Buffer.from([0xff, 0xff, 0xff, 0xff]))
    expect(await bad.reader.read()).toHaveLength(0)
    bad.writer.close()
    writer.write(Buffer.from('\x01\0\0\0x', 'latin1'))
    expect((await reader.readExactly(6)).toString('latin1')).toBe('\x02\0\0\0ok')
    expect(await program.interrupt()).toBe(0)
    expect(await reader.read().catch(() => Buffer.alloc(0))).toHaveLength(0)
    writer.close()
    expect(program.stdout).toMatch(/received "abc"\nreceived ""\n(.*\n)*received "x"\nexit\n$/)
    expect(program.stderr).toContain('ERR_MILLRACE_FRAME_TOO_LARGE')
  })

  describe('14-nursery-chat', () => {
    const enter = async (program: Program, name: string) => {
      const streams = await connect(program)
      expect(String(await streams.reader.readLine())).toBe('Who are you?\n')
      streams.writer.write(`${name}\n`)
      return streams
    }
    const lines = async (reader: StreamReader, n: number): Promise<string[]> => {
      const read: string[] = []
      while (read.length < n) read.push(String(await reader.readLine()).trim())
      return read
    }

    it('passes on what is said, and ends by SIGTERM when all have left', async () => {
      const program = sample('14-nursery-chat', '0')
      const ada = await enter(program, 'ada')
      expect(await lines(ada.reader, 1)).toEqual(['* ada is here'])
      const bob = await enter(program, 'bob')
      expect(await lines(bob.reader, 1)).toEqual(['* bob is here'])
      bob.writer.write('hello\n')
      expect(await lines(ada.reader, 2)).toEqual(['* bob is here', 'bob: hello'])
      expect(await lines(bob.reader, 1)).toEqual(['bob: hello'])
      const twice = await enter(program, 'ada')
      expect(await lines(twice.reader, 1)).toEqual(['Somebody else, please.'])
      twice.writer.close()
      bob.writer.writeEof()
      expect(await lines(ada.reader, 1)).toEqual(['* bob has left'])
      bob.writer.close()
      program.child.kill('SIGTERM')
      expect(await lines(ada.reader, 1)).toEqual(['* the room closes'])
      ada.writer.close()
      expect(await program.exit()).toBe(0)
      expect([program.stdout.split('\n').slice(1), program.stderr]).toEqual([['closed', ''], ''])
    })

    it('ends though somebody stays', async () => {
      const program = sample('14-nursery-chat', '0')
      const { reader, writer } = await enter(program, 'ada')
      await lines(reader, 1)
      program.child.kill('SIGTERM')
      expect(await program.exit()).toBe(0)
      expect(await lines(reader, 1)).toEqual(['* the room closes'])
      writer.close()
    })
  })

  it('15-promises-in-a-scope stops what can be stopped, and tells of the rest', async () => {
    const program = sample('15-promises-in-a-scope')
    expect(await program.exit()).toBe(0)
    const gone = 'service: the client of /slow is gone'
    const told = program.stdout.trim().split('\n')
    expect(told.filter((line) => line === gone)).toHaveLength(3)
    expect(told.filter((line) => line !== gone)).toEqual([
      'here is /quick',
      'failed: the block took longer than 50 ms',
      'first: here is /quick',
      'moved on',
      'abandoned: too late, and nobody listens',
    ])
    expect(program.stderr).toBe('')
  })

  it('16-component-for-promises is used by code without nurseries', async () => {
    const program = sample('16-component-for-promises')
    expect(await program.exit()).toBe(0)
    expect(program.stdout.split('\n')).toEqual([
      'echoed: hello',
      'no address has answered: could not connect to 127.0.0.1:1: connect ECONNREFUSED 127.0.0.1:1',
      'stopped: the user has left',
      '',
    ])
  })

  it('5-logging-transport shows what is sent, and ends by itself', async () => {
    const program = sample('5-logging-transport')
    expect(await program.exit()).toBe(0)
    expect(program.stdout.split('\n')).toEqual([
      'sending 11 bytes: "Hello World"',
      'received Hello World',
      'closing',
      'closed',
      '',
    ])
  })

  describe('6-tcp-proxy', () => {
    async function echoServer(): Promise<number> {
      const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket))
      echo.listen(0, '127.0.0.1')
      await once(echo, 'listening')
      netDefer(() => void echo.close())
      return (echo.address() as { port: number }).port
    }

    it('passes on both ways, and logs it', async () => {
      const upstream = await echoServer()
      const program = sample('6-tcp-proxy', '0', '127.0.0.1', `${upstream}`)
      const [reader, writer] = await connect(program)
      writer.write('there and back')
      writer.writeEof()
      expect((await reader.read()).toString()).toBe('there and back')
      writer.close()
      await program.output(
        /closing, 0 bytes unsent\n(.*\n)*.*connection lost: clean\n(.*\n)*.*connection lost: clean\n/,
      )
      expect(program.stdout).toContain(`127.0.0.1:${upstream} sending 14 bytes: "there and back"`)
      expect(program.stdout).toMatch(/127\.0\.0\.1:\d+ received 14 bytes: "there and back"/)
      expect(await program.interrupt()).toBe(0)
      expect(program.stderr).toBe('')
    })

    itWithNc('passes on for nc', async () => {
      const program = sample('6-tcp-proxy', '0', '127.0.0.1', `${await echoServer()}`)
      const nc = new Program('sh', ['-c', `echo hello | nc -N 127.0.0.1 ${await program.port()}`])
      expect([await nc.exit(), nc.stdout]).toEqual([0, 'hello\n'])
      expect(await program.interrupt()).toBe(0)
    })

    itWithTshark(
      'writes what tshark reads: two connections with the same bytes',
      async () => {
        const folder = mkdtempSync(join(tmpdir(), 'millrace-'))
        netDefer(() => rmSync(folder, { recursive: true }))
        const path = join(folder, 'traffic.pcap')
        const program = sample('6-tcp-proxy', '0', '127.0.0.1', `${await echoServer()}`, path)
        const [reader, writer] = await connect(program)
        const bytes = Buffer.alloc(200_000, 'to and fro')
        writer.write(bytes)
        writer.writeEof()
        expect((await reader.read()).equals(bytes)).toBe(true)
        writer.close()
        await program.output(/connection lost: clean\n(.*\n)*.*connection lost: clean\n/)
        expect(await program.interrupt()).toBe(0)
        expect(complaints(path)).toBe('')
        for (const n of [0, 1]) expect(conversation(path, n)).toEqual({ client: bytes, server: bytes })
      },
      30_000,
    )

    it('closes the client if it cannot connect, and goes on', async () => {
      const program = sample('6-tcp-proxy', '0', '127.0.0.1', '1')
      const [reader, writer] = await connect(program)
      expect((await reader.read()).length).toBe(0)
      writer.close()
      expect(await program.interrupt()).toBe(0)
      expect(program.stderr).toMatch(/ERR_MILLRACE_CONNECT could not connect to 127\.0\.0\.1:1/)
    })
  })

  itWithOpenssl('7-starttls-echo talks in clear, then over TLS, with a certificate made as its head says', async () => {
    const made = selfSigned()
    const program = sample('7-starttls-echo', made.cert, made.key)
    expect(await program.exit()).toBe(0)
    expect(program.stdout.split('\n')).toEqual([
      'over no TLS: anyone can read this',
      'go ahead',
      'over TLSv1.3: nobody else can read this',
      '',
    ])
    expect(program.stderr).toBe('')
  })

  it('8-subprocess asks, sorts, and ends what does not end', async () => {
    const program = sample('8-subprocess')
    expect(await program.exit()).toBe(0)
    expect(program.stdout.split('\n')).toEqual([
      '6 * 7 = 42',
      '2 + 2 = 4',
      'it ended with 0',
      'sorted: 4 30 100',
      'it was ended by signal 15',
      '',
    ])
    expect(program.stderr).toBe('')
  })

  it('9-datagrams asks for the time, and for something else', async () => {
    const program = sample('9-datagrams')
    expect(await program.exit()).toBe(0)
    expect(program.stdout).toMatch(
      /^asked for time\nasked for weather\nanswered \d{4}-\d\d-\d\dT[\d:.]+Z\nanswered ask for the time\n$/,
    )
    expect(program.stderr).toBe('')
  })

  it('11-key-value watches, gets, and says what is not there', async () => {
    const program = sample('11-key-value')
    expect(await program.exit()).toBe(0)
    expect(program.stdout.split('\n')).toEqual([
      '1: color/sky is blue',
      '3: color/sky is red',
      '4: color/sky is black',
      'now black',
      'there is no color/sea',
      '',
    ])
    expect(program.stderr).toBe('')
  })

  it('11-key-value serves until it is interrupted', async () => {
    const program = sample('11-key-value', 'serve', '0')
    await program.port()
    expect(await program.interrupt()).toBe(0)
    expect(program.stderr).toBe('')
  })

  it('12-chat says to each what others say in its room', async () => {
    const program = sample('12-chat')
    expect(await program.exit()).toBe(0)
    expect(program.stdout.split('\n')).toEqual([
      '2 in tea, 1 in the garden',
      'bob heard ada say "hello"',
      'bob heard ada say "is the kettle on?"',
      'ada heard bob say "it is"',
      'eve heard nothing',
      '',
    ])
    expect(program.stderr).toBe('')
  })

  it('12-chat talks with those who join by hand', async () => {
    const server = sample('12-chat', 'serve', '0')
    const port = String(await server.port())
    const ada = sample('12-chat', 'join', port, 'ada', 'tea')
    await ada.output(/1 in tea/)
    const bob = sample('12-chat', 'join', port, 'bob', 'tea')
    await bob.output(/2 in tea/)
    bob.write('hello\n')
    await ada.output(/bob: hello\n/)
    ada.end('and goodbye\n')
    await bob.output(/ada: and goodbye\n/)
    expect(await ada.exit()).toBe(0)
    expect(await server.interrupt()).toBe(0)
    expect([server.stderr, ada.stderr]).toEqual(['', ''])
  }, 30_000)

  itWithCurl(
    '10-http2-server answers GET and POST with JSON, over HTTP/2, and nothing else',
    async () => {
      const made = { cert: 'spec/fixtures/tls/localhost.crt', key: 'spec/fixtures/tls/localhost.key' }
      const program = sample('10-http2-server', made.cert, made.key, '0')
      const url = `https://localhost:${await program.port()}`
      const curl = async (...args: string[]): Promise<string> => {
        const child = new Program('curl', ['-s', '--max-time', '20', '--cacert', 'spec/fixtures/tls/ca.crt', ...args])
        expect([await child.exit(), child.stderr]).toEqual([0, ''])
        return child.stdout
      }
      expect(await curl(`${url}/some/path`)).toBe('{"method":"GET","path":"/some/path","data":""}\n')
      expect(await curl(`${url}/`, '-d', 'some data')).toBe('{"method":"POST","path":"/","data":"some data"}\n')
      const status = ['-o', '/dev/null', '-w', '%{http_code} %{http_version}']
      expect(await curl(`${url}/`, '-X', 'DELETE', ...status)).toBe('405 2')
      // More than the windows of HTTP/2 and our marks hold, in both directions.
      const much = 'x'.repeat(3_000_000)
      const file = join(mkdtempSync(join(tmpdir(), 'millrace-')), 'much')
      writeFileSync(file, much)
      netDefer(() => rmSync(dirname(file), { recursive: true }))
      const answer = JSON.parse(await curl(`${url}/`, '--data-binary', `@${file}`)) as { data: string }
      expect(answer.data === much).toBe(true)
      // Ten at a time on one connection.
      const urls = Array.from({ length: 10 }, (_, i) => `${url}/${i}`)
      const answers = (await curl('--no-progress-meter', '--parallel', ...urls)).trim().split('\n').sort()
      expect(answers).toEqual(urls.map((_, i) => `{"method":"GET","path":"/${i}","data":""}`))
      const plain = new Program('curl', ['-s', '--http1.1', '--cacert', 'spec/fixtures/tls/ca.crt', url])
      expect(await plain.exit()).not.toBe(0)
      await program.output(/a client without HTTP\/2|error: TLS handshake/)
      expect(await program.interrupt()).toBe(0)
    },
    60_000,
  )

  it('qbp/play performs the plays, every client counting what the server counts', async () => {
    const program = sample('qbp/play')
    expect(await program.exit()).toBe(0)
    expect(program.stderr).toBe('')
    expect(program.stdout).toMatch(/^66 scenes of 4 plays, 121 characters/)
    expect(program.stdout).toMatch(/12,388 lines said, 90,030 heard\n103,79\d messages/)
    expect(program.stdout).toMatch(/the counts of all clients agree with the server’s\n$/)
  }, 60_000)
})
