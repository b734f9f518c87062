/** The codes of google.rpc.Status, as numbers on the wire. 0 is success; everything else is an error. */
export const Status = {
  OK: 0,
  /** The caller gave the call up. */
  CANCELLED: 1,
  UNKNOWN: 2,
  /** The request is wrong, whatever the state of the system. */
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  /** The caller is known, and may not do this. */
  PERMISSION_DENIED: 7,
  /** A limit of the server or of the caller's quota. */
  RESOURCE_EXHAUSTED: 8,
  /** The system is not in the state that the call needs; trying again does not help until that is mended. */
  FAILED_PRECONDITION: 9,
  /** A conflict with another call: the whole transaction may be tried again. */
  ABORTED: 10,
  OUT_OF_RANGE: 11,
  /** The server has no such service or method. */
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  /** The server cannot be reached now; a call that may be repeated may be tried again. */
  UNAVAILABLE: 14,
  DATA_LOSS: 15,
  /** The caller is not known. */
  UNAUTHENTICATED: 16,
} as const

export type Status = (typeof Status)[keyof typeof Status]

const names: readonly string[] = Object.keys(Status)

/** `'NOT_FOUND'` for 5; `'status 99'` for a number that has no name. */
export function statusName(status: number): string {
  return names[status] ?? `status ${status}`
}
