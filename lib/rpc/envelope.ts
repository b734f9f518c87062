/**
 * What Request, Response and Metadata frames hold (docs/protocol.md), encoded and decoded by hand: the constant parts
 * of a method are made once, and what a frame has in common with the one before is compared, not decoded.
 *
 *     Request  { string service = 1; string method = 2; bytes payload = 3; int64 timeout_nano = 4; repeated KeyValue metadata = 5 }
 *     Response { Status status = 1; bytes payload = 2; repeated KeyValue header = 101; repeated KeyValue trailer = 102 }
 *     Status   { int32 code = 1; string message = 2; repeated Any details = 3 }      google.rpc.Status
 *     KeyValue { string key = 1; string value = 2 }
 */
import { allocate } from '../bytes/allocate.ts'
import { OutgoingBuffer } from '../bytes/outgoingBuffer.ts'
import {
  appendField,
  appendFieldHead,
  encodeText,
  fieldLength,
  FieldReader,
  putField,
  putVarint,
  varintLength,
} from './protoFields.ts'
import type { Any } from './rpcError.ts'

const tag = (field: number): number => field * 8 + 2

export const REQUEST_PAYLOAD_TAG = tag(3)
export const TIMEOUT_TAG = 4 * 8
const REQUEST_METADATA_TAG = tag(5)
export const RESPONSE_PAYLOAD_TAG = tag(2)
const STATUS_TAG = tag(1)
const HEADER_TAG = tag(101)
const TRAILER_TAG = tag(102)

export type KeyValues = Iterable<readonly [key: string, value: string]>

const NOTHING = allocate(0)

/** The fields of a Request that tell the method. */
export function encodeMethod(service: string, method: string): Uint8Array {
  const out = new OutgoingBuffer()
  appendField(out, tag(1), encodeText(service))
  appendField(out, tag(2), encodeText(method))
  return out.takeCopy()
}

/** Metadata as they stand in a Request, and in a Metadata frame. */
export function encodeMetadata(pairs: KeyValues): Uint8Array {
  return encodePairs(pairs, REQUEST_METADATA_TAG)
}

/** Headers and trailers as they stand in a Response. */
export function encodeResponseMetadata(header: KeyValues | undefined, trailer: KeyValues | undefined): Uint8Array {
  if (header === undefined && trailer === undefined) return NOTHING
  const parts = [encodePairs(header ?? [], HEADER_TAG), encodePairs(trailer ?? [], TRAILER_TAG)]
  const out = new OutgoingBuffer()
  for (const part of parts) out.append(part)
  return out.takeCopy()
}

function encodePairs(pairs: KeyValues, fieldTag: number): Uint8Array {
  const texts: Uint8Array[] = []
  let length = 0
  for (const [key, value] of pairs) {
    const keyBytes = encodeText(key)
    const valueBytes = encodeText(value)
    texts.push(keyBytes, valueBytes)
    length += fieldLength(fieldLength(keyBytes.length) + fieldLength(valueBytes.length), varintLength(fieldTag))
  }
  const bytes = new Uint8Array(length)
  let place = 0
  for (let i = 0; i < texts.length; i += 2) {
    const key = texts[i]!
    const value = texts[i + 1]!
    place = putVarint(bytes, place, fieldTag)
    place = putVarint(bytes, place, fieldLength(key.length) + fieldLength(value.length))
    place = putField(bytes, place, tag(1), key)
    place = putField(bytes, place, tag(2), value)
  }
  return bytes
}

/** The field of a Response that tells how the call has failed. */
export function encodeStatus(code: number, message: string, details: readonly Any[]): Uint8Array {
  const status = new OutgoingBuffer()
  if (code !== 0) {
    appendFieldHead(status, 8, code)
  }
  if (message !== '') appendField(status, tag(2), encodeText(message))
  for (const { typeUrl, value } of details) {
    const url = encodeText(typeUrl)
    appendFieldHead(status, tag(3), fieldLength(url.length) + fieldLength(value.length))
    appendField(status, tag(1), url)
    appendField(status, tag(2), value)
  }
  const out = new OutgoingBuffer()
  appendField(out, STATUS_TAG, status.takeCopy())
  return out.takeCopy()
}

/** A Request, read into the same object again and again. The payload is `bytes[payloadStart, payloadEnd)`. */
export class RequestEnvelope {
  service = ''
  method = ''
  payloadStart = 0
  payloadEnd = 0
  /** In nanoseconds; 0 for none, negative when it has expired. */
  timeoutNano = 0
  metadata: [key: string, value: string][] | undefined
  /** What the last Request said of its service and method, as bytes. */
  #last: Uint8Array = NOTHING
  readonly #fields = new FieldReader(NOTHING, 0, 0)

