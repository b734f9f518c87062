/** Blocks with a time limit: those that go on when it has passed, and those that fail. */
import { clock } from '../clock.ts'
import { CancelScope, type CancelScopeOptions } from './cancelScope.ts'
import { checkFunction } from './checkFunction.ts'
import { TooSlowError } from './errors.ts'

export type MoveOnOptions = Omit<CancelScopeOptions, 'deadline'>

/**
 * Runs `fn` in a scope that is cancelled after `ms`. Resolves with its value, or with `undefined` if the time was over:
 * `scope.cancelledCaught` tells. Rejects with what else `fn` fails with, and with a TypeError for a time that is none.
 * (trio: `move_on_after`.)
 */
export async function moveOnAfter<T>(
  ms: number,
  fn: (scope: CancelScope) => Promise<T>,
  options?: MoveOnOptions,
): Promise<T | undefined> {
  checkFunction('moveOnAfter', fn)
  return scopeUntil(deadlineIn(ms), options).run(fn)
}

/** The same with a point on the clock of `currentTime()`. (trio: `move_on_at`.) */
export async function moveOnAt<T>(
  deadline: number,
  fn: (scope: CancelScope) => Promise<T>,
  options?: MoveOnOptions,
): Promise<T | undefined> {
  checkFunction('moveOnAt', fn)
  return scopeUntil(deadline, options).run(fn)
}

/**
 * Runs `fn` in a scope that is cancelled after `ms`, and rejects with {@link TooSlowError} then. Otherwise like
 * {@link moveOnAfter}. (trio: `fail_after`.)
 */
export async function failAfter<T>(
  ms: number,
  fn: (scope: CancelScope) => Promise<T>,
  options?: MoveOnOptions,
): Promise<T> {
  checkFunction('failAfter', fn)
  return fail(deadlineIn(ms), ms, fn, options)
}

/** The same with a point on the clock of `currentTime()`. (trio: `fail_at`.) */
export async function failAt<T>(
  deadline: number,
  fn: (scope: CancelScope) => Promise<T>,
  options?: MoveOnOptions,
): Promise<T> {
  checkFunction('failAt', fn)
  return fail(deadline, undefined, fn, options)
}

async function fail<T>(
  deadline: number,
  timeoutMs: number | undefined,
  fn: (scope: CancelScope) => Promise<T>,
  options: MoveOnOptions | undefined,
): Promise<T> {
  const scope = scopeUntil(deadline, options)
  const value = await scope.run(fn)
  if (scope.cancelledCaught) throw new TooSlowError(timeoutMs)
  return value as T
}

function deadlineIn(ms: number): number {
  if (typeof ms !== 'number' || Number.isNaN(ms))
    throw new TypeError(`ms must be a time in milliseconds, not ${String(ms)}`)
  return clock.now() + ms
}

function scopeUntil(deadline: number, options: MoveOnOptions | undefined): CancelScope {
  const scope = new CancelScope(options)
  // Set, and not passed on: one that is missing is a mistake here.
  scope.deadline = deadline
  return scope
}
