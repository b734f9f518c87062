import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  connect,
  HealthService,
  ReflectionService,
  RpcError,
  Status,
  type RpcConnectOptions,
} from '../../lib/rpc/index.ts'
import { buildIfMissing } from '../support/builtPackage.ts'
import { millrace, startMillrace } from '../support/millraceCommand.ts'
import { netDefer, netError, netUnixPath } from '../support/netTools.ts'
import type { Program } from '../support/program.ts'
import { ca, certified } from '../support/tlsFixtures.ts'
import { StaticChat, StaticLine } from '../rpc/chatServices.ts'

const fixtures = join(__dirname, '../fixtures')
const proto = join(fixtures, 'chat.proto')

const wrapped = join(fixtures, 'wrapped.proto')

const addressOf = async (program: Program): Promise<string> => (await program.output(/^listening on (.*)\n/))[1]!

async function portOf(program: Program): Promise<number> {
  return Number((await program.output(/^listening on 127\.0\.0\.1:(\d+)\n/))[1])
}

async function clientOf(program: Program, options: Partial<RpcConnectOptions> = {}) {
  const client = await connect(StaticChat, {
    host: '127.0.0.1',
    port: await portOf(program),
    ...options,
  } as RpcConnectOptions)
  netDefer(() => client.$channel.abort())
  return client
}

/** A file that is gone after the test. */
function file(name: string, content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-serve-'))
  netDefer(() => rmSync(folder, { recursive: true }))
  writeFileSync(join(folder, name), content)
  return join(folder, name)
}

const answering = (answers: unknown): Program =>
  startMillrace('serve', '--proto', proto, '--answers', file('answers.json', JSON.stringify(answers)))

async function all<T>(messages: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const each of messages) list.push(each)
  return list
}

