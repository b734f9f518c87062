import type { PeerName } from '../errors.ts'
import type { Metadata, MetadataInit } from './metadata.ts'
import type { Method } from './method.ts'
import type { Service } from './service.ts'

/** What a handler knows of its call, and may say beside its messages. */
export interface CallContext {
  /** Aborts when nobody waits for the answer any more: the client gave up, is gone, or the deadline has passed. */
  readonly signal: AbortSignal
  /** When the client stops waiting, in milliseconds as `performance.now` counts them; undefined if never. */
  readonly deadline: number | undefined
  /** What came with the request. */
  readonly metadata: Metadata
  /** Sends the header, at most once and before the first response. */
  sendHeader(header: MetadataInit): void
  /** Sent with the end of the call, well or not: fill it in. */
  readonly trailer: Metadata
  readonly peer: PeerName
  /** `chat.v1.Chat` */
  readonly service: string
  /** `Send` */
  readonly method: string
}

type MaybePromise<T> = T | Promise<T>
type Responses<T> = AsyncIterable<T> | Iterable<T>

type HandlerMethod<M> =
  M extends Method<infer Req, infer _ReqInit, infer _Res, infer ResInit, infer RequestStreams, infer ResponseStreams>
    ? (
        request: RequestStreams extends true ? AsyncIterable<Req> : Req,
        context: CallContext,
      ) => ResponseStreams extends true ? Responses<ResInit> : MaybePromise<ResInit>
    : never

/**
 * What serves a service: a function for every method, after its kind.
 *
 * - unary: `async send(request, context)` answers with the response
 * - server stream: `async *watch(request, context)` yields the responses
 * - client stream: `async upload(requests, context)` reads the requests and answers with one response
 * - both: `async *talk(requests, context)` reads the one and yields the others
 */
export type Handlers<S> =
  S extends Service<infer M>
    ? 0 extends 1 & M
      ? // oxlint-disable-next-line typescript/no-explicit-any -- a service loaded at run time has no types
        Readonly<Record<string, (request: any, context: CallContext) => any>>
      : { readonly [K in keyof M]: HandlerMethod<M[K]> }
    : never
