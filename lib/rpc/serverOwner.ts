import type { Transport } from '../transport.ts'
import type { CallContext } from './handlers.ts'
import type { Route } from './route.ts'
import type { ServerConnection } from './serverConnection.ts'
import type { ServerLimits } from './serverLimits.ts'

/** What a connection needs of its server. */
export interface ServerConnectionOwner {
  readonly limits: ServerLimits
  /** Whether new calls are refused. */
  readonly draining: boolean
  route(service: string, method: string): Route | undefined
  hasService(service: string): boolean
  opened(connection: ServerConnection): void
  closed(connection: ServerConnection): void
  /** A handler has begun, or ended. */
  handlerBegan(): void
  handlerEnded(): void
  report(error: unknown, context: CallContext | undefined, transport: Transport | undefined): void
}
