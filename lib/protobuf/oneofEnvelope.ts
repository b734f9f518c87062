import { UnknownTypeError } from '../errors.ts'
import type { Codec } from '../framing/codec.ts'
import { mapCodec } from '../framing/mapCodec.ts'
import { nameOf, type MessageType } from './messageType.ts'
import { protobuf, type ProtobufOptions } from './protobufCodec.ts'
import type { UnknownTypePolicy } from './typedEnvelope.ts'

/** A decoded envelope: which case of the `oneof` was set, the message in it, and all the fields beside it. */
export type OneofEnvelope<E, K extends keyof E> = {
  [C in K]: { readonly type: C; readonly message: NonNullable<E[C]>; readonly envelope: E }
}[K]

/** What may be encoded: the case, its message, and fields beside it if there are any. */
export type OneofInput<I, K extends keyof I> = {
  [C in K]: { readonly type: C; readonly message: NonNullable<I[C]>; readonly envelope?: Partial<I> | undefined }
}[K]

/** An envelope in which no known case is set. */
export interface EmptyEnvelope<E> {
  readonly type: null
  readonly envelope: E
}

export interface OneofEnvelopeOptions<U extends UnknownTypePolicy = UnknownTypePolicy> extends ProtobufOptions {
  /**
   * What becomes of an envelope in which no known case is set, as when the peer knows more of them: `'error'` (the
   * default) ends the stream with {@link UnknownTypeError}, `'skip'` drops it, `'raw'` delivers it with `type: null`.
   */
  unknownType?: U | undefined
}

/**
 * A codec for an envelope message whose `oneof` holds one of several messages: `message Envelope { uint32 id = 1;
 * oneof body { Hello hello = 2; Say say = 3; } }` with `cases` `['hello', 'say']`. Framed like {@link protobuf}.
 */
export function oneofEnvelope<
  E extends object,
  I extends object,
  const K extends string & keyof E & keyof I,
  U extends UnknownTypePolicy = 'error',
>(
  type: MessageType<E, I>,
  cases: readonly K[],
  options: OneofEnvelopeOptions<U> = {},
): Codec<OneofEnvelope<E, K> | (U extends 'raw' ? EmptyEnvelope<E> : never), OneofInput<I, K>> {
  const policy: UnknownTypePolicy = options.unknownType ?? 'error'
  return mapCodec<E, I, OneofEnvelope<E, K> | (U extends 'raw' ? EmptyEnvelope<E> : never), OneofInput<I, K>>(
    protobuf(type, options),
    {
      name: nameOf(type),
      decode(envelope, size) {
        // A case that is not set may still have a default, on the prototype.
        const found = cases.find((name) => Object.hasOwn(envelope, name) && (envelope[name] ?? null) !== null)
        if (found !== undefined) return { type: found, message: envelope[found], envelope } as never
        if (policy === 'error') throw new UnknownTypeError(`${nameOf(type)} without a known case`, size)
        return policy === 'raw' ? ({ type: null, envelope } as never) : undefined
      },
      encode: ({ type: name, message, envelope }) => ({ ...envelope, [name]: message }) as unknown as I,
    },
  )
}
