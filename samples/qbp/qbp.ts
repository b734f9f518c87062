// The wire of the Qbp chat: which message has which number, and the reader and writer that speak it.
import { typedEnvelope, type Envelope, type EnvelopeInput } from 'millrace/protobuf'
import { framed } from 'millrace/framing'
import { qbp } from './messages.js'

const types = {
  hello: { id: 1, type: qbp.Hello, maxLength: 256 },
  welcome: { id: 2, type: qbp.Welcome },
  join: { id: 3, type: qbp.Join, maxLength: 256 },
  joined: { id: 4, type: qbp.Joined },
  leave: { id: 5, type: qbp.Leave, maxLength: 256 },
  say: { id: 6, type: qbp.Say, maxLength: 4096 },
  said: { id: 7, type: qbp.Said },
  refused: { id: 8, type: qbp.Refused },
  bye: { id: 9, type: qbp.Bye, maxLength: 0 },
  goodbye: { id: 10, type: qbp.Goodbye },
} as const

export type Incoming = Envelope<typeof types>
export type Outgoing = EnvelopeInput<typeof types>

/** Type id of two bytes, length of four, body. The longest is joined: fifty lines of 4 KiB, and the members' names. */
export const qbpCodec = typedEnvelope(types, { maxMessageLength: 512 * 1024 })
/** To be spread into the options of startServer and openConnection. */
export const qbpStreams = framed(qbpCodec)
export type QbpReader = ReturnType<typeof qbpStreams.reader>
export type QbpWriter = ReturnType<typeof qbpStreams.writer>
