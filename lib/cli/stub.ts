/**
 * Handlers without a program: each echoes its requests, or answers what a file says.
 *
 *     { "chat.v1.Chat/Send":  { "count": 1 },
 *       "chat.v1.Chat/Watch": [{ "text": "one" }, { "text": "two" }, { "$error": { "status": "ABORTED", "message": "…" } }] }
 */
import protobufjs from 'protobufjs'
import type { AnyMethod, Methods } from '../rpc/method.ts'
import { RpcError, type Any } from '../rpc/rpcError.ts'
import type { Service } from '../rpc/service.ts'
import { Status } from '../rpc/status.ts'
import { anyType, messageFromValue } from './messageJson.ts'
import { readJson } from './readJson.ts'

/** What a method answers: messages, and errors that end it. */
export type Answers = ReadonlyMap<string, readonly (object | RpcError)[]>

/** Reads the file, and throws for what it says of methods and messages that there are not. */
export function readAnswers(file: string, services: readonly Service<Methods>[], root: protobufjs.Root): Answers {
  const given = objectIn(readJson(file), file)
  const methods = new Map(services.flatMap((each) => Object.values(each.methods)).map((each) => [each.path, each]))
  return new Map(
    Object.entries(given).map(([path, value]) => {
      const method = methods.get(path)
      if (method === undefined) throw new Error(`${file}: there is no method ${path}`)
      const values = Array.isArray(value) ? value : [value]
      if (!method.responseStream && values.length !== 1) throw new Error(`${file}: ${path} has one response`)
      return [path, values.map((each: unknown) => answerOf(each, method, root, `${file}: the answer of ${path}`))]
    }),
  )
}

function answerOf(value: unknown, method: AnyMethod, root: protobufjs.Root, what: string): object {
  const error = (value as { $error?: unknown } | null)?.$error
  return error === undefined ? messageFromValue(method.responseType, value, what) : errorOf(error, root, what)
}

/** What is not `status`, `message` and `details` is an error of its own: it would not be noticed. */
function errorOf(value: unknown, root: protobufjs.Root, what: string): RpcError {
  const { status = 'UNKNOWN', message = '', details = [], ...rest } = objectIn(value, `${what}: the $error`)
  const unknown = Object.keys(rest)[0]
  if (unknown !== undefined) throw new Error(`${what}: the $error has an unknown ${unknown}`)
  if (!Object.hasOwn(Status, status as string) || status === 'OK') {
    throw new Error(`${what}: there is no error ${String(status)}`)
  }
  if (!Array.isArray(details)) throw new Error(`${what}: the details are no list`)
  const decoded = details.map((detail) => detailOf(detail, root, what))
  return new RpcError(Status[status as keyof typeof Status], String(message), decoded)
}

/** As `millrace call` prints it; the type may stand alone: `{ "@type": "chat.v1.Line", "text": "…" }`. */
function detailOf(value: unknown, root: protobufjs.Root, what: string): Any {
  const detail = objectIn(value, `${what}: a detail`)
  const url = String(detail['@type'])
  const typeUrl = url.includes('/') ? url : `type.googleapis.com/${url}`
  const found = root.lookup(`.${typeUrl.slice(typeUrl.lastIndexOf('/') + 1)}`)
  if (!(found instanceof protobufjs.Type)) throw new Error(`${what}: there is no message ${url}`)
  const { value: bytes = new Uint8Array(0) } = messageFromValue(anyType(root), detail, what) as Partial<Any>
  return { typeUrl, value: bytes }
}

function objectIn(value: unknown, what: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  throw new Error(`${what} is no object`)
}

type Handler = (input: any) => any // oxlint-disable-line typescript/no-explicit-any -- any method's messages

/** A handler for every method: what `answers` has for it, else an echo. */
export function stubHandlers({ methods }: Service<Methods>, answers: Answers | undefined): Record<string, Handler> {
  return Object.fromEntries(
    Object.entries(methods).map(([key, method]) => {
      const answer = answers?.get(method.path)
      return [key, answer === undefined ? echo(method) : fixed(method, answer)]
    }),
  )
}

function fixed({ requestStream, responseStream }: AnyMethod, answer: readonly (object | RpcError)[]): Handler {
  async function* respond(input: unknown): AsyncGenerator<object> {
    // All of the requests, before anything is said.
    if (requestStream) for await (const _request of input as AsyncIterable<unknown>);
    for (const each of answer) {
      if (each instanceof RpcError) throw each
      yield each
    }
  }
  return responseStream ? respond : async (input) => (await respond(input).next()).value as unknown
}

/** One response for each request; of a method with one response the last. */
function echo(method: AnyMethod): Handler {
  const respond = echoOf(method)
  const { requestStream, responseStream } = method
  if (!requestStream && !responseStream) return respond
  if (!requestStream) {
    return function* (request: object) {
      yield respond(request)
    }
  }
  if (!responseStream) {
    return async (requests: AsyncIterable<object>) => {
      let last: object = {}
      for await (const request of requests) last = request
      return respond(last)
    }
  }
  return async function* (requests: AsyncIterable<object>) {
    for await (const request of requests) yield respond(request)
  }
}

/** The fields that the response has in common with the request: of the same name and the same type. */
function echoOf({ requestType, responseType }: AnyMethod): (request: object) => object {
  const [from, to] = [requestType, responseType] as unknown as [protobufjs.Type, protobufjs.Type]
  const common = to.fieldsArray.filter((field) => {
    const same = from.fields[field.name]
    return same !== undefined && sameKind(same.resolve(), field.resolve())
  })
  return (request) => {
    const response: Record<string, unknown> = {}
    for (const { name } of common) {
      if (Object.hasOwn(request, name)) response[name] = (request as Record<string, unknown>)[name]
    }
    return response
  }
}

function sameKind(a: protobufjs.Field, b: protobufjs.Field): boolean {
  return a.repeated === b.repeated && keyOf(a) === keyOf(b) && (a.resolvedType ?? a.type) === (b.resolvedType ?? b.type)
}

const keyOf = (field: protobufjs.Field): string | undefined =>
  field instanceof protobufjs.MapField ? field.keyType : undefined
