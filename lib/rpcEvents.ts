/**
 * The channels of calls, as a slot: calls must also run where there is no node:diagnostics_channel, so they are published
 * through here, and `diagnostics.ts`, which every transport of Node's loads, puts the real channels in.
 */

/** The message on `millrace:rpc:client` and `millrace:rpc:server`: a call that has ended. */
export interface RpcEvent {
  /** `chat.v1.Chat` */
  readonly service: string
  /** `Send` */
  readonly method: string
  /** The other end; `undefined` for a call that never had a connection. */
  readonly peer: string | undefined
  /** Of google.rpc.Status: 0 for success. A call whose caller failed by itself is UNKNOWN (2). */
  readonly status: number
  /** From when it was begun, or came, until it ended: on a server, until its handler did. */
  readonly durationMs: number
}

/** What calls need of a channel. */
export interface RpcChannel {
  readonly hasSubscribers: boolean
  publish(event: RpcEvent): void
}

const silent: RpcChannel = { hasSubscribers: false, publish() {} }

/** A call of a client has ended. To be asked for `hasSubscribers` when a call begins. */
export let rpcClient: RpcChannel = silent
/** A call on a server has ended. */
export let rpcServer: RpcChannel = silent

/** Fills the slot. */
export function setRpcChannels(client: RpcChannel, server: RpcChannel): void {
  rpcClient = client
  rpcServer = server
}
