import type { WaitScope } from '../wait.ts'
import type { Metadata, MetadataInit } from './metadata.ts'
import type { Method } from './method.ts'
import type { Service } from './service.ts'

/** What one call may be given. */
export interface CallOptions {
  /** Gives the call up when it aborts: {@link RpcError} CANCELLED, with the signal's reason as its `cause`. */
  readonly signal?: AbortSignal | undefined
  /** Gives the call up with the scope; then the call rejects with the scope's reason itself. */
  readonly scope?: WaitScope | undefined
  /** How long the whole call may take, streams included; beyond it is {@link RpcError} DEADLINE_EXCEEDED. */
  readonly timeoutMs?: number | undefined
  /** Sent with the request. */
  readonly metadata?: MetadataInit | undefined
  /**
   * Called with the server's header when it comes, before the first response, where there is one. Behind it the call is
   * not tried again. What it throws is the call's error.
   */
  readonly onHeader?: ((header: Metadata) => void) | undefined
  /**
   * Called with the server's trailer right before the call ends, well or not, where there is one. What it throws is the
   * call's error.
   */
  readonly onTrailer?: ((trailer: Metadata) => void) | undefined
  /** Waits for a connection instead of failing with UNAVAILABLE while there is none. */
  readonly waitForReady?: boolean | undefined
  /** Whether this call may be sent again when nobody knows if it was handled; by default what the method says. */
  readonly idempotent?: boolean | undefined
}

/** The responses of a call. Leaving the loop early gives the call up. */
export interface ResponseStream<T> extends AsyncIterableIterator<T>, AsyncDisposable {}

/** What is given for a stream of requests. */
export type RequestStream<T> = AsyncIterable<T> | Iterable<T>

type ClientMethod<M> =
  M extends Method<infer _Req, infer ReqInit, infer Res, infer _ResInit, infer RequestStreams, infer ResponseStreams>
    ? (
        ...args: [
          request: RequestStreams extends true ? RequestStream<ReqInit> : ReqInit,
          options?: CallOptions | undefined,
        ]
      ) => ResponseStreams extends true ? ResponseStream<Res> : Promise<Res>
    : never

/**
 * The client of a service: a function for every method, after its kind.
 *
 * - unary: `await client.send(request)`
 * - server stream: `for await (const line of client.watch(request))`
 * - client stream: `await client.upload(requests)`
 * - both: `for await (const line of client.talk(requests))`
 *
 * Every one takes {@link CallOptions} behind it.
 */
export type Client<S> =
  S extends Service<infer M>
    ? 0 extends 1 & M
      ? any // oxlint-disable-line typescript/no-explicit-any -- a service loaded at run time has no types
      : { readonly [K in keyof M]: ClientMethod<M[K]> }
    : never
