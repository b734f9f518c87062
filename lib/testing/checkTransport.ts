/**
 * What every stream transport must do, as checks that run against yours: the contract of transport.ts, executable.
 * Ours pass the same ones. (trio: `check_one_way_stream`, `check_two_way_stream`, `check_half_closeable_stream`.)
 */
import { halfCloseableChecks } from './checkHalfCloseable.ts'
import { oneWayChecks } from './checkOneWay.ts'
import { twoWayChecks } from './checkTwoWay.ts'
import { runChecks, type MakePair, type TransportCheck } from './transportCheck.ts'

/** All the checks. Those of half-closing pass for a transport that says that it cannot. */
export const transportChecks: readonly TransportCheck[] = [...oneWayChecks, ...twoWayChecks, ...halfCloseableChecks]

/** Runs all of {@link transportChecks}; rejects with the name of the first that fails; its AssertionError is the `cause`. */
export function checkTransport(makePair: MakePair): Promise<void> {
  return runChecks(transportChecks, makePair)
}
