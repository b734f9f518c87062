/**
 * The channels of framed messages, as a slot: framing must also run where there is no node:diagnostics_channel, so it
 * publishes through here, and `diagnostics.ts`, which every transport of Node's loads, puts the real channels in.
 */

/** The message on `millrace:frame:in` and `millrace:frame:out`. */
export interface FrameEvent {
  /** The connection: `transport.id`, `transport`, and the name of its other end. */
  readonly id: number
  readonly transport: object
  readonly peer: string
  /** Bytes of the frame, its header included. */
  readonly size: number
}

/** What framing needs of a channel. */
export interface FrameChannel {
  readonly hasSubscribers: boolean
  publish(event: FrameEvent): void
}

const silent: FrameChannel = { hasSubscribers: false, publish() {} }

/** A message was decoded. To be asked for `hasSubscribers` before anything is done for an event. */
export let frameIn: FrameChannel = silent
/** A message was encoded and written. */
export let frameOut: FrameChannel = silent

/** Fills the slot. */
export function setFrameChannels(incoming: FrameChannel, outgoing: FrameChannel): void {
  frameIn = incoming
  frameOut = outgoing
}
