// RESP2, the wire of Redis: a request is an array of words, or a line of them; a reply is a value of one of five types.
// Words are strings of one character per byte: any bytes at all, good as keys, and independent of the chunks they came in.
import { InvalidFrameError, type StreamReader, type StreamReaderOptions } from 'millrace'
import type { StreamReaderProtocol, Transport } from 'millrace'
import { FramedReader, FramedWriter, type ByteQueue, type Decoder, type Encoder } from 'millrace/framing'

const MOST_WORDS = 1024 * 1024
/** 512 MB, less what a string of V8 is short of it. */
const MOST_WORD_BYTES = 512 * 1024 * 1024 - 24
const MOST_REQUEST_BYTES = 1024 * 1024 * 1024
const MOST_INLINE_BYTES = 64 * 1024
const [CR, LINE_FEED, DOLLAR, STAR, MINUS, ZERO] = [0x0d, Uint8Array.of(0x0a), 0x24, 0x2a, 0x2d, 0x30]

/** A reply of one line that is no bulk: `+OK`, `*-1`. */
export class Line {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** What a command answers, or throws, when it cannot do as it was told: `ERR no such thing`. */
export class ReplyError extends Error {}

export type Reply = string | number | bigint | null | Line | ReplyError | readonly Reply[]

/** The bytes are no request: the connection is of no use any more. */
export class ProtocolError extends InvalidFrameError {
  readonly reply: ReplyError

  constructor(reason: string) {
    super(reason)
    this.reply = new ReplyError(`ERR Protocol error: ${reason}`)
  }
}

/**
 * Finds requests. It remembers how far it has come in one that is not all there, so that a request of a million words
 * in a thousand chunks is looked at once; the bytes stay in the queue until the last one has come.
 */
export class RequestDecoder implements Decoder<string[]> {
  #revision = -1
  #words: string[] = []
  #left = 0
  /** Up to here the queue has been looked at. */
  #place = 0
  /** Behind the line of the last number. */
  #lineEnd = 0

  clone(): RequestDecoder {
    return new RequestDecoder()
  }

  decode(input: ByteQueue): string[] | undefined {
    if (input.revision !== this.#revision) this.#restart(input)
    while (this.#left === 0) {
      if (input.length === 0) return undefined
      if (input.at(0) !== STAR) {
        const words = this.#inline(input)
        if (words?.length !== 0) return words
        continue
      }
      const count = this.#number(input, 1)
      if (count === undefined) return undefined
      if (!(count <= MOST_WORDS)) throw new ProtocolError('invalid multibulk length')
      this.#place = this.#lineEnd
      if (count > 0) this.#left = count
      else this.#take(input)
    }
    for (; this.#left > 0; this.#left--) {
      const word = this.#word(input)
      if (word === undefined) return undefined
      this.#words.push(word)
    }
    return this.#take(input)
  }

  #word(input: ByteQueue): string | undefined {
    if (this.#place >= input.length) return undefined
    const mark = input.at(this.#place)
    if (mark !== DOLLAR) throw new ProtocolError(`expected '$', got '${String.fromCharCode(mark)}'`)
    const length = this.#number(input, this.#place + 1)
    if (length === undefined) return undefined
    const start = this.#lineEnd
    if (!(length >= 0 && length <= MOST_WORD_BYTES && start + length <= MOST_REQUEST_BYTES)) {
      throw new ProtocolError('invalid bulk length')
    }
    if (input.length < start + length + 2) return undefined
    this.#place = start + length + 2
    return input.latin1(start, length)
  }

  /** A line as somebody types it; quotes are not understood. */
  #inline(input: ByteQueue): string[] | undefined {
    const end = input.indexOf(LINE_FEED, this.#place)
    this.#place = end === -1 ? input.length : end + 1
    if (this.#place > MOST_INLINE_BYTES) throw new ProtocolError('too big inline request')
    if (end === -1) return undefined
    this.#words = input.latin1(0, end).match(/[^ \t\r]+/g) ?? []
    return this.#take(input)
  }

  /** The number on the line at `index`: NaN if there is none, or one that is over any limit. */
  #number(input: ByteQueue, index: number): number | undefined {
    const { length } = input
    const negative = index < length && input.at(index) === MINUS
    const first = negative ? index + 1 : index
    let value = 0
    for (let i = first; i < length; i++) {
      const byte = input.at(i)
      if (byte === CR && i > first) {
        this.#lineEnd = i + 2
        if (this.#lineEnd > length) return undefined
        return negative ? -value : value
      }
      const digit = byte - ZERO
      const leadingZero = value === 0 && i > first
      if (!(digit >= 0 && digit <= 9) || leadingZero || i - first > 9) return NaN
      value = value * 10 + digit
    }
    return undefined
  }

  #take(input: ByteQueue): string[] {
    const words = this.#words
    input.skip(this.#place)
    this.#restart(input)
    return words
  }

  #restart(input: ByteQueue): void {
    this.#revision = input.revision
    this.#words = []
    this.#left = 0
    this.#place = 0
  }
}

export const replies: Encoder<Reply> = {
  encode(reply, out) {
    if (typeof reply === 'string') {
      out.latin1(`$${reply.length}\r\n`)
      out.latin1(reply)
      out.latin1('\r\n')
    } else if (reply === null) out.latin1('$-1\r\n')
    else if (typeof reply === 'number' || typeof reply === 'bigint') out.latin1(`:${reply}\r\n`)
    else if (reply instanceof Line) {
      out.latin1(reply.text)
      out.latin1('\r\n')
    } else if (reply instanceof ReplyError) out.latin1(`-${reply.message.replace(/[\r\n]/g, ' ')}\r\n`)
    else {
      out.latin1(`*${reply.length}\r\n`)
      for (const each of reply) this.encode(each, out)
    }
  },
}

/** Reads requests. */
export class RespReader extends FramedReader<string[]> {
  constructor(options?: StreamReaderOptions) {
    super(new RequestDecoder(), options)
  }
}

/** Writes replies. */
export class RespWriter extends FramedWriter<Reply> {
  constructor(transport: Transport, protocol: StreamReaderProtocol, reader: StreamReader<unknown>) {
    super(replies, transport, protocol, reader)
  }
}
