/**
 * What two peers of millrace agree on beyond plain ttrpc, and how they find out that they can (docs/protocol.md, "The
 * extension"). A client offers it in the metadata of its first Request; a server that knows it answers with a Hello.
 * Both say the same thing, as text: `1;cancel,window,ping;window=262144;max=4194304`.
 */
import { MAX_DATA_LENGTH } from './frame.ts'

/** The key of the metadata that offer the extension. Handlers do not see it. */
export const EXTENSION_KEY = 'millrace-ext'
const VERSION = '1'
/** No end may take less in a frame. */
const LEAST_DATA_LENGTH = 1024
const MOST = 2 ** 32 - 1
/** A peer could make us take millions of names apart. */
const LONGEST_OFFER = 1024

const FEATURES = ['cancel', 'window', 'ping', 'goaway', 'trailers', 'large'] as const
export type Feature = (typeof FEATURES)[number]

/** What one side says of itself. */
export interface Extension {
  readonly features: ReadonlySet<string>
  /** Bytes per stream that it takes before it says more: each Data frame costs its data and its header. */
  readonly window: number
  /** The longest frame data that it takes. */
  readonly maxDataLength: number
}

/** What both sides can do. */
export function agree(ours: Extension, theirs: Extension): Extension {
  const features = new Set([...ours.features].filter((feature) => theirs.features.has(feature)))
  const maxDataLength = features.has('large') ? theirs.maxDataLength : Math.min(theirs.maxDataLength, MAX_DATA_LENGTH)
  return { features, window: features.has('window') ? theirs.window : Infinity, maxDataLength }
}

interface Told {
  readonly windowLength: number
  readonly maxMessageLength: number
}

/** Returns options of ours; throws a RangeError for those that the other side would take for nonsense. */
export function checkTellable<T extends Told>(options: T): T {
  const check = (name: keyof Told, least: number): void => {
    const value = options[name]
    if (isTellable(value, least)) return
    throw new RangeError(`${name} must be a whole number from ${least} to ${MOST}, not ${value}`)
  }
  check('windowLength', 1)
  check('maxMessageLength', LEAST_DATA_LENGTH)
  return options
}

const isTellable = (value: number, least: number): boolean => Number.isInteger(value) && value >= least && value <= MOST

export function ourExtension(window: number, maxDataLength: number): Extension {
  return { features: new Set(FEATURES), window, maxDataLength }
}

export function formatExtension({ features, window, maxDataLength }: Extension): string {
  return `${VERSION};${[...features].join(',')};window=${window};max=${maxDataLength}`
}

/** `undefined` for what is none of version 1, or makes no sense. */
export function parseExtension(text: string): Extension | undefined {
  if (text.length > LONGEST_OFFER) return undefined
  const [version, features = '', ...parameters] = text.split(';')
  if (version !== VERSION) return undefined
  const values = new Map(
    parameters.map((parameter) => {
      const [name = '', value = ''] = parameter.split('=')
      return [name, /^\d{1,10}$/.test(value) ? Number(value) : NaN] as const
    }),
  )
  const window = values.get('window') ?? 0
  const maxDataLength = values.get('max') ?? MAX_DATA_LENGTH
  if (!isTellable(window, 1) || !isTellable(maxDataLength, LEAST_DATA_LENGTH)) return undefined
  return { features: new Set(features.split(',')), window, maxDataLength }
}
