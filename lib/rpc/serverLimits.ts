import { checkTellable } from './extension.ts'
import { MAX_DATA_LENGTH } from './frame.ts'

/** What the clients of a server may use up. */
export interface ServerLimitOptions {
  /**
   * The longest message in bytes, envelope included; 4 MiB by default, as everywhere in ttrpc. More can only be sent by
   * clients that know of the extension. A whole number from 1024 to 2^32 - 1.
   */
  readonly maxMessageLength?: number | undefined
  /** How many handlers may run at a time for one connection; calls beyond get RESOURCE_EXHAUSTED. 4,096 by default. */
  readonly maxConcurrentCalls?: number | undefined
  /**
   * How many of them may be calls that stream, each of which may hold a window of unread messages; 1,024 by default.
   */
  readonly maxConcurrentStreams?: number | undefined
  /**
   * How many bytes of one stream may have come and not been taken by its handler; 256 KiB by default. A whole number
   * below 2^32.
   */
  readonly windowLength?: number | undefined
  /**
   * How much a client that knows of windows may have sent beyond them, over all streams of its connection, before it is
   * held up; 16 MiB by default.
   */
  readonly maxBufferedLength?: number | undefined
  /**
   * Whether a client that has ended its side of the connection still gets its answers. By default that cancels its
   * calls, as a Go server does and Go clients rely on.
   */
  readonly halfOpen?: boolean | undefined
  /** After so long a connection takes no new calls, and is closed after the last; no limit by default. */
  readonly maxConnectionAgeMs?: number | undefined
}

export type ServerLimits = { readonly [K in keyof ServerLimitOptions]-?: NonNullable<ServerLimitOptions[K]> }

/** Fills in the defaults. Throws a RangeError for limits that make no sense. */
export function limitsOf(options: ServerLimitOptions): ServerLimits {
  const limits = {
    maxMessageLength: options.maxMessageLength ?? MAX_DATA_LENGTH,
    maxConcurrentCalls: options.maxConcurrentCalls ?? 4096,
    maxConcurrentStreams: options.maxConcurrentStreams ?? 1024,
    windowLength: options.windowLength ?? 256 * 1024,
    maxBufferedLength: options.maxBufferedLength ?? 16 * 1024 * 1024,
    maxConnectionAgeMs: options.maxConnectionAgeMs ?? Infinity,
  }
  for (const [name, value] of Object.entries(limits)) {
    if (!(value > 0)) throw new RangeError(`${name} must be above 0, not ${value}`)
  }
  return { ...checkTellable(limits), halfOpen: options.halfOpen ?? false }
}
