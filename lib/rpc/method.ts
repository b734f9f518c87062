import type { MessageType } from '../protobuf/messageType.ts'

/**
 * One method of a service. `Req` and `Res` are what is decoded, on the server and on the client; `ReqInit` and
 * `ResInit` what may be given to be encoded.
 */
export interface Method<
  Req = unknown,
  ReqInit = never,
  Res = unknown,
  ResInit = never,
  RequestStream extends boolean = boolean,
  ResponseStream extends boolean = boolean,
> {
  /** The service's full name: `chat.v1.Chat`. */
  readonly service: string
  /** As it is on the wire: `Send`. */
  readonly name: string
  /** `chat.v1.Chat/Send`. */
  readonly path: string
  readonly requestType: MessageType<Req, ReqInit>
  readonly responseType: MessageType<Res, ResInit>
  readonly requestStream: RequestStream
  readonly responseStream: ResponseStream
  /** Whether a call may be sent again when nobody knows if it was handled. */
  readonly idempotent: boolean
}

/** A method of any kind. */
export type AnyMethod = Method<unknown, never, unknown, never>

/** One request, one response. */
export type UnaryMethod<Req, Res, ReqInit = Req, ResInit = Res> = Method<Req, ReqInit, Res, ResInit, false, false>
/** One request, many responses. */
export type ServerStreamMethod<Req, Res, ReqInit = Req, ResInit = Res> = Method<Req, ReqInit, Res, ResInit, false, true>
/** Many requests, one response. */
export type ClientStreamMethod<Req, Res, ReqInit = Req, ResInit = Res> = Method<Req, ReqInit, Res, ResInit, true, false>
/** Many requests and many responses, neither waiting for the other. */
export type BidiMethod<Req, Res, ReqInit = Req, ResInit = Res> = Method<Req, ReqInit, Res, ResInit, true, true>

/** Methods by the names that programs use: `send` for `Send`. */
export type Methods = Readonly<Record<string, Method>>
