/**
 * What services can be made of, as types: each is described by what is used of it, so that any version and copy of the
 * library fits. What is inferred here from the types is found at run time in readService.ts.
 */
import type { InputOf, MessageOf, MessageType } from '../protobuf/messageType.ts'
import type { Method } from './method.ts'

/** A method as ts-proto, `millrace gen` and hands write it. */
export interface MethodDefinition {
  /** As it is on the wire: `Send`. */
  readonly name: string
  readonly requestType: MessageType<unknown, never>
  readonly responseType: MessageType<unknown, never>
  /** Not a stream by default. */
  readonly requestStream?: boolean
  readonly responseStream?: boolean
  /** Whether it may be called twice for once; by default what the option `idempotency_level` says. */
  readonly idempotent?: boolean
  /** The options of the proto file. */
  readonly options?: object
}

/** A whole service: what ts-proto writes with `outputServices=generic-definitions`. */
export interface ServiceDefinition {
  /** With its package: `chat.v1.Chat`. */
  readonly fullName: string
  readonly methods: Readonly<Record<string, MethodDefinition>>
  /** What {@link Reflection} tells of it: a FileDescriptorSet in base64, as `millrace gen --descriptors` writes it. */
  readonly descriptors?: string
}

/** A `Service` of protobufjs's reflection, as far as it is used. */
export interface ReflectedService {
  readonly fullName: string
  readonly methodsArray: readonly ReflectedMethod[]
  resolveAll(): unknown
}

export interface ReflectedMethod {
  readonly name: string
  readonly requestStream?: boolean | undefined
  readonly responseStream?: boolean | undefined
  readonly resolvedRequestType: object | null
  readonly resolvedResponseType: object | null
  readonly options?: Readonly<Record<string, unknown>> | undefined
  resolve(): unknown
}

/** A service class as `pbjs -t static-module` writes it. */
export interface StaticServiceClass<I extends object = object> {
  readonly prototype: I
  create(...args: never[]): I
}

/** What a generated class does not say: classes of protobufjs-cli before 2 tell neither names nor streams. */
export interface StaticMethodOptions {
  readonly requestStream?: boolean
  readonly responseStream?: boolean
  readonly idempotent?: boolean
}

type Is<Flag> = Flag extends true ? true : false

/** The methods of a definition. */
export type DefinedMethods<D extends ServiceDefinition> = {
  readonly [K in keyof D['methods']]: Method<
    MessageOf<D['methods'][K]['requestType']>,
    InputOf<D['methods'][K]['requestType']>,
    MessageOf<D['methods'][K]['responseType']>,
    InputOf<D['methods'][K]['responseType']>,
    Is<D['methods'][K]['requestStream']>,
    Is<D['methods'][K]['responseStream']>
  >
}

/** What may be given for a message of a generated class: a plain object with some of its fields will do. */
export type Fields<T> = {
  [K in keyof T as T[K] extends (...args: never[]) => unknown ? never : K]?: T[K] | null | undefined
}

/** The keys of what a generated class calls; the rest of it is protobufjs's own. */
type StaticCalls<I> = {
  // The string keys of EventEmitter and rpc.Service have no overload that answers with a promise of a message.
  [K in keyof I]: I[K] extends (request: infer _Req) => Promise<infer _Res> ? K : never
}[keyof I]

type StaticFlag<M, O, Flag extends 'requestStream' | 'responseStream'> =
  O extends Readonly<Record<Flag, infer F>> ? Is<F> : M extends Readonly<Record<Flag, infer F>> ? Is<F> : false

/**
 * The methods of a generated class. It tells the input of the request and the output of the response; so a handler
 * sees requests whose fields may all be absent, as `millrace gen` does not.
 */
export type StaticMethods<I, O> = {
  readonly [K in StaticCalls<I>]: I[K] extends (request: infer Q) => Promise<infer R>
    ? Method<
        Q,
        Q,
        R,
        Fields<R>,
        StaticFlag<I[K], K extends keyof O ? O[K] : unknown, 'requestStream'>,
        StaticFlag<I[K], K extends keyof O ? O[K] : unknown, 'responseStream'>
      >
    : never
}
