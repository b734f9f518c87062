/**
 * CONTRACT: what a service is. `service()` makes one of whatever the user's protobuf library has; the types of its
 * clients and handlers follow from it (client.ts, handlers.ts).
 */
import type { Methods } from './method.ts'
import { readService } from './readService.ts'
import type {
  DefinedMethods,
  ReflectedService,
  ServiceDefinition,
  StaticMethodOptions,
  StaticMethods,
  StaticServiceClass,
} from './serviceSource.ts'

/** A service: its full name, and its methods by the names that programs use. */
export interface Service<M = Methods> {
  /** With its package: `chat.v1.Chat`. */
  readonly name: string
  /** By key: the name on the wire with a small first letter, `send` for `Send`. */
  readonly methods: M
  /** What it was made of. Reflection serves descriptors of services that were made of a `Service` of protobufjs. */
  readonly source: object
}

/** The methods of a service that was loaded at run time: their types are not known, any message is taken. */
export type AnyMethods = any // oxlint-disable-line typescript/no-explicit-any -- what is not known is usable

export interface ServiceOptions<O = Readonly<Record<string, StaticMethodOptions>>> {
  /** The service's full name, `chat.v1.Chat`, for a generated class that does not tell it. */
  readonly name?: string | undefined
  /** By key, what the source does not tell: streams of an old generated class, calls that may be repeated. */
  readonly methods?: O | undefined
}

/**
 * A service from a definition: of ts-proto (`outputServices=generic-definitions`), of `millrace gen`, or written by
 * hand. Its types follow from those of its messages.
 *
 * Throws a TypeError if the source is no service, or does not tell what must be known: the message says which.
 */
export function service<const D extends ServiceDefinition>(
  source: D,
  options?: ServiceOptions,
): Service<DefinedMethods<D>>
/**
 * A service that was loaded at run time, by protobufjs's reflection. There the compiler knows no types: give them as
 * `service<{ send: UnaryMethod<Line, Sent> }>(…)`, or do without, and any message is taken.
 */
export function service<M = AnyMethods>(source: ReflectedService, options?: ServiceOptions): Service<M>
/**
 * A service from a generated class (`pbjs -t static-module`). Classes of protobufjs-cli 2 tell everything but
 * `idempotency_level`. Those of older versions tell neither the full name nor which methods stream: give both in the
 * options.
 */
export function service<
  I extends object,
  const O extends Readonly<Record<string, StaticMethodOptions>> = Readonly<Record<never, never>>,
>(source: StaticServiceClass<I>, options?: ServiceOptions<O>): Service<StaticMethods<I, O>>
export function service(source: object, options: ServiceOptions = {}): Service {
  return { ...readService(source, options), source }
}
