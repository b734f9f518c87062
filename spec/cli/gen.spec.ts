import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import ts from 'typescript'
import { buildIfMissing } from '../support/builtPackage.ts'

const root = join(__dirname, '../..')
// Inside the project, so that 'millrace' means the built package, as it does for its users.
const folder = join(root, 'dist/gen-spec')
const command = join(root, 'dist/esm/cli/millrace.js')

interface Run {
  status: number | null
  stdout: string
  stderr: string
}

function node(cwd: string, ...args: string[]): Run {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' },
  })
  return { status, stdout, stderr }
}

const gen = (...args: string[]): Run => node(folder, command, 'gen', ...args)

function write(file: string, ...lines: string[]): void {
  mkdirSync(join(folder, file, '..'), { recursive: true })
  writeFileSync(join(folder, file), `${lines.join('\n')}\n`)
}

const read = (file: string): string => readFileSync(join(folder, file), 'utf8')

const programs: string[] = []

/** Writes a program, and runs it without looking at its types: {@link compile} does, for all of them at once. */
function run(file: string, ...lines: string[]): Run {
  programs.push(file)
  write(`${file}.ts`, ...lines)
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 }
  write(`${file}.js`, ts.transpileModule(lines.join('\n'), { compilerOptions: options }).outputText)
  return node(folder, `${file}.js`)
}

/** Compiles all programs as strictly as can be; returns what the compiler says. */
function compile(): string {
  const config = {
    compilerOptions: {
      target: 'es2022',
      lib: ['es2023', 'esnext.disposable'],
      module: 'nodenext',
      types: ['node'],
      strict: true,
      noUncheckedIndexedAccess: true,
      exactOptionalPropertyTypes: true,
      verbatimModuleSyntax: true,
      noEmit: true,
    },
    include: ['use*.ts'],
  }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  return node(root, 'node_modules/@typescript/native/bin/tsc', '-p', folder).stdout
}

