import { forget, handled, watchScope } from '../wait.ts'
import { CancelScope } from './cancelScope.ts'
import { childrenOf, type Nursery } from './nursery.ts'

/**
 * Has `resource` disposed of with the nursery: when all its children have ended, or as soon as it is cancelled; the
 * nursery waits for that. If the resource has an `abort()`, the cancel calls that first, also when disposal is under way
 * already. What disposal fails with is an error of the nursery. Returns the resource. Throws `InvalidStateError` on a nursery that is
 * closed.
 *
 * For what is to outlive the block that made it, but not the nursery: a client of calls (`closeWith(nursery,
 * client.$channel)`), an endpoint, whatever has a `Symbol.asyncDispose` or `Symbol.dispose`. In its own block there is
 * `await using`.
 */
export function closeWith<T extends AsyncDisposable | Disposable>(nursery: Nursery, resource: T): T {
  const { [Symbol.asyncDispose]: disposeAsync, [Symbol.dispose]: disposeNow } = (resource ?? {}) as Partial<
    AsyncDisposable & Disposable
  >
  const dispose = disposeAsync ?? disposeNow
  if (typeof dispose !== 'function') {
    throw new TypeError('closeWith() takes what has a Symbol.asyncDispose or a Symbol.dispose')
  }
  closing(nursery, {
    abort: () => (resource as { abort?(): void }).abort?.(),
    close: () => dispose.call(resource),
  })
  return resource
}

interface Closing {
  readonly abort: () => unknown
  readonly close: () => unknown
}

/**
 * Has `close` called once: at the nursery's end, or as soon as it is cancelled. It is not cancelled itself, and waited for;
 * but the cancel calls `abort` before, or while it is under way. Returns what takes that back.
 */
export function closing(nursery: Nursery, { abort, close }: Closing): () => void {
  const children = childrenOf(nursery)
  const { scope } = children
  const shielded = (fn: () => unknown): Promise<unknown> =>
    handled(new CancelScope({ shield: true, parent: scope }).run(async () => fn()))
  let aborted: Promise<unknown> | undefined
  let closed: Promise<unknown> | undefined
  let begun = false
  // It may be cancelled by what it calls.
  const begin = (): void => {
    if (begun) return
    begun = true
    closed = shielded(close)
  }
  const cancel = (): void => {
    aborted = shielded(abort)
    begin()
  }
  const remove = children.atEnd(async () => {
    begin()
    await closed
    await aborted
  })
  const { cancellation } = scope
  const link = cancellation === undefined ? watchScope(scope, { cancel }) : undefined
  if (cancellation !== undefined) cancel()
  return () => {
    remove()
    forget(link)
  }
}
