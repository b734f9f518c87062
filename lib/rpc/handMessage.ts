/** Message types written by hand, for the few services of our own: protobufjs is not loaded for them. */
import { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import { messageType, type MessageType } from '../protobuf/messageType.ts'
import { appendField, appendFieldHead, encodeText, FieldReader, LENGTH_DELIMITED, VARINT } from './protoFields.ts'

/** The kinds of fields that are needed; an enum is the list of its names, from 0 on. */
type Kind = 'string' | 'bytes' | 'int32' | readonly string[] | MessageType<unknown, never>

export interface HandField<T> {
  readonly number: number
  readonly name: keyof T & string
  readonly kind: Kind
  /** Or `optional`: undefined if it is not there, as in a oneof. Otherwise it has its default then. */
  readonly presence?: 'repeated' | 'optional'
}

/** The type of a message with these fields, with numbers below 16. Others that come are passed over. */
export function handMessage<T extends object>(
  name: string,
  fields: readonly HandField<T>[],
): MessageType<T> & { name: string } {
  const byTag = new Map(fields.map((field) => [tagOf(field), field]))
  return messageType<T>({
    name,
    encode: (message) => {
      const out = new OutgoingBuffer()
      for (const field of fields) {
        const value: unknown = message[field.name]
        if (field.presence === 'repeated') for (const each of (value ?? []) as unknown[]) append(out, field, each)
        else if (value !== undefined) append(out, field, value)
      }
      return out.takeCopy()
    },
    decode: (bytes) => {
      const message: Record<string, unknown> = {}
      for (const { name: key, kind, presence } of fields) {
        if (presence === 'repeated') message[key] = []
        else if (presence === undefined) message[key] = defaultOf(kind)
      }
      for (const reader = new FieldReader(bytes, 0, bytes.length); reader.place < reader.end;) {
        const tag = reader.varint()
        const field = byTag.get(tag)
        if (field === undefined) {
          reader.skip(tag)
          continue
        }
        const value = read(reader, field.kind)
        if (field.presence === 'repeated') (message[field.name] as unknown[]).push(value)
        else message[field.name] = value
      }
      return message as T
    },
  })
}

const isNumber = (kind: Kind): boolean => kind === 'int32' || Array.isArray(kind)

const tagOf = ({ number, kind }: { number: number; kind: Kind }): number =>
  number * 8 + (isNumber(kind) ? VARINT : LENGTH_DELIMITED)

function append(out: OutgoingBuffer, field: { number: number; kind: Kind }, value: unknown): void {
  const { kind } = field
  const tag = tagOf(field)
  // What is negative has 64 bits elsewhere; all readers take the lowest 32.
  if (kind === 'int32') appendFieldHead(out, tag, (value as number) >>> 0)
  else if (kind === 'string') appendField(out, tag, encodeText(value as string))
  else if (kind === 'bytes') appendField(out, tag, value as Uint8Array)
  else if ('encode' in kind) appendField(out, tag, kind.encode(value as never).finish())
  else appendFieldHead(out, tag, kind.indexOf(value as string))
}

function read(reader: FieldReader, kind: Kind): unknown {
  if (kind === 'int32') return reader.int64() | 0
  if (kind === 'string') return reader.text()
  if (kind === 'bytes') return reader.view()
  if ('encode' in kind) return kind.decode(reader.view())
  return kind[reader.varint()] ?? kind[0]
}

function defaultOf(kind: Kind): unknown {
  if (kind === 'string') return ''
  if (kind === 'int32') return 0
  return Array.isArray(kind) ? kind[0] : undefined
}