describe('millrace gen', () => {
  beforeAll(() => {
    buildIfMissing()
    rmSync(folder, { recursive: true, force: true })
    write('chat.proto', readFileSync(join(root, 'spec/fixtures/chat.proto'), 'utf8'))
    write('shared/common.proto', 'syntax = "proto3"; package common; message Id { string id = 1; }')
    write('more/other.proto', 'syntax = "proto3"; package other; message Other { int32 n = 1; }')
    write(
      'protos/a.proto',
      'syntax = "proto3";',
      'package a;',
      'import "common.proto";',
      'import "other.proto";',
      'import "beside.proto";',
      'import "google/protobuf/empty.proto";',
      'import "google/protobuf/descriptor.proto";',
      'extend google.protobuf.MethodOptions { string note = 50001; }',
      'service A {',
      '  rpc Get (common.Id) returns (google.protobuf.Empty) { option (note) = "x"; }',
      '  rpc Put (Beside) returns (other.Other);',
      '}',
    )
    write('protos/beside.proto', 'syntax = "proto3"; package a; message Beside { common.Id id = 1; }')
  })

  it('writes types for all four kinds, a module that it runs with, and tells what it has written', () => {
    const written = ['messages.js', 'messages.d.ts', 'index.js', 'index.d.ts'].map((name) => `chat/${name}\n`)
    expect(gen('chat.proto', '--out', 'chat')).toEqual({ status: 0, stdout: written.join(''), stderr: '' })
    const ran = run(
      'useChat',
      "import type { CallOptions, RequestStream, ResponseStream } from 'millrace/rpc'",
      "import { connect, RpcServer } from 'millrace/rpc'",
      "import { chat, Chat, type ChatClient, type ChatHandlers } from './chat/index.js'",
      '',
      'type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false',
      'type Options = CallOptions | undefined',
      'type Fields = chat.v1.Line.$Properties',
      'type Line = chat.v1.Line & chat.v1.Line.$Shape',
      'type Sent = chat.v1.Sent & chat.v1.Sent.$Shape',
      "const unary: Same<ChatClient['send'], (request: Fields, options?: Options) => Promise<Sent>> = true",
      'const many: Same<',
      "  ChatClient['watch'],",
      '  (request: chat.v1.Query.$Properties, options?: Options) => ResponseStream<Line>',
      '> = true',
      'const upload: Same<',
      "  ChatClient['upload'],",
      '  (request: RequestStream<Fields>, options?: Options) => Promise<Sent>',
      '> = true',
      'const both: Same<',
      "  ChatClient['talk'],",
      '  (request: RequestStream<Fields>, options?: Options) => ResponseStream<Line>',
      '> = true',
      '',
      'export const handlers: ChatHandlers = {',
      '  async send(request, context) {',
      '    return { count: request.text.length + request.likes + Number(context.signal.aborted) }',
      '  },',
      '  async *watch(query) {',
      '    yield { room: query.room }',
      '  },',
      '  async upload(lines) {',
      '    let count = 0',
      '    for await (const line of lines) count += line.likes',
      '    return { count }',
      '  },',
      '  async *talk(lines) {',
      '    yield* lines',
      '  },',
      '  send_all: () => ({}),',
      '}',
      '// @ts-expect-error -- no such field',
      'export const wrong: ChatHandlers["send"] = () => ({ counts: 1 })',
      '',
      'const { requestType } = Chat.methods.send',
      "const line = requestType.decode(requestType.encode({ text: 'hello' }).finish())",
      'console.log(unary, many, upload, both, line instanceof chat.v1.Line, line.text, line.likes)',
      'await using server = new RpcServer().add(Chat, handlers)',
      "await server.listen({ host: '127.0.0.1', port: 0 })",
      'const { host, port } = server.address as { host: string; port: number }',
      'await using client = await connect(Chat, { host, port })',
      "const { count } = await client.send({ text: 'abc', likes: 2 })",
      "for await (const { room } of client.watch({ room: 'hall' })) console.log(count, room)",
      'for (const { path, requestStream, responseStream, idempotent } of Object.values(Chat.methods)) {',
      '  console.log(path, requestStream, responseStream, idempotent)',
      '}',
    )
    expect(ran).toEqual({
      status: 0,
      stdout: [
        'true true true true true hello 0',
        '5 hall',
        'chat.v1.Chat/Send false false false',
        'chat.v1.Chat/Watch false true true',
        'chat.v1.Chat/Upload true false false',
        'chat.v1.Chat/Talk true true false',
        'chat.v1.Chat/send_all false false true',
        '',
      ].join('\n'),
      stderr: '',
    })
  })

  it('finds imports beside the file and in the folders of -I, and google’s own', () => {
    expect(gen('protos/a.proto', '-o', 'imports').stderr).toContain('cannot load protos/a.proto: ')
    expect(existsSync(join(folder, 'imports'))).toBe(false)
    expect(gen('protos/a.proto', '-o', 'imports', '-I', 'shared', '--include', 'more')).toMatchObject({ status: 0 })
    const ran = run(
      'useImports',
      "import { A } from './imports/index.js'",
      'const { get, put } = A.methods',
      "const { id } = put.requestType.decode(put.requestType.encode({ id: { id: 'x' } }).finish())",
      'console.log(id?.id, get.responseType.encode({}).finish().length, put.responseType.encode({ n: 1 }).finish().length)',
    )
    expect(ran).toEqual({ status: 0, stdout: 'x 0 2\n', stderr: '' })
  })

  it('takes several files, and tells apart services of one name', () => {
    write('v1.proto', 'syntax = "proto3"; package x.v1; message M {} service Same { rpc Do (M) returns (M); }')
    write(
      'v2.proto',
      'syntax = "proto3"; package x.v2;',
      'message M { message Inner { int32 n = 1; } }',
      'service Same { rpc Do (M.Inner) returns (stream M); }',
      'service Alone { rpc Do (M) returns (M); }',
    )
    expect(gen('v1.proto', 'v2.proto', '--out', 'several')).toMatchObject({ status: 0, stderr: '' })
    const ran = run(
      'useSeveral',
      "import { x, x_v1_Same, x_v2_Same, Alone } from './several/index.js'",
      'const { do: call } = x_v2_Same.methods',
      'console.log(x_v1_Same.name, call.path, call.requestType === x.v2.M.Inner, Alone.name)',
    )
    expect(ran.stdout).toBe('x.v1.Same x.v2.Same/Do true x.v2.Alone\n')
  })

  it('keeps clear of the words of JavaScript and of the names of messages', () => {
    write(
      'words.proto',
      'syntax = "proto3";',
      'message delete { int32 n = 1; }',
      'message ChatMethods {}',
      'service class { rpc new (delete) returns (delete); }',
    )
    expect(gen('words.proto', '--out', 'words')).toMatchObject({ status: 0, stderr: '' })
    const ran = run(
      'useWords',
      "import { class_, delete_ } from './words/index.js'",
      'const method = class_.methods.new',
      'console.log(class_.name, method.path, method.requestType.decode(delete_.encode({ n: 3 }).finish()).n)',
    )
    expect(ran.stdout).toBe('class class/new 3\n')
  })

  it('keeps clear of the names that its modules use themselves, and of those of types', () => {
    const names = ['Client', 'Handlers', 'Service', 'UnaryMethod', 'service', 'descriptors', 'Foo']
    write(
      'clash.proto',
      'syntax = "proto3";',
      'message M { int32 n = 1; }',
      'message FooClient { int32 n = 1; }',
      ...names.map((name) => `service ${name} { rpc Do (M) returns (M); }`),
    )
    expect(gen('clash.proto', '--out', 'clash', '--descriptors')).toMatchObject({ status: 0, stderr: '' })
    const ran = run(
      'useClash',
      "import * as all from './clash/index.js'",
      "import type { FooClient, Foo_Client } from './clash/index.js'",
      'const message: FooClient = all.FooClient.create({ n: 1 })',
      'export const call: (client: Foo_Client) => Promise<all.M> = (client) => client.do(message)',
      "console.log(Object.keys(all).join(' '), message.n)",
    )
    expect(ran).toMatchObject({
      stdout: 'Client FooClient Foo_ Handlers M Service UnaryMethod descriptors service 1\n',
      stderr: '',
    })
  })

  it('keeps apart messages of one name in files of one name', () => {
    const proto = (field: string): string =>
      `syntax = "proto3"; package same; message In { ${field} } message Out { In in = 1; }`
    for (const [place, field] of [
      ['left', 'string a = 1;'],
      ['right', 'int32 b = 2;'],
    ] as const) {
      write(`${place}/same.proto`, proto(field))
      expect(node(join(folder, place), command, 'gen', 'same.proto', '--out', 'gen')).toMatchObject({ stderr: '' })
    }
    const ran = run(
      'useBothSame',
      "import { same as left } from './left/gen/index.js'",
      "import { same as right } from './right/gen/index.js'",
      "const [a, b] = [left.Out.encode({ in: { a: 'x' } }).finish(), right.Out.encode({ in: { b: 7 } }).finish()]",
      'console.log(left.Out.decode(a).in?.a, right.Out.decode(b).in?.b)',
    )
    expect(ran.stdout).toBe('x 7\n')
  })

  it('carries the comments over', () => {
    write(
      'comments.proto',
      'syntax = "proto3";',
      'package c;',
      'message M {}',
      '// Where it all begins. */',
      'service Commented {',
      '  // Does it,',
      '  // at once.',
      '  rpc Do (M) returns (M) { option deprecated = true; }',
      '}',
    )
    expect(gen('comments.proto', '--out', 'comments').status).toBe(0)
    const types = read('comments/index.d.ts')
    expect(types).toContain('/**\n * Where it all begins. * /\n */\nexport declare const Commented')
    expect(types).toContain('  /**\n   * Does it,\n   * at once.\n   * @deprecated\n   */\n  readonly do: ')
    expect(
      run('useComments', "import { Commented } from './comments/index.js'", 'console.log(Commented.name)').stdout,
    ).toBe('c.Commented\n')
  })

  it('writes the messages alone where there is no service', () => {
    write('bare.proto', 'syntax = "proto3"; package bare; message M { int32 n = 1; }')
    expect(gen('bare.proto', '--out', 'bare').status).toBe(0)
    expect(
      run('useBare', "import { bare } from './bare/index.js'", 'console.log(bare.M.create({ n: 1 }).n)').stdout,
    ).toBe('1\n')
  })

  it('hands the options for fields on', () => {
    write('long.proto', 'syntax = "proto3"; package l; message M { int64 big_one = 1; }')
    expect(gen('long.proto', '--out', 'long', '--keep-case', '--force-number').status).toBe(0)
    expect(read('long/messages.d.ts')).toContain('big_one: number;')
    expect(gen('long.proto', '--out', 'long', '--force-long').status).toBe(0)
    expect(read('long/messages.d.ts')).toContain('bigOne: Long;')
  })

  it('writes what reflection tells, if it is to', () => {
    write(
      'described.proto',
      'syntax = "proto3";',
      'package a;',
      'import "more/other.proto";',
      'import "google/protobuf/empty.proto";',
      'service A { rpc Get (google.protobuf.Empty) returns (other.Other); }',
    )
    const { stdout } = gen('described.proto', '-o', 'described', '--descriptors')
    expect(stdout).toContain('described/descriptors.js\n')
    const ran = run(
      'useDescribed',
      "import { connect, Reflection, ReflectionService, RpcServer } from 'millrace/rpc'",
      "import { A } from './described/index.js'",
      'await using server = new RpcServer()',
      'server.add(A, {}).add(ReflectionService, new Reflection(server))',
      "await server.listen({ host: '127.0.0.1', port: 0 })",
      'const { host, port } = server.address as { host: string; port: number }',
      'await using client = await connect(ReflectionService, { host, port })',
      "const [answer] = [client.serverReflectionInfo([{ fileContainingSymbol: 'a.A' }])]",
      'for await (const { fileDescriptorResponse } of answer) {',
      '  console.log(fileDescriptorResponse?.fileDescriptorProto.length)',
      '}',
    )
    expect(ran).toEqual({ status: 0, stdout: '3\n', stderr: '' })
  })

  it('writes types against which strict programs compile', () => {
    expect(programs.length).toBeGreaterThan(0)
    expect(compile()).toBe('')
  })

  it('makes the folder one of ES modules where it would not be', () => {
    const elsewhere = mkdtempSync(join(tmpdir(), 'millrace-gen-'))
    try {
      const { stdout } = node(elsewhere, command, 'gen', join(folder, 'chat.proto'), '--out', 'out')
      expect(stdout).toContain('out/package.json\n')
      expect(readFileSync(join(elsewhere, 'out/package.json'), 'utf8')).toBe('{ "type": "module" }\n')
    } finally {
      rmSync(elsewhere, { recursive: true })
    }
  })

  describe('fails, writes nothing and says why', () => {
    it.each([
      ['without --out', ['chat.proto'], "error: required option '-o, --out <dir>' not specified"],
      ['without a file', ['--out', 'failed'], "error: missing required argument 'file'"],
      ['for a file that is not there', ['no.proto', '--out', 'failed'], 'millrace: cannot load no.proto: ENOENT'],
      [
        'for what is no proto file',
        ['bad.proto', '--out', 'failed'],
        "cannot load bad.proto: illegal token 'This' (bad.proto, line 2)",
      ],
      ['for a type that is nowhere', ['lost.proto', '--out', 'failed'], 'no such type: Lost'],
    ])('%s', (_name, args, message) => {
      write('bad.proto', 'syntax = "proto3";', 'This is not one.')
      write('lost.proto', 'syntax = "proto3"; service S { rpc Do (Lost) returns (Lost); }')
      const { status, stdout, stderr } = gen(...args)
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toContain(message)
      expect(existsSync(join(folder, 'failed'))).toBe(false)
    })

    it.each([
      ['one of CommonJS modules', '{ "name": "mine" }', 'says that its modules are CommonJS'],
      ['one that is no JSON', '{', 'is no JSON: '],
    ])('where there is a package.json already, %s, and leaves that as it is', (_name, text, message) => {
      write('mine/package.json', text)
      const { status, stdout, stderr } = gen('chat.proto', '--out', 'mine')
      expect({ status, stdout }).toEqual({ status: 1, stdout: '' })
      expect(stderr).toContain(`millrace: ${join(folder, 'mine/package.json')} ${message}`)
      expect([read('mine/package.json'), existsSync(join(folder, 'mine/messages.js'))]).toEqual([`${text}\n`, false])
    })

    it('without protobufjs-cli, and tells how to get it', () => {
      const elsewhere = mkdtempSync(join(tmpdir(), 'millrace-gen-'))
      try {
        const installed = join(elsewhere, 'node_modules/millrace')
        cpSync(join(root, 'dist/esm'), join(installed, 'dist/esm'), { recursive: true })
        cpSync(join(root, 'package.json'), join(installed, 'package.json'))
        for (const name of ['commander', 'protobufjs', 'long']) {
          symlinkSync(join(root, 'node_modules', name), join(elsewhere, 'node_modules', name))
        }
        const millrace = join(installed, 'dist/esm/cli/millrace.js')
        const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }
        expect(node(elsewhere, millrace, '--version').stdout).toBe(`${version}\n`)
        expect(node(elsewhere, millrace, 'gen', join(folder, 'chat.proto'), '--out', 'out')).toEqual({
          status: 1,
          stdout: '',
          stderr:
            'millrace: `millrace gen` needs protobufjs-cli, which is not installed: ' +
            'npm install --save-dev protobufjs-cli\n',
        })
      } finally {
        rmSync(elsewhere, { recursive: true })
      }
    })
  })
})
