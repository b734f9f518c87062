/**
 * grpc.health.v1.Health, as load balancers and orchestrators ask for it: who asks once gets the status of a service, and
 * who watches gets each change of it.
 */
import { WaitList } from '../wait.ts'
import { handMessage } from './handMessage.ts'
import type { CallContext, Handlers } from './handlers.ts'
import { RpcError } from './rpcError.ts'
import { service, type Service } from './service.ts'
import { Status } from './status.ts'

export interface HealthCheckRequest {
  /** The full name of a service; empty for the server as a whole. */
  readonly service: string
}

export interface HealthCheckResponse {
  readonly status: ServingStatus
}

const STATUSES = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** `SERVICE_UNKNOWN` is only told to those who watch. */
export type ServingStatus = (typeof STATUSES)[number]

const requestType = handMessage<HealthCheckRequest>('grpc.health.v1.HealthCheckRequest', [
  { number: 1, name: 'service', kind: 'string' },
])
const responseType = handMessage<HealthCheckResponse>('grpc.health.v1.HealthCheckResponse', [
  { number: 1, name: 'status', kind: STATUSES },
])

/** The service, for clients and servers: `server.add(HealthService, new Health(server))`. */
export const HealthService = service({
  fullName: 'grpc.health.v1.Health',
  methods: {
    check: { name: 'Check', requestType, responseType, requestStream: false, responseStream: false, idempotent: true },
    watch: { name: 'Watch', requestType, responseType, requestStream: false, responseStream: true, idempotent: true },
  },
  // spec/fixtures/health.proto
  descriptors:
    'CsoDChtncnBjL2hlYWx0aC92MS9oZWFsdGgucHJvdG8SDmdycGMuaGVhbHRoLnYxIi4KEkhlYWx0aENoZWNrUmVxdWVzdBIYCgdzZXJ2' +
    'aWNlGAEgASgJUgdzZXJ2aWNlIrEBChNIZWFsdGhDaGVja1Jlc3BvbnNlEkkKBnN0YXR1cxgBIAEoDjIxLmdycGMuaGVhbHRoLnYxLkhl' +
    'YWx0aENoZWNrUmVzcG9uc2UuU2VydmluZ1N0YXR1c1IGc3RhdHVzIk8KDVNlcnZpbmdTdGF0dXMSCwoHVU5LTk9XThAAEgsKB1NFUlZJ' +
    'TkcQARIPCgtOT1RfU0VSVklORxACEhMKD1NFUlZJQ0VfVU5LTk9XThADMq4BCgZIZWFsdGgSUAoFQ2hlY2sSIi5ncnBjLmhlYWx0aC52' +
    'MS5IZWFsdGhDaGVja1JlcXVlc3QaIy5ncnBjLmhlYWx0aC52MS5IZWFsdGhDaGVja1Jlc3BvbnNlElIKBVdhdGNoEiIuZ3JwYy5oZWFs' +
    'dGgudjEuSGVhbHRoQ2hlY2tSZXF1ZXN0GiMuZ3JwYy5oZWFsdGgudjEuSGVhbHRoQ2hlY2tSZXNwb25zZTABYgZwcm90bzM=',
})

/** What {@link Health} needs to know of a server: an `RpcServer`. */
export interface HealthServer {
  readonly services: readonly Service[]
  readonly closing: AbortSignal
}

/**
 * The health of a server and its services. Added to the server it answers that it is SERVING, as a whole and for each
 * service that was added, until {@link set} says otherwise. When the server is shut down, nothing is serving any more:
 * those who watch are told so, and their streams end with UNAVAILABLE.
 */
export class Health implements Handlers<typeof HealthService> {
  readonly #server: HealthServer
  readonly #set = new Map<string, ServingStatus>()
  readonly #changes = new WaitList()

  constructor(server: HealthServer) {
    this.#server = server
    server.closing.addEventListener('abort', () => this.#changes.resolveAll(), { once: true })
  }

  /** The status of a service, or of the server as a whole; `SERVICE_UNKNOWN` for a service that there is not. */
  get(name: string | Service = ''): ServingStatus {
    const key = keyOf(name)
    const known = this.#set.get(key) ?? (this.#isServed(key) ? 'SERVING' : 'SERVICE_UNKNOWN')
    return known !== 'SERVICE_UNKNOWN' && this.#server.closing.aborted ? 'NOT_SERVING' : known
  }

  /**
   * Says what a service does, by its name, which need not be that of a service; or, with `''`, the server as a whole,
   * which says nothing of its services. Those who watch it are told. Throws a TypeError for a status that is none.
   */
  set(name: string | Service, status: ServingStatus): this {
    if (!STATUSES.includes(status)) throw new TypeError(`there is no status of health ${String(status)}`)
    this.#set.set(keyOf(name), status)
    this.#changes.resolveAll()
    return this
  }

  /** Answers `Check`: NOT_FOUND for a service that is not known. */
  check({ service: name }: HealthCheckRequest): HealthCheckResponse {
    const status = this.get(name)
    if (status === 'SERVICE_UNKNOWN') throw new RpcError(Status.NOT_FOUND, `the service ${name} is not known`)
    return { status }
  }

  /** Answers `Watch`: the status, and then each that differs from the one before. */
  async *watch({ service: name }: HealthCheckRequest, { signal }: CallContext): AsyncGenerator<HealthCheckResponse> {
    const { closing } = this.#server
    let told: ServingStatus | undefined
    for (;;) {
      const status = this.get(name)
      // It may change once more while it is told.
      if (status !== told) yield { status: (told = status) }
      else if (closing.aborted) throw closing.reason
      else await this.#changes.wait({ signal }, () => `Watch of the health of ${name}`)
    }
  }

  #isServed(name: string): boolean {
    return name === '' || this.#server.services.some((each) => each.name === name)
  }
}

const keyOf = (name: string | Service): string => (typeof name === 'string' ? name : name.name)
