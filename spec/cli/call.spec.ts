import { join } from 'node:path'
import { Reflection, ReflectionService, RpcError, Status, type Handlers, type RpcServer } from '../../lib/rpc/index.ts'
import { buildIfMissing } from '../support/builtPackage.ts'
import { command, millrace, startMillrace } from '../support/millraceCommand.ts'
import { netUnixPath } from '../support/netTools.ts'
import { Program } from '../support/program.ts'
import { served } from '../support/rpcServed.ts'
import { ca, certified } from '../support/tlsFixtures.ts'
import { GoServer, itWithGoStreams } from '../support/goTtrpc.ts'
import { REQUEST, rawServer } from '../support/ttrpcPeer.ts'
import { nobody } from '../support/rpcChannel.ts'
import { ReflectedChat, root } from '../rpc/chatServices.ts'

const fixtures = join(__dirname, '../fixtures')
const proto = join(fixtures, 'chat.proto')
const Line = root.lookupType('chat.v1.Line')

let seen: unknown[]

const handlers: Partial<Handlers<typeof ReflectedChat>> = {
  async send({ text }, context) {
    seen.push(text, Object.fromEntries(context.metadata), context.deadline < Infinity)
    context.sendHeader({ 'x-header': 'h' })
    context.trailer.set('x-trailer', 't')
    if (text === 'fail') {
      throw new RpcError(Status.NOT_FOUND, 'no such room', [
        [Line, { text: 'lobby' }],
        { typeUrl: 'type.googleapis.com/other.Thing', value: Uint8Array.of(1, 2) },
      ])
    }
    return { count: text.length }
  },
  async *watch({ room }) {
    for (const text of ['one', 'two']) yield { room, text }
    if (room === 'broken') throw new RpcError(Status.ABORTED, 'broken')
  },
  async upload(lines) {
    let count = 0
    for await (const line of lines) count += line.likes
    return { count }
  },
  async *talk(lines) {
    for await (const line of lines) {
      yield { text: line.text.toUpperCase() }
      if (line.text === 'bye') return
    }
  },
}

const addChat = (server: RpcServer): unknown => server.add(ReflectedChat, handlers)

async function serveChat(add: (server: RpcServer) => void = addChat): Promise<string> {
  const { port } = await served(add)
  return `127.0.0.1:${port}`
}

