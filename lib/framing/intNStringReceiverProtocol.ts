import type { Codec } from './codec.ts'
import { FramedProtocol } from './framedProtocol.ts'
import { lengthPrefixed } from './lengthPrefixed.ts'

const WIDTHS: Record<string, number> = { B: 1, H: 2, I: 4, L: 4, Q: 8 }

/**
 * Strings behind a length of fixed width. A subclass says which by `prefixFormat`, in the letters of Python's
 * `struct`: `<` or `>` (also `!`) for the byte order, then `B`, `H`, `L` (or `I`), `Q` for 1, 2, 4, 8 bytes; and it
 * overrides {@link stringReceived}. (After the class of that name in Eli Bendersky's python3-samples, and Twisted's.)
 */
export abstract class IntNStringReceiverProtocol extends FramedProtocol<Uint8Array, Uint8Array | string> {
  /** For example `'<L'`: four bytes, little-endian. */
  abstract readonly prefixFormat: string
  /** The longest string that is accepted, and sent, in bytes. */
  readonly maxLength: number = 99_999

  /** A string has come, whole; an empty one too. */
  abstract stringReceived(string: Buffer): void

  /** Sends a string; text goes as UTF-8. Throws `FrameTooLargeError` above `maxLength`, and sends nothing. */
  sendString(string: Uint8Array | string): void {
    this.sendMessage(string)
  }

  override messageReceived(message: Uint8Array): void {
    this.stringReceived(message as Buffer)
  }

  // Not in the constructor: the subclass's prefixFormat is only there after it.
  protected override createCodec(): Codec<Uint8Array, Uint8Array | string> {
    const [, order, letter] = /^([<>!])([BHILQ])$/.exec(this.prefixFormat) ?? []
    if (letter === undefined) throw new TypeError(`prefixFormat '${this.prefixFormat}' is not like '<L' or '>H'`)
    return lengthPrefixed({
      lengthFieldLength: WIDTHS[letter],
      littleEndian: order === '<',
      maxFrameLength: this.maxLength,
    })
  }
}

/** Strings behind one byte of length. (Twisted: `Int8StringReceiver`.) */
export abstract class Int8StringReceiverProtocol extends IntNStringReceiverProtocol {
  readonly prefixFormat: string = '>B'
}

/** Strings behind two bytes of length, big-endian. (Twisted: `Int16StringReceiver`.) */
export abstract class Int16StringReceiverProtocol extends IntNStringReceiverProtocol {
  readonly prefixFormat: string = '>H'
}

/** Strings behind four bytes of length, big-endian. (Twisted: `Int32StringReceiver`.) */
export abstract class Int32StringReceiverProtocol extends IntNStringReceiverProtocol {
  readonly prefixFormat: string = '>L'
}
