import type { AnyProtocol } from '../protocol.ts'
import { DuplexTransport } from '../transports/duplexTransport.ts'
import { JoinedDuplex } from '../transports/joinedDuplex.ts'
import type { TransportOwner } from '../transports/transportOwner.ts'
import type { Accepting, Listener, ServerSocket } from './listener.ts'

/**
 * Whoever has started this process, as the one client of a server: the connection is there at once, and no other comes.
 * See `connectStdio`.
 */
export class StdioListener implements Listener {
  readonly address: ServerSocket = { family: 'stdio', address: 'stdio', port: 0, getsockname: () => 'stdio' }

  open(accepting: Accepting): void {
    accepting.accept({
      peer: 'stdio',
      gone: false,
      begin(protocol: AnyProtocol, owner: TransportOwner): void {
        const stdio = new JoinedDuplex(process.stdin, process.stdout)
        new DuplexTransport(stdio, protocol, owner, { name: 'stdio' }).start()
      },
      destroy() {
        process.stdin.destroy()
      },
    })
  }

  close(): void {}
}