describe('millrace call', () => {
  beforeAll(buildIfMissing)
  beforeEach(() => (seen = []))

  describe('makes calls of all four kinds:', () => {
    it('one request, one response', async () => {
      const address = await serveChat()
      expect(await millrace(['call', address, 'chat.v1.Chat/Send', '{"text":"hello"}', '--proto', proto])).toEqual({
        status: 0,
        stdout: '{"count":5}\n',
        stderr: '',
      })
    })

    it('a stream of responses, a line each', async () => {
      const address = await serveChat()
      const { stdout } = await millrace(['call', address, 'chat.v1.Chat/Watch', '{"room":"a"}', '-p', proto])
      expect(stdout).toBe('{"room":"a","text":"one"}\n{"room":"a","text":"two"}\n')
    })

    it('a stream of requests, from lines of stdin', async () => {
      const address = await serveChat()
      const args = ['call', address, 'chat.v1.Chat/Upload', '-p', proto]
      expect((await millrace(args, '{"likes":1}\n\n{"likes":2}')).stdout).toBe('{"count":3}\n')
      expect((await millrace([...args, '{"likes":4}'])).stdout).toBe('{"count":4}\n')
    })

    it('both, each response as it comes', async () => {
      const address = await serveChat()
      const program = startMillrace('call', address, 'chat.v1.Chat/Talk', '-p', proto)
      program.child.stdin.write('{"text":"a"}\n')
      await program.output(/^\{"text":"A"\}\n$/)
      program.child.stdin.write('{"text":"b"}\n')
      await program.output(/\{"text":"B"\}\n$/)
      program.child.stdin.end()
      expect([await program.exit(), program.stderr]).toEqual([0, ''])
    })

    it('and ends when the server does, though nobody has ended stdin', async () => {
      const address = await serveChat()
      const program = startMillrace('call', address, 'chat.v1.Chat/Talk', '-p', proto)
      program.child.stdin.write('{"text":"bye"}\n')
      expect([await program.exit(), program.stdout]).toEqual([0, '{"text":"BYE"}\n'])
    })
  })

  it('needs no proto file where the server has reflection', async () => {
    const address = await serveChat((server) => {
      addChat(server)
      server.add(ReflectionService, new Reflection(server))
    })
    expect((await millrace(['call', address, 'chat.v1.Chat/Send', '{"text":"abc"}'])).stdout).toBe('{"count":3}\n')
  })

  it('sends metadata and a deadline', async () => {
    const address = await serveChat()
    const more = ['-m', 'key=a=b', '--metadata', 'Other=x', '--timeout', '5000']
    await millrace(['call', address, 'chat.v1.Chat/Send', '{}', '-p', proto, ...more])
    expect(seen).toEqual(['', { key: 'a=b', other: 'x' }, true])
  })

  it('waits for the server with --wait', async () => {
    const path = netUnixPath()
    const program = startMillrace('call', '--wait', `unix:${path}`, 'chat.v1.Chat/Send', '{"text":"x"}', '-p', proto)
    const { server } = await served(addChat)
    await server.listen({ path })
    expect([await program.exit(), program.stdout, program.stderr]).toEqual([0, '{"count":1}\n', ''])
  })

  it('takes no request for an empty one of those that are no objects in JSON, too', async () => {
    const types = join(fixtures, 'wrapped.proto')
    const program = startMillrace('serve', '--proto', types)
    const [, address] = await program.output(/^listening on (.*)\n/)
    expect((await millrace(['call', address!, 'wrapped.Wrapped/Echo'])).stdout).toBe('""\n')
    expect((await millrace(['call', address!, 'wrapped.Wrapped/Echo', '"a"'])).stdout).toBe('"a"\n')
  })

  it('sends no deadline of its own, and takes no request for an empty one', async () => {
    const address = await serveChat()
    expect((await millrace(['call', address, 'chat.v1.Chat/Send', '-p', proto])).stdout).toBe('{}\n')
    expect(seen).toEqual(['', {}, false])
  })

  it('prints header and trailer with --verbose', async () => {
    const address = await serveChat()
    const { stdout, stderr } = await millrace(['call', address, 'chat.v1.Chat/Send', '-p', proto, '-v'])
    expect([stdout, stderr]).toEqual(['{}\n', 'header x-header: h\ntrailer x-trailer: t\n'])
  })

  describe('over', () => {
    it('a Unix socket', async () => {
      const { server } = await served(addChat)
      const path = netUnixPath()
      await server.listen({ path })
      const { stdout } = await millrace(['call', `unix:${path}`, 'chat.v1.Chat/Send', '{"text":"x"}', '-p', proto])
      expect(stdout).toBe('{"count":1}\n')
    })

    it('TLS, with a certificate on both sides', async () => {
      const errors: unknown[] = []
      const { server } = await served(addChat, { onError: (error) => errors.push(error) })
      const tls = { ...certified('localhost'), ca, requestCert: true, rejectUnauthorized: true }
      const [socket] = (await server.listen({ host: '127.0.0.1', port: 0, tls })).sockets
      const file = (name: string): string => join(fixtures, 'tls', name)
      const call = ['call', `127.0.0.1:${socket!.port}`, 'chat.v1.Chat/Send', '{"text":"x"}', '-p', proto]
      const own = ['--cert', file('client.crt'), '--key', file('client.key')]
      const trusted = await millrace([...call, '--ca', file('ca.crt'), '--server-name', 'localhost', ...own])
      expect(trusted).toEqual({ status: 0, stdout: '{"count":1}\n', stderr: '' })
      expect(await millrace([...call, '--insecure', ...own])).toMatchObject({ status: 0 })
      const { status, stderr } = await millrace([...call, '--tls'])
      expect([status, stderr]).toEqual([64 + Status.UNAVAILABLE, expect.stringContaining('TLS handshake')])
      expect(errors).toMatchObject([{ name: 'TlsHandshakeError' }])
    })
  })

  describe('fails with the status of the call,', () => {
    it('and prints its name, its message and its details', async () => {
      const address = await serveChat()
      expect(await millrace(['call', address, 'chat.v1.Chat/Send', '{"text":"fail"}', '-p', proto])).toEqual({
        status: 64 + Status.NOT_FOUND,
        stdout: '',
        stderr: [
          `millrace: chat.v1.Chat/Send on ${address}: NOT_FOUND: no such room`,
          'detail {"@type":"type.googleapis.com/chat.v1.Line","text":"lobby"}',
          'detail {"@type":"type.googleapis.com/other.Thing","value":"AQI="}',
          '',
        ].join('\n'),
      })
    })

    it('never with 0, whatever status a server makes up', async () => {
      const raw = await rawServer()
      const program = startMillrace('call', `127.0.0.1:${raw.port}`, 'chat.v1.Chat/Send', '-p', proto)
      const peer = await raw.accepted()
      const { id } = await peer.nextOf(REQUEST)
      peer.respond(id, { status: { code: 192, message: 'odd' } })
      expect([await program.exit(), program.stderr]).toEqual([
        64 + Status.UNKNOWN,
        expect.stringContaining('status 192: odd'),
      ])
    })

    it('after the responses that came', async () => {
      const address = await serveChat()
      const ran = await millrace(['call', address, 'chat.v1.Chat/Watch', '{"room":"broken"}', '-p', proto])
      expect(ran.stdout).toBe('{"room":"broken","text":"one"}\n{"room":"broken","text":"two"}\n')
      expect([ran.status, ran.stderr]).toEqual([
        64 + Status.ABORTED,
        `millrace: chat.v1.Chat/Watch on ${address}: ABORTED: broken\n`,
      ])
    })

    it('when it takes too long', async () => {
      const address = await serveChat()
      const program = startMillrace('call', address, 'chat.v1.Chat/Upload', '-p', proto, '-t', '50')
      expect(await program.exit()).toBe(64 + Status.DEADLINE_EXCEEDED)
      expect(program.stderr).toMatch(/DEADLINE_EXCEEDED: the deadline (has )?passed/)
    })

    it('when nobody is there', async () => {
      const address = `127.0.0.1:${await nobody()}`
      const { status, stderr } = await millrace(['call', address, 'chat.v1.Chat/Send', '-p', proto])
      expect(status).toBe(64 + Status.UNAVAILABLE)
      expect(stderr).toMatch(/^millrace: chat\.v1\.Chat\/Send on .*: UNAVAILABLE: .*ECONNREFUSED.*\n$/)
    })
  })

  describe('fails with 1, and says why,', () => {
    it.each([
      ['for a method that there is not', ['chat.v1.Chat/Sendd'], 'chat.v1.Chat has no method Sendd, only Send, Watch'],
      ['for a service that there is not', ['chat.Chat/Send'], 'there is no service chat.Chat, only chat.v1.Chat'],
      ['for what is no method', ['Send'], 'Send is no method: give package.Service/Method'],
      ['for what is no JSON', ['chat.v1.Chat/Send', '{"text"}'], 'the request is no JSON: '],
      ['for an unknown field', ['chat.v1.Chat/Send', '{"tex":1}'], 'the request is no chat.v1.Line: '],
      ['for a line that is none', ['chat.v1.Chat/Upload'], 'line 2 of stdin is no JSON: '],
      ['for metadata that are none', ['chat.v1.Chat/Send', '-m', 'x'], 'It must be key=value.'],
      [
        'for a number that JSON cannot hold',
        ['chat.v1.Chat/Send', '{"text":"9007199254740993","likes":-9007199254740993}'],
        'the request has -9007199254740993, which is more than a number of JSON can hold: write "-9007199254740993"',
      ],
      ['for a time that is none', ['chat.v1.Chat/Send', '-t', 'soon'], 'It must be a number of milliseconds.'],
    ])('%s', async (_name, args, message) => {
      const address = await serveChat()
      const { status, stdout, stderr } = await millrace(['call', address, ...args, '-p', proto], '{}\nx\n')
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain(message)
    })

    it('for an address that is none', async () => {
      const { status, stderr } = await millrace(['call', 'localhost', 'chat.v1.Chat/Send', '-p', proto])
      expect([status, stderr]).toEqual([1, 'millrace: localhost is no address: give HOST:PORT or unix:PATH\n'])
    })

    it.each([
      ['for a certificate that is none', '127.0.0.1:1', ['--wait', '--ca', proto], `${proto}: `],
      ['for a key without its certificate', '127.0.0.1:1', ['--key', proto], 'TLS needs both --cert and --key'],
      ['for TLS to nobody', 'unix:nobody.sock', ['--wait', '--tls'], 'TLS over a Unix socket needs --server-name'],
    ])('%s', async (_name, address, args, message) => {
      const { status, stderr } = await millrace(['call', address, 'chat.v1.Chat/Send', '-p', proto, ...args])
      expect([status, stderr]).toEqual([1, expect.stringContaining(`millrace: ${message}`)])
    })

    it('for a stdout that cannot be written', async () => {
      const address = await serveChat()
      const call = [process.execPath, command, 'call', address, 'chat.v1.Chat/Send', '-p', proto].join(' ')
      const program = new Program('sh', ['-c', `exec ${call} > /dev/full`])
      expect([await program.exit(), program.stderr]).toEqual([1, expect.stringMatching(/^millrace: ENOSPC.*\n$/)])
    })

    it('for a server without reflection, or that does not know enough', async () => {
      const without = await millrace(['call', await serveChat(), 'chat.v1.Chat/Send'])
      expect([without.status, without.stderr]).toEqual([
        1,
        'millrace: the server has no reflection (UNIMPLEMENTED): give --proto FILE\n',
      ])
      const address = await serveChat((server) => server.add(ReflectionService, new Reflection(server)))
      const other = await millrace(['call', address, 'chat.v1.Chat/Send'])
      expect([other.status, other.stderr]).toEqual([
        1,
        "millrace: the server's reflection answers NOT_FOUND: chat.v1.Chat is not known; give --proto FILE\n",
      ])
    })
  })

  it('asks nothing of a server before it knows that it has reflection', async () => {
    const raw = await rawServer()
    const program = startMillrace('call', `127.0.0.1:${raw.port}`, 'chat.v1.Chat/Send')
    const peer = await raw.accepted()
    const { id } = await peer.nextOf(REQUEST)
    peer.respond(id, { status: { code: Status.UNIMPLEMENTED } })
    expect([await program.exit(), program.stderr]).toEqual([1, expect.stringContaining('has no reflection')])
    await peer.untilEnded()
    expect(peer.frames.map(({ type }) => type)).toEqual([REQUEST])
  })

  itWithGoStreams('leaves a Go server as it is', async () => {
    const go = await GoServer.start()
    const { host, port } = go.address as { host: string; port: number }
    expect((await millrace(['call', `${host}:${port}`, 'millrace.test.Echo/Echo'])).stderr).toBe(
      'millrace: the server has no reflection (UNIMPLEMENTED): give --proto FILE\n',
    )
    const path = join(fixtures, 'chat.proto')
    const again = await millrace(['call', `${host}:${port}`, 'chat.v1.Chat/Send', '--proto', path])
    expect([again.status, again.stderr]).toEqual([64 + Status.UNIMPLEMENTED, expect.stringContaining('UNIMPLEMENTED')])
  })

  it('ends quietly when nobody reads on', async () => {
    const address = await serveChat()
    const program = startMillrace('call', address, 'chat.v1.Chat/Talk', '-p', proto)
    program.child.stdin.write('{"text":"a"}\n')
    await program.output(/A/)
    program.child.stdout.destroy()
    for (let i = 0; i < 10; i++) program.child.stdin.write('{"text":"b"}\n')
    program.child.stdin.on('error', () => {})
    expect([await program.exit(), program.stderr]).toEqual([0, ''])
  })
})
