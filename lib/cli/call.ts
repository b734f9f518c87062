import { type Command, InvalidArgumentError } from 'commander'
import type protobufjs from 'protobufjs'
import { clock } from '../clock.ts'
import { Channel } from '../rpc/channel.ts'
import type { CallOptions } from '../rpc/client.ts'
import { createClient } from '../rpc/connect.ts'
import type { Metadata } from '../rpc/metadata.ts'
import type { AnyMethod, Methods } from '../rpc/method.ts'
import { RpcError } from '../rpc/rpcError.ts'
import { service, type Service } from '../rpc/service.ts'
import { Status } from '../rpc/status.ts'
import { clientEndpoint, type TlsFlags } from './address.ts'
import { fetchProto } from './fetchProto.ts'
import { collect } from './gen.ts'
import { loadProto, servicesOf } from './loadProto.ts'
import { messageFromJson, messagesFromStdin, messageToJson, printLine } from './messageJson.ts'
import { printRpcError } from './printRpcError.ts'

interface CallFlags extends TlsFlags {
  proto: string[]
  include: string[]
  metadata: [string, string][]
  timeout?: number
  wait?: true
  verbose?: true
}

/** Adds `millrace call`: one call, from and to JSON. */
export function addCall(program: Command): void {
  program
    .command('call')
    .description('make a call, and print its responses as lines of JSON')
    .argument('<address>', 'HOST:PORT or unix:PATH')
    .argument('<method>', 'package.Service/Method')
    .argument('[json]', 'the request; a stream of requests without it is read from stdin, one a line')
    .option(
      '-p, --proto <file>',
      'proto file; may be given several times. Without: the reflection of the server',
      collect,
      [],
    )
    .option('-I, --include <dir>', 'where imports are looked for; may be given several times', collect, [])
    .option('-m, --metadata <key=value>', 'send with the call; may be given several times', metadata, [])
    .option('-t, --timeout <ms>', 'how long the call may take, in milliseconds', milliseconds)
    .option('-w, --wait', 'wait for the server instead of failing when it cannot be reached')
    .option('--tls', 'use TLS; so does any of the options below')
    .option('--ca <file>', 'trust certificates of these authorities alone')
    .option('--cert <file>', 'certificate of the client')
    .option('--key <file>', 'key of the certificate')
    .option('--server-name <name>', 'the name that the certificate of the server must have')
    .option('--insecure', 'trust any certificate')
    .option('-v, --verbose', 'print header and trailer to stderr')
    .addHelpText('after', '\nExits with 0, with 64 plus the status of a call that failed, and with 1 otherwise.')
    .action(call)
}

function metadata(value: string, before: [string, string][]): [string, string][] {
  const at = value.indexOf('=')
  if (at < 1) throw new InvalidArgumentError('It must be key=value.')
  return [...before, [value.slice(0, at), value.slice(at + 1)]]
}

export function milliseconds(value: string): number {
  const ms = Number(value)
  if (value.trim() === '' || !(ms >= 0)) throw new InvalidArgumentError('It must be a number of milliseconds.')
  return ms
}

async function call(address: string, path: string, json: string | undefined, flags: CallFlags): Promise<void> {
  const [, serviceName = '', methodName = ''] = /^\/?([^/]+)\/([^/]+)$/.exec(path) ?? []
  if (methodName === '') throw new TypeError(`${path} is no method: give package.Service/Method`)
  const expires = flags.timeout === undefined ? Infinity : clock.now() + flags.timeout
  // The time that is left, reflection included.
  const options = (): CallOptions => ({
    ...(expires !== Infinity && { timeoutMs: Math.max(0, expires - clock.now()) }),
    metadata: flags.metadata,
    waitForReady: flags.wait,
  })
  const endpoint = clientEndpoint(address, flags)
  let root = flags.proto.length === 0 ? undefined : loadProto(flags.proto, { include: flags.include })
  const channel = new Channel(endpoint)
  try {
    root ??= await fetchProto(channel, serviceName, options())
    const [known, key] = methodIn(root, serviceName, methodName)
    const method = known.methods[key]!
    const client = createClient(known, channel) as Readonly<Record<string, AnyCall>>
    const answered = client[key]!(requestOf(method, json), { ...options(), ...listeners(flags.verbose) })
    await printResponses(method, answered)
  } catch (error) {
    if (!(error instanceof RpcError)) throw error
    printRpcError(error, root)
    // One that a server has made up might come out as 0.
    process.exitCode = 64 + (Object.values(Status).includes(error.status) ? error.status : Status.UNKNOWN)
  } finally {
    channel.abort()
    // Whoever types there need not end it.
    process.stdin.destroy()
  }
}

type AnyCall = (request: unknown, options: CallOptions) => unknown

function methodIn(root: protobufjs.Root, serviceName: string, methodName: string): [Service, key: string] {
  const services = servicesOf(root)
  const found = services.find(({ fullName }) => fullName === `.${serviceName}`)
  if (found === undefined) {
    const there = services.map(({ fullName }) => fullName.slice(1)).join(', ')
    throw new Error(`there is no service ${serviceName}, only ${there === '' ? 'none' : there}`)
  }
  const known = service<Methods>(found)
  const entry = Object.entries(known.methods).find(([, { name }]) => name === methodName)
  if (entry !== undefined) return [known, entry[0]]
  const there = Object.values(known.methods).map(({ name }) => name)
  throw new Error(`${serviceName} has no method ${methodName}, only ${there.join(', ')}`)
}

function requestOf({ requestType, requestStream }: AnyMethod, json: string | undefined): unknown {
  if (json === undefined) return requestStream ? messagesFromStdin(requestType) : {}
  const request = messageFromJson(requestType, json, 'the request')
  return requestStream ? [request] : request
}

async function printResponses({ responseType, responseStream }: AnyMethod, answered: unknown): Promise<void> {
  if (!responseStream) return printLine(messageToJson(responseType, await answered))
  for await (const response of answered as AsyncIterable<unknown>)
    await printLine(messageToJson(responseType, response))
}

function listeners(verbose: true | undefined): CallOptions {
  if (!verbose) return {}
  const print = (kind: string) => (metadata: Metadata) => {
    for (const [key, value] of metadata) process.stderr.write(`${kind} ${key}: ${value}\n`)
  }
  return { onHeader: print('header'), onTrailer: print('trailer') }
}
