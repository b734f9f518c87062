import protobufjs from 'protobufjs'
import descriptor from 'protobufjs/ext/descriptor.js'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  Health,
  HealthService,
  Reflection,
  ReflectionService,
  service,
  Status,
  type ReflectionOptions,
  type ReflectionRequest,
  type ReflectionResponse,
  type RpcServer,
} from '../../lib/rpc/index.ts'
import { embeddedAndLoaded } from '../support/embeddedDescriptors.ts'
import { served } from '../support/rpcServed.ts'
import { ReflectedChat, StaticChat } from './chatServices.ts'

const fixtures = join(__dirname, '../fixtures')
const everything = protobufjs.loadSync(join(fixtures, 'everything.proto'))
const Everywhere = service(everything.lookupService('fixtures.everything.Everywhere'))
/** The same service as others know it. */
const others = protobufjs.loadSync(join(fixtures, 'reflection.proto'))
const OthersReflection = service(others.lookupService('grpc.reflection.v1.ServerReflection'))

/** What a server answers to one request. */
async function ask(
  add: (server: RpcServer) => void,
  request: ReflectionRequest,
  options?: ReflectionOptions,
): Promise<ReflectionResponse> {
  const { client } = await served((server) => {
    add(server)
    server.add(ReflectionService, new Reflection(server, options))
  })
  const { serverReflectionInfo } = await client(ReflectionService)
  const { value } = await serverReflectionInfo([request]).next()
  return value as ReflectionResponse
}

const filesIn = ({ fileDescriptorResponse }: ReflectionResponse): string[] =>
  (fileDescriptorResponse?.fileDescriptorProto ?? []).map(
    (bytes) => (descriptor.FileDescriptorProto.decode(bytes) as unknown as { name: string }).name,
  )

const withChat = (server: RpcServer): unknown => server.add(ReflectedChat, {})
const withEverything = (server: RpcServer): unknown => server.add(Everywhere, {})
const withStatic = (server: RpcServer): unknown => server.add(StaticChat, {})

