import { InvalidStateError } from '../errors.ts'
import type { Codec, Source } from './codec.ts'
import { FramedProtocol } from './framedProtocol.ts'
import { lengthPrefixed } from './lengthPrefixed.ts'

/** The handlers that a {@link StatefulStringProtocol} with these states has to have. */
export type StateHandlers<State extends string, In = Uint8Array> = {
  [K in State as `proto_${K}`]: (string: In) => State | 'done'
}

/**
 * A protocol that is in one state at a time, in which one method handles what comes: `proto_<state>`. It returns the
 * next state; `'done'` closes the connection, after what was sent. To have the compiler look for missing handlers:
 *
 * ```ts
 * class Login
 *   extends StatefulStringProtocol<'user' | 'password'>
 *   implements StateHandlers<'user' | 'password'>
 * {
 *   override state: 'user' | 'password' | 'done' = 'user'
 *   proto_user(name: Uint8Array) { … return 'password' as const }
 *   proto_password(word: Uint8Array) { … return 'done' as const }
 * }
 * ```
 *
 * A state without a handler is fatal: an {@link InvalidStateError} for the string that comes in it. What a handler
 * throws is fatal too, and the state stays. Any codec may be given to the constructor; without one, strings come behind
 * four bytes of length, big-endian, and are at most 99,999 bytes long, as Twisted's `Int32StringReceiver` has them.
 * (Twisted: `StatefulStringProtocol`.)
 */
export abstract class StatefulStringProtocol<
  State extends string,
  In = Uint8Array,
  Out = Uint8Array | string,
> extends FramedProtocol<In, Out> {
  /** The state that the next string is for; the first one is set by the subclass. */
  abstract state: State | 'done'

  /** Without a codec `In` and `Out` must be left as they are. */
  constructor(codec?: Source<Codec<In, Out>>) {
    super(codec ?? (lengthPrefixed({ maxFrameLength: 99_999 }) as unknown as Codec<In, Out>))
  }

  /** Sends a string; what is no bytes goes as the codec puts it. */
  sendString(string: Out): void {
    this.sendMessage(string)
  }

  override messageReceived(message: In): void {
    const handler = (this as unknown as Record<string, ((string: In) => State | 'done') | undefined>)[
      `proto_${this.state}`
    ]
    if (typeof handler !== 'function') {
      throw new InvalidStateError(`${this.constructor.name} has no handler proto_${this.state}()`)
    }
    this.state = handler.call(this, message)
    if (this.state === 'done') this.transport.close()
  }
}