describe('millrace serve', () => {
  beforeAll(buildIfMissing)

  describe('without answers', () => {
    it('leaves out what has the same name and another type', async () => {
      const address = await addressOf(startMillrace('serve', '--proto', wrapped))
      expect((await millrace(['call', address, 'wrapped.Wrapped/Other', '{"by":{"a":1}}'])).stdout).toBe('{}\n')
    })

    it('echoes: the message, or what of it the response can hold', async () => {
      const client = await clientOf(startMillrace('serve', '--proto', proto))
      const lines = [{ text: 'a' }, { text: 'b', likes: 2 }]
      expect(await all(client.talk(lines))).toEqual(lines)
      expect(await all(client.watch({ room: 'hall' }))).toEqual([{ room: 'hall' }])
      expect(await client.send({ text: 'a' })).toEqual({})
      expect(await client.upload(lines)).toEqual({})
    })
  })

  describe('with answers', () => {
    it('gives them, and echoes where there is none', async () => {
      const client = await clientOf(
        answering({
          'chat.v1.Chat/Send': { count: 7 },
          'chat.v1.Chat/Watch': [{ text: 'one' }, { text: 'two' }],
          'chat.v1.Chat/Upload': [{ count: 9 }],
        }),
      )
      expect((await client.send({ text: 'a' })).count).toBe(7)
      expect((await all(client.watch({}))).map(({ text }) => text)).toEqual(['one', 'two'])
      expect((await client.upload([{ text: 'a' }])).count).toBe(9)
      expect((await all(client.talk([{ text: 'echo' }]))).map(({ text }) => text)).toEqual(['echo'])
    })

    it('gives errors, with details', async () => {
      const details = [{ '@type': 'type.googleapis.com/chat.v1.Line', text: 'lobby' }]
      const $error = { status: 'NOT_FOUND', message: 'no such room', details }
      const client = await clientOf(
        answering({ 'chat.v1.Chat/Send': { $error }, 'chat.v1.Chat/Watch': [{ text: 'one' }, { $error }] }),
      )
      const error = await netError<RpcError>(client.send({}))
      expect(error).toMatchObject({ status: Status.NOT_FOUND, statusMessage: 'no such room' })
      expect(error.detail(StaticLine)).toMatchObject({ text: 'lobby' })
      const lines = client.watch({})
      expect((await lines.next()).value).toMatchObject({ text: 'one' })
      expect(await netError(lines.next())).toMatchObject({ status: Status.NOT_FOUND })
    })

    it('takes details as `millrace call` prints them, those that are no objects in JSON too', async () => {
      const details = [
        { '@type': 'type.googleapis.com/google.protobuf.Duration', value: '3s' },
        { '@type': 'wrapped.Texts', by: { a: 1 } },
      ]
      const answers = { 'wrapped.Wrapped/Echo': { $error: { status: 'ABORTED', details } } }
      const path = file('answers.json', JSON.stringify(answers))
      const address = await addressOf(startMillrace('serve', '--proto', wrapped, '--answers', path))
      const { stderr } = await millrace(['call', address, 'wrapped.Wrapped/Echo', '"x"', '--proto', wrapped])
      const printed = [details[0], { ...details[1], '@type': 'type.googleapis.com/wrapped.Texts' }]
      expect(stderr.split('\n').slice(1, 3)).toEqual(printed.map((each) => `detail ${JSON.stringify(each)}`))
    })

    it.each([
      ['what is no object', null, 'is no object'],
      ['a list', [], 'is no object'],
      ['an error that is none', { 'chat.v1.Chat/Send': { $error: 'x' } }, 'the $error is no object'],
      [
        'an unknown part of an error',
        { 'chat.v1.Chat/Send': { $error: { code: 5 } } },
        'the $error has an unknown code',
      ],
      ['details that are no list', { 'chat.v1.Chat/Send': { $error: { details: {} } } }, 'the details are no list'],
      ['a method that there is not', { 'chat.v1.Chat/No': {} }, 'there is no method chat.v1.Chat/No'],
      ['two responses of a method with one', { 'chat.v1.Chat/Send': [{}, {}] }, 'chat.v1.Chat/Send has one response'],
      ['an unknown field', { 'chat.v1.Chat/Send': { counts: 1 } }, 'is no chat.v1.Sent: '],
      ['a status that there is not', { 'chat.v1.Chat/Send': { $error: { status: 'NO' } } }, 'there is no error NO'],
      [
        'a detail of an unknown type',
        { 'chat.v1.Chat/Send': { $error: { status: 'INTERNAL', details: [{ '@type': 'x.Y' }] } } },
        'there is no message x.Y',
      ],
    ])('refuses %s', async (_name, answers, message) => {
      const path = file('answers.json', JSON.stringify(answers))
      const { status, stdout, stderr } = await millrace(['serve', '--proto', proto, '--answers', path])
      expect([status, stdout]).toEqual([1, ''])
      expect(stderr).toContain(`millrace: ${path}`)
      expect(stderr).toContain(message)
    })

    it('refuses a file that is no JSON', async () => {
      const path = file('answers.json', '{')
      const { status, stderr } = await millrace(['serve', '--proto', proto, '--answers', path])
      expect([status, stderr]).toEqual([1, expect.stringContaining(`millrace: ${path} is no JSON: `)])
    })
  })

  it('has health and reflection', async () => {
    const port = await portOf(startMillrace('serve', '--proto', proto))
    await using health = await connect(HealthService, { host: '127.0.0.1', port })
    expect(await health.check({ service: 'chat.v1.Chat' })).toEqual({ status: 'SERVING' })
    await using reflection = await connect(ReflectionService, { host: '127.0.0.1', port })
    const [answer] = await all(reflection.serverReflectionInfo([{ listServices: '' }]))
    expect(answer!.listServicesResponse!.service.map(({ name }) => name)).toContain('chat.v1.Chat')
  })

  it('listens on a Unix socket, and cleans it up', async () => {
    const path = netUnixPath()
    const program = startMillrace('serve', '--proto', proto, '--listen', `unix:${path}`)
    await program.output(new RegExp(`^listening on unix:${path}\n$`))
    const client = await connect(StaticChat, { path })
    expect((await all(client.talk([{ text: 'x' }]))).length).toBe(1)
    await client.$channel.close()
    expect(await program.interrupt()).toBe(0)
    expect(await netError(connect(StaticChat, { path }))).toMatchObject({ status: Status.UNAVAILABLE })
  })

  it('listens with TLS', async () => {
    const tls = ['--cert', join(fixtures, 'tls/localhost.crt'), '--key', join(fixtures, 'tls/localhost.key')]
    const program = startMillrace('serve', '--proto', proto, ...tls, '--ca', join(fixtures, 'tls/ca.crt'))
    const client = await clientOf(program, { tls: { ca, ...certified('client') }, serverHostname: 'localhost' })
    expect((await all(client.talk([{ text: 'x' }]))).length).toBe(1)
    const broken = await millrace(['serve', '--proto', proto, '--cert', proto, '--key', tls[3]!])
    expect([broken.status, broken.stderr]).toEqual([1, expect.stringContaining(`millrace: ${proto}, `)])
    const half = await millrace(['serve', '--proto', proto, '--cert', tls[1]!])
    expect(half).toEqual({ status: 1, stdout: '', stderr: 'millrace: TLS needs both --cert and --key\n' })
  })

  it('prints calls with --verbose', async () => {
    const program = startMillrace('serve', '--proto', proto, '--verbose')
    const client = await clientOf(program)
    await client.send({})
    await client.$channel.close()
    await program.interrupt()
    expect(program.stderr).toMatch(/^chat\.v1\.Chat\/Send from 127\.0\.0\.1:\d+\n$/)
  })

  describe('ends', () => {
    it.each(['SIGINT', 'SIGTERM'] as const)('at %s, once the calls have', async (signal) => {
      const program = startMillrace('serve', '--proto', proto)
      const client = await clientOf(program)
      let send!: (line: object) => void
      const next = (): Promise<object> => new Promise((resolve) => (send = resolve))
      async function* lines() {
        yield { text: 'first' }
        yield await next()
      }
      const echoes = client.talk(lines())
      await echoes.next()
      program.child.kill(signal)
      await client.$channel.waitForState(['idle', 'transientFailure', 'connecting'])
      send({ text: 'last' })
      expect((await echoes.next()).value).toMatchObject({ text: 'last' })
      expect((await echoes.next()).done).toBe(true)
      expect([await program.exit(), program.stderr]).toEqual([0, ''])
    })

    it('at the second one, whatever the calls do', async () => {
      const program = startMillrace('serve', '--proto', proto)
      const client = await clientOf(program)
      async function* lines() {
        yield { text: 'first' }
        await new Promise(() => {})
      }
      const echoes = client.talk(lines())
      await echoes.next()
      program.child.kill('SIGINT')
      await client.$channel.waitForState(['idle', 'transientFailure', 'connecting'])
      program.child.kill('SIGINT')
      expect(await netError(echoes.next())).toMatchObject({ status: Status.UNAVAILABLE })
      expect(await program.exit()).toBe(0)
    })

    it('after the grace that it was given', async () => {
      const program = startMillrace('serve', '--proto', proto, '--grace', '10')
      const client = await clientOf(program)
      async function* lines() {
        yield { text: 'first' }
        await new Promise(() => {})
      }
      const echoes = client.talk(lines())
      await echoes.next()
      program.child.kill('SIGTERM')
      expect(await netError(echoes.next())).toMatchObject({ status: Status.UNAVAILABLE })
      expect(await program.exit()).toBe(0)
    })
  })

  it('fails without a service, and without a proto file', async () => {
    const path = file('bare.proto', 'syntax = "proto3"; message M {}')
    expect((await millrace(['serve', '--proto', path])).stderr).toBe(`millrace: there is no service in ${path}\n`)
    const { status, stderr } = await millrace(['serve'])
    expect([status, stderr]).toEqual([1, expect.stringContaining("required option '-p, --proto <file>' not specified")])
  })
})