  /**
   * Returns whether service and method are those of the last Request: then they were not decoded again. Throws
   * {@link InvalidFrameError}.
   */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    const last = this.#last
    let same = last.length > 0 && last.length <= end - start
    for (let i = 0; same && i < last.length; i++) same = bytes[start + i] === last[i]
    this.payloadStart = this.payloadEnd = this.timeoutNano = 0
    this.metadata = undefined
    if (!same) {
      this.service = this.method = ''
      this.#last = NOTHING
    }
    const fields = this.#fields.reset(bytes, same ? start + last.length : start, end)
    // Where the fields that name the method end, if they come first and in order, as all peers write them.
    let named = same ? fields.place : start
    let canCompare = true
    while (fields.place < end) {
      const before = fields.place
      const field = fields.varint()
      if (field === REQUEST_PAYLOAD_TAG) {
        const length = fields.length()
        this.payloadStart = fields.place
        this.payloadEnd = fields.place += length
      } else if (field === TIMEOUT_TAG) {
        this.timeoutNano = fields.int64()
      } else if (field === REQUEST_METADATA_TAG) {
        readPair(fields, (this.metadata ??= []))
      } else if (field === tag(1) || field === tag(2)) {
        canCompare &&= before === named && !same
        if (field === tag(1)) this.service = fields.text()
        else this.method = fields.text()
        named = fields.place
      } else {
        fields.skip(field)
      }
    }
    if (!canCompare) this.#last = NOTHING
    else if (!same && this.service !== '' && this.method !== '') this.#last = bytes.slice(start, named)
    return same && canCompare
  }
}

/** A Response, read into the same object again and again. The payload is `bytes[payloadStart, payloadEnd)`. */
export class ResponseEnvelope {
  hasPayload = false
  payloadStart = 0
  payloadEnd = 0
  /** 0 for success. */
  code = 0
  message = ''
  details: Any[] | undefined
  header: [key: string, value: string][] | undefined
  trailer: [key: string, value: string][] | undefined
  readonly #fields = new FieldReader(NOTHING, 0, 0)

  clear(): void {
    this.hasPayload = false
    this.payloadStart = this.payloadEnd = this.code = 0
    this.message = ''
    this.details = this.header = this.trailer = undefined
  }

  /** Throws {@link InvalidFrameError}. */
  read(bytes: Uint8Array, start: number, end: number): void {
    this.clear()
    const fields = this.#fields.reset(bytes, start, end)
    while (fields.place < end) {
      const field = fields.varint()
      if (field === RESPONSE_PAYLOAD_TAG) {
        const length = fields.length()
        this.hasPayload = true
        this.payloadStart = fields.place
        this.payloadEnd = fields.place += length
      } else if (field === STATUS_TAG) {
        this.#readStatus(within(fields))
      } else if (field === HEADER_TAG) {
        readPair(fields, (this.header ??= []))
      } else if (field === TRAILER_TAG) {
        readPair(fields, (this.trailer ??= []))
      } else {
        fields.skip(field)
      }
    }
  }

  #readStatus(fields: FieldReader): void {
    while (fields.place < fields.end) {
      const field = fields.varint()
      if (field === 8) this.code = fields.int64()
      else if (field === tag(2)) this.message = fields.text()
      else if (field === tag(3)) (this.details ??= []).push(readAny(within(fields)))
      else fields.skip(field)
    }
  }
}

/** The body of a Metadata frame. */
export function readMetadata(bytes: Uint8Array, start: number, end: number): [key: string, value: string][] {
  const fields = new FieldReader(bytes, start, end)
  const pairs: [string, string][] = []
  while (fields.place < end) {
    const field = fields.varint()
    if (field === REQUEST_METADATA_TAG) readPair(fields, pairs)
    else fields.skip(field)
  }
  return pairs
}

/** Another reader, for the message that is the value of a field. */
function within(fields: FieldReader): FieldReader {
  const length = fields.length()
  const start = fields.place
  fields.place += length
  return new FieldReader(fields.bytes, start, fields.place)
}

/** Adds a pair to those that came before; without a key it is none. With the same reader: metadata come with many calls. */
function readPair(fields: FieldReader, pairs: [key: string, value: string][]): void {
  const outerEnd = fields.end
  const length = fields.length()
  fields.end = fields.place + length
  let key = ''
  let value = ''
  while (fields.place < fields.end) {
    const field = fields.varint()
    if (field === tag(1)) key = fields.text()
    else if (field === tag(2)) value = fields.text()
    else fields.skip(field)
  }
  fields.end = outerEnd
  if (key !== '') pairs.push([key, value])
}

function readAny(fields: FieldReader): Any {
  let typeUrl = ''
  let value = NOTHING
  while (fields.place < fields.end) {
    const field = fields.varint()
    if (field === tag(1)) typeUrl = fields.text()
    else if (field === tag(2)) value = fields.view().slice()
    else fields.skip(field)
  }
  return { typeUrl, value }
}
