import type { PeerName } from '../errors.ts'
import type { Metadata, MetadataInit } from './metadata.ts'
import type { Transport } from '../transport.ts'
import type { AnyMethod, Method } from './method.ts'
import type { Service } from './service.ts'

/** What a handler knows of its call, and may say beside its messages. */
export interface CallContext {
  /**
   * Aborted when nobody waits for the answer any more; the reason is an {@link RpcError}: CANCELLED by the client or by
   * the loss of its connection, DEADLINE_EXCEEDED, or UNAVAILABLE when the server ends by force.
   */
  readonly signal: AbortSignal
  /** When the answer must be there, as `Date.now()` tells time; `Infinity` for a call without a deadline. */
  readonly deadline: number
  /** What came with the request. */
  readonly metadata: Metadata
  /**
   * Sends metadata ahead of the answer: at once to a client that knows of the extension, with the answer of a call with
   * one response to others. Throws {@link InvalidStateError} the second time, behind the first message of a stream, and
   * once the call has ended.
   */
  sendHeader(header: MetadataInit): void
  /** Sent with the end of the call, well or not: fill it in. */
  readonly trailer: Metadata
  /** The client: `127.0.0.1:5000`. */
  readonly peer: PeerName
  /** The connection: for certificates and the like, by `getExtraInfo`. Not to be written to. */
  readonly transport: Transport
  /** `chat.v1.Chat` */
  readonly service: string
  /** `Send` */
  readonly method: string
  /** The method's types, and whether it streams. */
  readonly definition: AnyMethod
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
