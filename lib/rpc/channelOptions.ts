import { Backoff, type BackoffOptions } from '../endpoints/backoff.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import type { Transport } from '../transport.ts'
import type { WaitOptions } from '../wait.ts'
import type { Channel } from './channel.ts'
import { checkTellable } from './extension.ts'
import { MAX_DATA_LENGTH } from './frame.ts'
import type { RetryOptions } from './retry.ts'
import type { SubchannelOptions, SubchannelState } from './subchannel.ts'

/**
 * Nothing is wanted; a connection is being made; there is one; none could be made, and the next attempt is waited for;
 * closed. With several connections: the best of theirs.
 */
export type ChannelState = SubchannelState | 'shutdown'

export interface ChannelOptions {
  /**
   * The longest message in bytes, envelope included; 4 MiB by default, as everywhere in ttrpc. More can only be sent by
   * servers that know of the extension. A whole number from 1024 to 2^32 - 1.
   */
  maxMessageLength?: number | undefined
  /** How many bytes of one stream may have come and not been taken by its caller; 256 KiB by default. */
  windowLength?: number | undefined
  /** Whether to offer the extension (docs/protocol.md); true by default. */
  extension?: boolean | undefined
  /** How long a call may take that does not say so itself, in milliseconds; no limit by default. */
  timeoutMs?: number | undefined
  /**
   * `pickFirst`, the default, has one connection, to the first endpoint that answers. `roundRobin` has one to each, and
   * lets calls take turns.
   */
  policy?: 'pickFirst' | 'roundRobin' | undefined
  /**
   * True, the default: connects when the first call comes, and again when a call needs it. False: connects at once, and
   * again whenever the connection is lost.
   */
  lazy?: boolean | undefined
  /** How long an attempt with one endpoint may take, in milliseconds; 20,000 by default. */
  connectTimeoutMs?: number | undefined
  /** The waits between attempts; by default 100 ms, then 1.6 times as long each time, up to 30 s, give or take a fifth. */
  backoff?: BackoffOptions | undefined
  /** A connection that was lost sooner counts as a failed attempt, in milliseconds; 1,000 by default. */
  stableMs?: number | undefined
  /**
   * While calls wait and nothing has come from the server for so long (to one and a half times so long), in
   * milliseconds, it is asked for a sign of life; 30,000 by default, `Infinity` for never. A server without the
   * extension is asked by TCP.
   */
  keepaliveMs?: number | undefined
  /** How long it then has, in milliseconds, before the connection is given up; 10,000 by default. */
  keepaliveTimeoutMs?: number | undefined
  /** Whether it is asked also while there are no calls; false by default. */
  keepaliveIdle?: boolean | undefined
  /** Connections are closed when there was no call for so long, in milliseconds; 300,000 by default, `Infinity` unless {@link lazy}. */
  idleTimeoutMs?: number | undefined
  /** How many calls may wait for a connection; 10,000 by default. Those beyond fail with RESOURCE_EXHAUSTED. */
  maxQueuedCalls?: number | undefined
  /** For calls that may be repeated: methods that their .proto marks as idempotent, and calls that say so. */
  retry?: RetryOptions | undefined
  /** Whether connections keep the process alive also while there are no calls; false by default. */
  keepProcessAlive?: boolean | undefined
  /** Called at each change of `state`, with everything else up to date. */
  onStateChange?: ((state: ChannelState, channel: Channel) => void) | undefined
  /** An error that reaches nobody else. Printed to stderr by default. */
  onConnectionError?: ErrorHandler<Transport> | undefined
}

export interface ChannelCloseOptions extends WaitOptions {
  /** Calls that have not ended after so many milliseconds are aborted; no limit by default. */
  readonly graceMs?: number | undefined
}

const DEFAULT_BACKOFF: BackoffOptions = { initialDelayMs: 100, factor: 1.6, maxDelayMs: 30_000, jitter: 0.2 }

/** What a channel goes by: everything is said, and makes sense. */
export interface ChannelSettings {
  readonly roundRobin: boolean
  readonly lazy: boolean
  readonly timeoutMs: number
  readonly idleTimeoutMs: number
  readonly maxQueuedCalls: number
  readonly subchannel: SubchannelOptions
}

/** Throws a RangeError for numbers that make no sense. */
export function channelSettings(options: ChannelOptions): ChannelSettings {
  const { policy = 'pickFirst', lazy = true, onConnectionError } = options
  if (policy !== 'pickFirst' && policy !== 'roundRobin') {
    throw new TypeError(`policy must be pickFirst or roundRobin, not ${String(policy)}`)
  }
  const backoff = { ...DEFAULT_BACKOFF, ...options.backoff }
  void new Backoff(backoff)
  return {
    roundRobin: policy === 'roundRobin',
    lazy,
    timeoutMs: above0('timeoutMs', options.timeoutMs ?? Infinity),
    idleTimeoutMs: above0('idleTimeoutMs', options.idleTimeoutMs ?? (lazy ? 300_000 : Infinity)),
    maxQueuedCalls: from0('maxQueuedCalls', options.maxQueuedCalls ?? 10_000),
    subchannel: {
      connection: {
        ...checkTellable({
          maxMessageLength: options.maxMessageLength ?? MAX_DATA_LENGTH,
          windowLength: options.windowLength ?? 256 * 1024,
        }),
        extension: options.extension ?? true,
      },
      connectTimeoutMs: above0('connectTimeoutMs', options.connectTimeoutMs ?? 20_000),
      stableMs: from0('stableMs', options.stableMs ?? 1000),
      makeBackoff: () => new Backoff(backoff),
      keepaliveMs: above0('keepaliveMs', options.keepaliveMs ?? 30_000),
      keepaliveTimeoutMs: above0('keepaliveTimeoutMs', options.keepaliveTimeoutMs ?? 10_000),
      keepaliveIdle: options.keepaliveIdle ?? false,
      onConnectionError,
    },
  }
}

function above0(name: string, value: number): number {
  if (!(value > 0)) throw new RangeError(`${name} must be above 0, not ${value}`)
  return value
}

function from0(name: string, value: number): number {
  if (!(value >= 0)) throw new RangeError(`${name} must be 0 at least, not ${value}`)
  return value
}
