/**
 * What two peers of millrace agree on beyond plain ttrpc, and how they find out that they can (docs/protocol.md, "The
 * extension"). A client offers it in the metadata of its first Request; a server that knows it answers with a Hello.
 * Both say the same thing, as text: `1;cancel,window,ping;window=262144;max=4194304`.
 */
import { MAX_DATA_LENGTH } from './frame.ts'

/** The key of the metadata that offer the extension. Handlers do not see it. */
export const EXTENSION_KEY = 'millrace-ext'
const VERSION = '1'

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

export function ourExtension(window: number, maxDataLength: number): Extension {
  return { features: new Set(FEATURES), window, maxDataLength }
}

export function formatExtension({ features, window, maxDataLength }: Extension): string {
  return `${VERSION};${[...features].join(',')};window=${window};max=${maxDataLength}`
}

/** `undefined` for what is none of version 1, or makes no sense. */
export function parseExtension(text: string): Extension | undefined {
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
  if (!(window > 0 && window < 2 ** 32) || !(maxDataLength >= 1024 && maxDataLength < 2 ** 32)) return undefined
  return { features: new Set(features.split(',')), window, maxDataLength }
}
