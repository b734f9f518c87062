/**
 * What is ambient: carried by AsyncLocalStorage through awaits and timers, by {@link bindContext} where that loses it.
 *
 * AsyncLocalStorage slows down every promise of the process on Node 20 and 22 as soon as it is used at all. So it is
 * only entered by blocks, and disabled behind the last of them.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { setAmbience, type Ambience, type WaitScope } from '../wait.ts'
import type { CancelScope } from './cancelScope.ts'
import type { Loop } from './loop.ts'
import type { Task } from './task.ts'

/** Whose rules a function goes by: trio's (scopes), or asyncio's (tasks and futures). */
export type Flavour = 'trio' | 'asyncio'

/** Where the caller is. One object for all that runs in a block, or in a task. */
export interface Context {
  readonly flavour: Flavour
  /** The innermost scope; in an asyncio task that is not inside a block, none. */
  readonly scope: CancelScope | undefined
  /** The asyncio task, unless a block of its own was opened in it. */
  readonly task: Task<unknown> | undefined
  readonly loop: Loop | undefined
  /** Whether nurseries raise a lone error in a group, too. */
  readonly strict: boolean
  /** The `run` around it, which may be over for what was left running. */
  readonly run: { readonly ended: boolean } | undefined
}

/** Where there is nothing ambient. */
export const NO_CONTEXT: Context = {
  flavour: 'trio',
  scope: undefined,
  task: undefined,
  loop: undefined,
  strict: true,
  run: undefined,
}

/** The same, for what runs in that scope by trio's rules. */
export function contextIn({ loop, strict, run }: Context, scope: CancelScope): Context {
  return { flavour: 'trio', scope, task: undefined, loop, strict, run }
}

/** The same, for what runs as that task by asyncio's rules. */
export function taskContext({ loop, strict, run }: Context, task: Task<unknown>): Context {
  return { flavour: 'asyncio', scope: undefined, task, loop, strict, run }
}

const storage = new AsyncLocalStorage<Context | undefined>()
let blocks = 0
let disabling = false

/** Where the caller is; `undefined` outside of all blocks. */
export function currentContext(): Context | undefined {
  return blocks === 0 ? undefined : storage.getStore()
}

/** Calls `fn` there. Only for as long as a block is open: see {@link blockBegins}. */
export function runIn<A extends unknown[], T>(context: Context | undefined, fn: (...args: A) => T, ...args: A): T {
  return storage.run(context, fn, ...args)
}

const ambience: Ambience = {
  scope(): WaitScope | undefined {
    const context = storage.getStore()
    return context === undefined ? undefined : (context.task ?? context.scope)
  },
  bind: bindContext,
  exit: (fn) => storage.run(undefined, fn),
}

/** A function that runs `fn` where the caller is now, whenever that is and whoever calls it. */
export function bindContext<A extends unknown[], T>(fn: (...args: A) => T): (...args: A) => T {
  const context = currentContext()
  return (...args) => (blocks === 0 ? fn(...args) : storage.run(context, fn, ...args))
}

/** A block has been opened: what is ambient counts from now on. To be followed by one {@link blockEnds}. */
export function blockBegins(): void {
  if (blocks++ === 0) setAmbience(ambience)
}

/** The block is closed. */
export function blockEnds(): void {
  if (--blocks > 0) return
  setAmbience(null)
  if (disabling) return
  disabling = true
  setImmediate(disable).unref()
}

/** Not with each block, since it costs more than ten of them: only where there was none for a turn. */
function disable(): void {
  disabling = false
  if (blocks === 0) storage.disable()
}