describe('Reflection', () => {
  it('lists the services of the server, itself too', async () => {
    const { listServicesResponse } = await ask((server) => server.add(StaticChat, {}).add(Everywhere, {}), {
      listServices: '',
    })
    expect(listServicesResponse!.service.map(({ name }) => name)).toEqual([
      'chat.v1.Chat',
      'fixtures.everything.Everywhere',
      'grpc.reflection.v1.ServerReflection',
    ])
  })

  describe('fileContainingSymbol', () => {
    it.each([
      ['a service', 'chat.v1.Chat'],
      ['a method', 'chat.v1.Chat.Send'],
      ['a message', 'chat.v1.Line'],
    ])('tells the file of %s', async (_name, fileContainingSymbol) => {
      expect(filesIn(await ask(withChat, { fileContainingSymbol }))).toEqual(['chat.proto'])
    })

    it('tells it with all that it imports, itself first', async () => {
      const files = filesIn(await ask(withEverything, { fileContainingSymbol: 'fixtures.everything.Everywhere' }))
      expect(files).toEqual([
        'everything.proto',
        'chat.proto',
        'google/protobuf/timestamp.proto',
        'google/protobuf/wrappers.proto',
        'groups.proto',
      ])
      expect(filesIn(await ask(withEverything, { fileContainingSymbol: 'fixtures.groups.Old' }))).toEqual([
        'groups.proto',
      ])
    })

    it('tells enough to make and read messages', async () => {
      const { fileDescriptorResponse } = await ask(withEverything, {
        fileContainingSymbol: 'fixtures.everything.Everywhere',
      })
      const file = fileDescriptorResponse!.fileDescriptorProto.map((bytes) =>
        descriptor.FileDescriptorProto.decode(bytes),
      )
      const { methods } = service(
        protobufjs.Root.fromDescriptor({ file: file as object[] }).lookupService('fixtures.everything.Everywhere'),
      )
      const message = { snakeCase: 1, sentByRoom: { a: { count: 2 } } }
      const bytes = methods.get.requestType.encode(message).finish()
      expect(Everywhere.methods.get.requestType.decode(bytes)).toMatchObject(message)
      expect([methods.get.idempotent, methods.stream.requestStream]).toEqual([true, true])
    })

    it('answers NOT_FOUND for what is not known', async () => {
      expect((await ask(withChat, { fileContainingSymbol: 'no.Such' })).errorResponse).toEqual({
        errorCode: Status.NOT_FOUND,
        errorMessage: 'no.Such is not known',
      })
    })

    it('says so if a service is served, and its descriptors are not known', async () => {
      expect((await ask(withStatic, { fileContainingSymbol: 'chat.v1.Chat' })).errorResponse).toEqual({
        errorCode: Status.NOT_FOUND,
        errorMessage:
          'chat.v1.Chat is served, but its descriptors are not known to the server: give them to Reflection',
      })
    })

    it('knows those that were given, as protoc writes them', async () => {
      const options = { descriptors: [readFileSync(join(fixtures, 'everything.desc'))] }
      const response = await ask(withStatic, { fileContainingSymbol: 'chat.v1.Chat' }, options)
      expect(filesIn(response)).toEqual(['chat.proto'])
    })

    it('knows the services that come with millrace', async () => {
      const add = (server: RpcServer): unknown => server.add(HealthService, new Health(server))
      expect(filesIn(await ask(add, { fileContainingSymbol: 'grpc.health.v1.Health' }))).toEqual([
        'grpc/health/v1/health.proto',
      ])
      expect(filesIn(await ask(add, { fileContainingSymbol: 'grpc.reflection.v1.ErrorResponse' }))).toEqual([
        'grpc/reflection/v1/reflection.proto',
      ])
    })
  })

  it('tells files of a root only as far as services need them', async () => {
    const { root } = protobufjs.parse(readFileSync(join(fixtures, 'chat.proto'), 'utf8'))
    protobufjs.parse('syntax = "proto3"; package secret; message Plan {}', root)
    const Chat = service(root.lookupService('chat.v1.Chat'))
    const add = (server: RpcServer): unknown => server.add(Chat, {})
    expect((await ask(add, { fileContainingSymbol: 'secret.Plan' })).errorResponse).toBeDefined()
    expect((await ask(add, { fileContainingSymbol: 'chat.v1.Line' })).errorResponse).toBeUndefined()
  })

  it('tells a file by its name', async () => {
    expect(filesIn(await ask(withEverything, { fileByFilename: 'groups.proto' }))).toEqual(['groups.proto'])
    expect((await ask(withEverything, { fileByFilename: 'no.proto' })).errorResponse).toEqual({
      errorCode: Status.NOT_FOUND,
      errorMessage: 'the file no.proto is not known',
    })
  })

  it('tells extensions, and their files', async () => {
    const containingType = 'fixtures.groups.Old'
    const numbers = await ask(withEverything, { allExtensionNumbersOfType: containingType })
    expect(numbers.allExtensionNumbersResponse).toEqual({ baseTypeName: containingType, extensionNumber: [100, 101] })
    const found = await ask(withEverything, { fileContainingExtension: { containingType, extensionNumber: 101 } })
    expect(filesIn(found)).toEqual(['groups.proto'])
    const lost = await ask(withEverything, { fileContainingExtension: { containingType, extensionNumber: 102 } })
    expect(lost.errorResponse!.errorMessage).toBe('extension 102 of fixtures.groups.Old is not known')
    const none = await ask(withEverything, { allExtensionNumbersOfType: 'chat.v1.Line' })
    expect(none.allExtensionNumbersResponse!.extensionNumber).toEqual([])
    expect((await ask(withEverything, { allExtensionNumbersOfType: 'no.Such' })).errorResponse).toBeDefined()
  })

  it('tells back a number of an extension that cannot be, also to others', async () => {
    const { client } = await served((server) => server.add(ReflectionService, new Reflection(server)))
    const { serverReflectionInfo } = await client(OthersReflection)
    const fileContainingExtension = { containingType: 'a.B', extensionNumber: -7 }
    const { value } = await serverReflectionInfo([{ fileContainingExtension }]).next()
    expect(value.toJSON()).toMatchObject({
      originalRequest: { fileContainingExtension },
      errorResponse: { errorMessage: 'extension -7 of a.B is not known' },
    })
  })

  it('answers one question after the other, each with what was asked, also to others', async () => {
    const { client } = await served((server) => {
      server.add(ReflectedChat, {}).add(ReflectionService, new Reflection(server))
    })
    const { serverReflectionInfo } = await client(OthersReflection)
    const questions = [
      { host: 'h', listServices: '' },
      { fileByFilename: 'no.proto' },
      { fileContainingSymbol: 'chat.v1.Chat' },
      {},
    ]
    const answers: object[] = []
    for await (const answer of serverReflectionInfo(questions)) answers.push(answer.toJSON())
    expect(answers).toMatchObject([
      { validHost: 'h', originalRequest: questions[0], listServicesResponse: { service: [{}, {}] } },
      { originalRequest: questions[1], errorResponse: { errorCode: 5 } },
      { originalRequest: questions[2], fileDescriptorResponse: { fileDescriptorProto: [expect.any(String)] } },
      { errorResponse: { errorCode: 3 } },
    ])
  })

  it('knows of services that are added later', async () => {
    const { client, server } = await served((each) => each.add(ReflectionService, new Reflection(each)))
    const { serverReflectionInfo } = await client(ReflectionService)
    const asked = async (): Promise<string[]> => {
      const { value } = await serverReflectionInfo([{ fileContainingSymbol: 'chat.v1.Chat' }]).next()
      return filesIn(value as ReflectionResponse)
    }
    expect(await asked()).toEqual([])
    server.add(ReflectedChat, {})
    expect(await asked()).toEqual(['chat.proto'])
  })

  it('has the descriptors of its proto file', async () => {
    const [embedded, loaded] = await embeddedAndLoaded(ReflectionService, 'reflection.proto')
    expect(embedded).toEqual(loaded)
  })
})
