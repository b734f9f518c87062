import protobufjs from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { descriptorsOfRoot, descriptorsOfSet, type FileDescriptor } from '../../lib/protobuf/fileDescriptors.ts'

const fixtures = join(__dirname, '../fixtures')
const load = (file: string): protobufjs.Root => protobufjs.loadSync(join(fixtures, file))
/** What protoc makes of everything.proto and its imports. */
const byProtoc = readFileSync(join(fixtures, 'everything.desc'))

const plain = ({ bytes }: FileDescriptor): object =>
  descriptor.FileDescriptorProto.toObject(descriptor.FileDescriptorProto.decode(bytes), { enums: String })
const byName = (files: FileDescriptor[]): Record<string, FileDescriptor> =>
  Object.fromEntries(files.map((file) => [file.name, file]))

describe('descriptorsOfRoot', () => {
  it.each(['everything.proto', 'groups.proto', 'chat.proto'])('makes of %s what protoc makes of it', async (name) => {
    const ours = byName(await descriptorsOfRoot(load('everything.proto')))[name]!
    const theirs = byName(await descriptorsOfSet(byProtoc))[name]!
    // The order of imports says nothing; that of what is nested does.
    const sorted = (file: object): object => ({
      ...file,
      dependency: [...((file as { dependency?: string[] }).dependency ?? [])].sort(),
    })
    expect(sorted(plain(ours))).toEqual(sorted(plain(theirs)))
    expect([...ours.symbols].sort()).toEqual([...theirs.symbols].sort())
  })

  it('names google’s own files as everybody does', async () => {
    const files = byName(await descriptorsOfRoot(load('everything.proto')))
    expect(Object.keys(files).sort()).toEqual([
      'chat.proto',
      'everything.proto',
      'google/protobuf/timestamp.proto',
      'google/protobuf/wrappers.proto',
      'groups.proto',
    ])
    expect(files['google/protobuf/timestamp.proto']!.symbols).toEqual(['google.protobuf.Timestamp'])
  })

  it('tells the symbols of a file: all that has a full name', async () => {
    const { symbols, dependencies } = byName(await descriptorsOfRoot(load('everything.proto')))['everything.proto']!
    expect(symbols).toEqual(
      expect.arrayContaining([
        'fixtures.everything.Everything',
        'fixtures.everything.Everything.Kind',
        'fixtures.everything.Everything.Inner.Deeper',
        'fixtures.everything.Level',
        'fixtures.everything.Everywhere',
        'fixtures.everything.Everywhere.Get',
      ]),
    )
    expect(dependencies).toEqual([
      'chat.proto',
      'google/protobuf/timestamp.proto',
      'google/protobuf/wrappers.proto',
      'groups.proto',
    ])
  })

  it('names files by their path below the folder that they share, not by where they are on this machine', async () => {
    const root = new protobufjs.Root()
    const sources: Record<string, string> = {
      '/srv/protos/a/one.proto':
        'syntax = "proto3"; package a; import "../b/two.proto"; message One { b.Two two = 1; }',
      '/srv/protos/b/two.proto': 'syntax = "proto3"; package b; message Two {}',
    }
    root.fetch = (path: string, callback: protobufjs.FetchCallback) => callback(null as never, sources[path])
    await root.load('/srv/protos/a/one.proto')
    const files = await descriptorsOfRoot(root)
    expect(files.map(({ name, dependencies }) => [name, dependencies])).toEqual([
      ['a/one.proto', ['b/two.proto']],
      ['b/two.proto', []],
    ])
  })

  it('makes a file for each package of a root that comes from JSON', async () => {
    const root = protobufjs.Root.fromJSON(load('chat.proto').toJSON())
    const [file, ...others] = await descriptorsOfRoot(root)
    expect([file!.name, others]).toEqual(['chat/v1.proto', []])
    expect(plain(file!)).toEqual({
      ...plain(byName(await descriptorsOfSet(byProtoc))['chat.proto']!),
      name: 'chat/v1.proto',
    })
  })

  it('keeps an edition, and what it says of fields', async () => {
    const source = 'edition = "2023"; package e; message M { int32 n = 1 [features.field_presence = IMPLICIT]; }'
    const [file] = await descriptorsOfRoot(protobufjs.parse(source).root)
    expect(plain(file!)).toMatchObject({
      syntax: 'editions',
      edition: 'EDITION_2023',
      messageType: [{ field: [{ options: { features: { fieldPresence: 'IMPLICIT' } } }] }],
    })
  })

  it('can be read again by protobufjs, with the same messages', async () => {
    const file = (await descriptorsOfRoot(load('everything.proto'))).map(({ bytes }) =>
      descriptor.FileDescriptorProto.decode(bytes),
    )
    const root = protobufjs.Root.fromDescriptor({ file: file as object[] })
    const message = { snakeCase: 3, maybe: 0, line: { text: 'x' }, sentByRoom: { a: { count: 1 } }, unpacked: [1, 2] }
    const bytes = load('everything.proto').lookupType('fixtures.everything.Everything').encode(message).finish()
    expect(root.lookupType('fixtures.everything.Everything').decode(bytes)).toMatchObject(message)
  })

  it('passes over options that are not google’s own, and takes one value for several', async () => {
    const root = protobufjs.loadSync(require.resolve('protobufjs/google/protobuf/descriptor.proto'))
    const source =
      'syntax = "proto3"; import "google/protobuf/descriptor.proto";' +
      'extend google.protobuf.FieldOptions { string note = 50001; }' +
      'message Noted { int32 n = 1 [(note) = "x", targets = TARGET_TYPE_FIELD, deprecated = true]; }'
    const files = await descriptorsOfRoot(protobufjs.parse(source, root).root)
    expect(plain(files.find(({ name }) => name === 'root.proto')!)).toMatchObject({
      messageType: [{ field: [{ options: { targets: ['TARGET_TYPE_FIELD'], deprecated: true } }] }],
      extension: [{ name: 'note', extendee: '.google.protobuf.FieldOptions', number: 50001 }],
    })
    expect(files.map(({ name }) => name)).toContain('google/protobuf/descriptor.proto')
  })

  it('rejects for a type that is nowhere', async () => {
    const { root } = protobufjs.parse('syntax = "proto3"; message M { Missing m = 1; }')
    await expect(descriptorsOfRoot(root)).rejects.toThrow('Missing')
  })
})

describe('descriptorsOfSet', () => {
  it('has the files as they are, byte for byte', async () => {
    const files = await descriptorsOfSet(byProtoc)
    expect(files.map(({ name }) => name)).toContain('everything.proto')
    for (const { bytes } of files) expect(byProtoc.includes(Buffer.from(bytes))).toBe(true)
  })

  it.each([
    ['cut off', byProtoc.subarray(0, 1000)],
    ['of another kind', Uint8Array.of(8, 1)],
    ['with a length and nothing more', Uint8Array.of(10)],
  ])('rejects bytes that are none: %s', async (_name, bytes) => {
    await expect(descriptorsOfSet(bytes)).rejects.toThrow('this is no FileDescriptorSet')
  })

  it('rejects a file that is none', async () => {
    await expect(descriptorsOfSet(Uint8Array.of(10, 2, 10, 9))).rejects.toThrow(
      'do not decode as google.protobuf.FileDescriptorProto',
    )
  })
})
