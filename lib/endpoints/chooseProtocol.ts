import { clock, type Timer } from '../clock.ts'
import { IncompleteReadError, LimitOverrunError, TimeoutError } from '../errors.ts'
import { isBuffered, type AnyProtocol, type Protocol } from '../protocol.ts'
import { peerOf, type Transport } from '../transport.ts'
import { deliverBuffered } from '../transports/deliverBuffered.ts'

export interface ChooseProtocolOptions {
  /** The most bytes that may be needed; 4,096 by default. */
  maxBytes?: number | undefined
  /** How long it may take until the choice is made, in milliseconds; 10,000 by default, `Infinity` for no limit. */
  timeoutMs?: number | undefined
}

const DEFAULT_MAX_BYTES = 4096
const DEFAULT_TIMEOUT_MS = 10_000

/**
 * A protocol that looks at the first bytes and then hands the connection to another: HTTP and something else on one
 * port, versions of a protocol.
 *
 * ```ts
 * createServer(() => chooseProtocol((bytes) => (bytes[0] === 0x7b ? new Json() : new Binary())), { port })
 * ```
 *
 * `decide` is shown all bytes so far, again whenever some have come, until it returns a protocol, an instance for this
 * connection; `undefined` asks for more. That protocol gets `connectionMade`, then the very same bytes, as soon as it
 * reads, then all the rest. Nothing can be sent before the choice, so this is not for protocols in which the server
 * speaks first.
 *
 * The connection is closed by force, and the error reported, if `decide` throws, or does not decide within `maxBytes`
 * (LimitOverrunError), before the stream ends ({@link IncompleteReadError}; a peer that sends nothing at all may go
 * quietly), or in time ({@link TimeoutError}). Throws a RangeError for limits that are not above 0.
 */
export function chooseProtocol(
  decide: (bytes: Buffer) => AnyProtocol | undefined,
  { maxBytes = DEFAULT_MAX_BYTES, timeoutMs = DEFAULT_TIMEOUT_MS }: ChooseProtocolOptions = {},
): Partial<Protocol> {
  if (!(maxBytes > 0)) throw new RangeError(`maxBytes must be above 0, not ${maxBytes}`)
  if (!(timeoutMs > 0)) throw new RangeError(`timeoutMs must be above 0, not ${timeoutMs}`)
  let transport: Transport
  let timer: Timer | undefined
  let gathered: Buffer = Buffer.alloc(0)
  const late = (): void => {
    const what = `the choice of a protocol for ${peerOf(transport)} (${gathered.length} bytes so far)`
    fail(transport, new TimeoutError(what, timeoutMs))
  }
  return {
    connectionMade(made) {
      transport = made
      timer = clock.setTimeout(late, timeoutMs)
    },
    dataReceived(data) {
      gathered = gathered.length === 0 ? data : Buffer.concat([gathered, data])
      const protocol = decide(gathered)
      if (protocol === undefined) {
        if (gathered.length < maxBytes) return
        const message = `the first ${gathered.length} bytes from ${peerOf(transport)} do not tell the protocol`
        throw new LimitOverrunError(message, gathered.length, maxBytes)
      }
      clock.clearTimeout(timer)
      transport.setProtocol(protocol)
      ;(protocol as Partial<Protocol>).connectionMade?.(transport)
      deliver(transport, gathered)
    },
    eofReceived() {
      if (gathered.length > 0) throw new IncompleteReadError(gathered, null, peerOf(transport))
    },
    connectionLost() {
      clock.clearTimeout(timer)
    },
  }
}

/** Gives bytes to the protocol, as the transport would; what it does not want yet it gets when it reads again. */
function deliver(transport: Transport, bytes: Buffer): void {
  if (transport.isClosing()) return
  if (!transport.isReading()) return keep(transport, bytes)
  const protocol = transport.getProtocol()
  if (!isBuffered(protocol)) return (protocol as Partial<Protocol>).dataReceived?.(bytes)
  const rest = deliverBuffered(transport, bytes)
  if (rest !== undefined) keep(transport, rest)
}

/**
 * A transport cannot take bytes back; but only `resumeReading()` makes it deliver more. So that is caught, once, and
 * the bytes are delivered first.
 */
function keep(transport: Transport, bytes: Buffer): void {
  transport.resumeReading = () => {
    delete (transport as Partial<Transport>).resumeReading
    process.nextTick(() => {
      try {
        deliver(transport, bytes)
      } catch (error) {
        fail(transport, error)
      }
    })
    transport.resumeReading()
  }
}

/** Ends a connection as if the protocol had thrown inside a callback of the transport, which alone knows who is told. */
function fail(transport: Transport, error: unknown): void {
  const protocol = transport.getProtocol()
  transport.setProtocol({
    connectionLost() {
      protocol.connectionLost?.(error as Error)
      throw error
    },
  })
  transport.abort()
}
