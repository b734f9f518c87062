import { forget, watchScope } from '../wait.ts'
import { CancelScope } from './cancelScope.ts'
import { childrenOf, type Nursery } from './nursery.ts'

/**
 * Has `resource` disposed of with the nursery: when all its children have ended, or as soon as it is cancelled; the
 * nursery waits for that. If the resource has an `abort()`, that is called first where the nursery was cancelled. What
 * disposal fails with is an error of the nursery. Returns the resource. Throws `InvalidStateError` on a nursery that is
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
  closing(nursery, async (cancelled) => {
    if (cancelled) (resource as { abort?(): void }).abort?.()
    return dispose.call(resource) as unknown
  })
  return resource
}

/**
 * Has `close` called once: at the nursery's end, or as soon as it is cancelled; it is not cancelled itself, and waited for.
 * Returns what takes that back.
 */
export function closing(nursery: Nursery, close: (cancelled: boolean) => Promise<unknown>): () => void {
  const children = childrenOf(nursery)
  const { scope } = children
  let closed: Promise<unknown> | undefined
  const closeOnce = (cancelled: boolean): Promise<unknown> =>
    (closed ??= new CancelScope({ shield: true, parent: scope }).run(() => close(cancelled)))
  const cancel = (): void => void closeOnce(true).catch(() => {})
  const remove = children.atEnd(async () => {
    forget(link)
    await closeOnce(false)
  })
  const { cancellation } = scope
  const link = cancellation === undefined ? watchScope(scope, { cancel }) : undefined
  if (cancellation !== undefined) cancel()
  return () => {
    remove()
    forget(link)
  }
}
