import { toBytes } from '../bytes/allocate.ts'
import type { ErrorHandler } from '../diagnostics.ts'
import { ConnectionLostError } from '../errors.ts'
import type { AnyProtocol } from '../protocol.ts'
import type { AbortOptions, Transport } from '../transport.ts'
import type { Layer } from './layer.ts'
import { LayerTransport } from './layerTransport.ts'
import type { PcapFile } from './pcapFile.ts'
import { TcpConversation, type Sender } from './tcpConversation.ts'
import { addressBytes, type PacketEnd } from './tcpPacket.ts'

export interface CaptureOptions {
  /** Which side of the connection is ours: a client has opened it. `'client'` by default. */
  side?: 'client' | 'server' | undefined
}

/**
 * A layer that writes what passes it to a pcap file, which Wireshark shows as a connection of TCP: what lies above TLS
 * or compression can be seen in the clear.
 *
 * The packets are made up around the bytes: the handshake, segments of 32 KiB at most, each chunk acknowledged at once,
 * an end or a reset for each side. The addresses are those of the connection; where it has none (Unix sockets, memory)
 * they are 192.0.2.1 for the client and 192.0.2.2 for the server, with a port for each connection. What is sent is shown
 * when it is written. What the peer does after our `close()` is not seen: its end is shown when the connection is lost.
 *
 * Both ends of one connection do not belong in one file: each byte would be there twice.
 * (Netty: `PcapWriteHandler`.)
 */
export function capture(file: PcapFile, { side = 'client' }: CaptureOptions = {}): Layer {
  return (inner, protocol, report) => new CapturedTransport(inner, protocol, report, file, side).start()
}

class CapturedTransport extends LayerTransport {
  readonly #file: PcapFile
  readonly #opener: Sender
  #conversation!: TcpConversation

  constructor(
    inner: Transport,
    protocol: AnyProtocol,
    report: ErrorHandler<Transport> | undefined,
    file: PcapFile,
    side: 'client' | 'server',
  ) {
    super(inner, protocol, report)
    this.#file = file
    this.#opener = side === 'client' ? 'local' : 'peer'
  }

  override start(): void {
    const n = this.#file.nextConnection()
    const ends = endsOf(this.inner) ?? inventedEnds(n, this.#opener)
    // Another first number for each, so that two connections between the same ports are told apart.
    const firstSeq = n * 0x10000000 + n * 0x10001
    this.#conversation = new TcpConversation(ends, this.#opener, firstSeq, (segment) => this.#file.add(segment))
    super.start()
  }

  protected override onData(data: Uint8Array): void {
    this.#conversation.data('peer', data)
  }

  protected override onEof(): boolean | void {
    this.#conversation.end('peer')
    return super.onEof()
  }

  protected override onLost(error: Error | null): void {
    if (error === null) {
      this.#conversation.end('local')
      this.#conversation.end('peer')
    } else {
      this.#conversation.reset(error instanceof ConnectionLostError ? 'peer' : 'local')
    }
    super.onLost(error)
  }

  override write(data: Uint8Array | string): void {
    const bytes = toBytes(data)
    if (!this.isClosing()) this.#conversation.data('local', bytes)
    super.write(bytes)
  }

  override writeEof(): void {
    super.writeEof()
    if (!this.isClosing()) this.#conversation.end('local')
  }

  override close(): void {
    this.#conversation.end('local')
    super.close()
  }

  override abort(options?: AbortOptions): void {
    if (options?.reset === true) this.#conversation.reset('local')
    else this.#conversation.end('local')
    super.abort(options)
  }
}

function endsOf(transport: Transport): Record<Sender, PacketEnd> | undefined {
  const [local, peer] = [endOf(transport.getExtraInfo('sockname')), endOf(transport.getExtraInfo('peername'))]
  if (local === undefined || peer === undefined) return undefined
  return local.address.length === peer.address.length ? { local, peer } : undefined
}

function endOf(name: [host: string, port: number] | string | null): PacketEnd | undefined {
  if (!Array.isArray(name)) return undefined
  const address = addressBytes(name[0])
  return address && { address, port: name[1] }
}

/** Addresses that are kept for documentation (RFC 5737), and ports that mean nothing, different for each connection. */
function inventedEnds(n: number, opener: Sender): Record<Sender, PacketEnd> {
  const client = { address: Uint8Array.of(192, 0, 2, 1), port: 50_000 + (n % 6000) }
  const server = { address: Uint8Array.of(192, 0, 2, 2 + (Math.floor(n / 6000) % 250)), port: 40_000 }
  return opener === 'local' ? { local: client, peer: server } : { local: server, peer: client }
}
