import type { RequestEnvelope } from './envelope.ts'
import { Status } from './status.ts'

/** Why a Request begins no call. */
export interface Refusal {
  readonly status: Status
  readonly message: string
}

export function unknownMethod({ service, method }: RequestEnvelope, isService: boolean): Refusal {
  const message = isService
    ? `the service ${shortened(service)} has no method ${shortened(method)}`
    : `there is no service ${shortened(service)}`
  return { status: Status.UNIMPLEMENTED, message }
}

export function exhausted(most: number, what: string): Refusal {
  return { status: Status.RESOURCE_EXHAUSTED, message: `${most} ${what} of this connection are running already` }
}

/** A name that a client may have made up, as long as a frame. */
const shortened = (name: string): string => (name.length > 200 ? `${name.slice(0, 200)}…` : name)
