/**
 * Handlers without a program: each echoes its requests, or answers what a file says.
 *
 *     { "chat.v1.Chat/Send":  { "count": 1 },
 *       "chat.v1.Chat/Watch": [{ "text": "one" }, { "text": "two" }, { "$error": { "status": "ABORTED", "message": "…" } }] }
 */
import protobufjs from 'protobufjs'
import type { AnyMethod, Methods } from '../rpc/method.ts'
import { RpcError, type DetailInit } from '../rpc/rpcError.ts'
import type { Service } from '../rpc/service.ts'
import { Status } from '../rpc/status.ts'
import { messageFromValue } from './messageJson.ts'
import { readJson } from './readJson.ts'

/** What a method answers: messages, and errors that end it. */
export type Answers = ReadonlyMap<string, readonly (object | RpcError)[]>

/** Reads the file, and throws for what it says of methods and messages that there are not. */
export function readAnswers(file: string, services: readonly Service<Methods>[], root: protobufjs.Root): Answers {
  const given = readJson(file) as object
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
  const error = (value as { $error?: ErrorAnswer } | null)?.$error
  return error === undefined ? messageFromValue(method.responseType, value, what) : errorOf(error, root, what)
}

interface ErrorAnswer {
  readonly status?: string
  readonly message?: string
  /** Each with its type: `{ "@type": "chat.v1.Line", "text": "…" }`. */
  readonly details?: readonly { readonly '@type'?: string }[]
}

function errorOf({ status = 'UNKNOWN', message = '', details = [] }: ErrorAnswer, root: protobufjs.Root, what: string) {
  if (!Object.hasOwn(Status, status) || status === 'OK') throw new Error(`${what}: there is no error ${status}`)
  const decoded = details.map(({ '@type': url = '', ...fields }): DetailInit => {
    const type = root.lookup(`.${url.slice(url.lastIndexOf('/') + 1)}`)
    if (!(type instanceof protobufjs.Type)) throw new Error(`${what}: there is no message ${url}`)
    return [type, messageFromValue(type, fields, what)]
  })
  return new RpcError(Status[status as keyof typeof Status], message, decoded)
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
  return a.repeated === b.repeated && a.map === b.map && (a.resolvedType ?? a.type) === (b.resolvedType ?? b.type)
}
