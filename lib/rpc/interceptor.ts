/** What goes on around calls: the same shape on either side. */
import { handled } from '../wait.ts'
import { iteratorOf, leave, leaveUnused } from './iteratorOf.ts'

/** Around a whole call of any kind, as in Koa. */
export type Around<C> = (context: C, next: () => Promise<unknown>) => unknown

/** What an interceptor may do, `C` being what is known of a call. */
export interface InterceptorHooks<C> {
  /**
   * Around the whole call. `next()` resolves with the response of a call with one response, and with `undefined` when
   * the last message of a stream was handed on; it rejects with the call's error. What is returned takes the place of
   * the response, unless it is `undefined`; what is thrown takes the place of the outcome. A call for which `next()`
   * is not called never gets to its handler (on a server) or onto the wire (in a client). In a client, `next()` may be
   * called again, for another attempt; the responses of its stream come behind those that were handed on before.
   */
  readonly call?: Around<C> | undefined
  /** Sees each request message, and returns what takes its place, or a promise of it; `undefined` leaves it as it is. */
  readonly request?: ((message: any, context: C) => unknown) | undefined // oxlint-disable-line typescript/no-explicit-any -- any method's message
  /** Sees each response message, and returns what takes its place, or a promise of it; `undefined` leaves it as it is. */
  readonly response?: ((message: any, context: C) => unknown) | undefined // oxlint-disable-line typescript/no-explicit-any -- any method's message
}

/** A function is an interceptor around the whole call. The first of a list is the outermost. */
export type Interceptor<C> = Around<C> | InterceptorHooks<C>

/** Changes a message, or promises a changed one. */
export type MessageMap<C> = (message: unknown, context: C) => unknown

/** A list of interceptors, ready for use. */
export interface Interceptors<C> {
  /** Runs `core` within all of the `call`s. */
  readonly around: ((context: C, core: () => Promise<unknown>) => Promise<unknown>) | undefined
  /** Of all `request`s, the outermost first. */
  readonly request: MessageMap<C> | undefined
  /** Of all `response`s, the innermost first. */
  readonly response: MessageMap<C> | undefined
}

/** `undefined` for none. Throws a TypeError for what is no interceptor. */
export function combine<C>(interceptors: readonly Interceptor<C>[]): Interceptors<C> | undefined {
  if (interceptors.length === 0) return undefined
  const hooks = interceptors.map(toHooks)
  const calls = hooks.flatMap(({ call }) => call ?? [])
  return {
    around: calls.length === 0 ? undefined : (context, core) => runAround(calls, 0, context, core),
    request: inTurn(hooks.flatMap(({ request }) => request ?? [])),
    response: inTurn(hooks.flatMap(({ response }) => response ?? []).reverse()),
  }
}

function toHooks<C>(interceptor: Interceptor<C>): InterceptorHooks<C> {
  if (typeof interceptor === 'function') return { call: interceptor }
  if (typeof interceptor === 'object' && interceptor !== null) {
    const { call, request, response } = interceptor
    return {
      call: call?.bind(interceptor),
      request: request?.bind(interceptor),
      response: response?.bind(interceptor),
    }
  }
  throw new TypeError(`an interceptor is a function or an object, not ${typeof interceptor}`)
}

async function runAround<C>(
  calls: readonly Around<C>[],
  index: number,
  context: C,
  core: () => Promise<unknown>,
): Promise<unknown> {
  const call = calls[index]
  if (call === undefined) return core()
  let inner: unknown
  const run = async (): Promise<unknown> => (inner = await runAround(calls, index + 1, context, core))
  // An interceptor need not wait for it.
  const next = (): Promise<unknown> => handled(run())
  const returned = await call(context, next)
  return returned === undefined ? inner : returned
}

function inTurn<C>(maps: readonly MessageMap<C>[]): MessageMap<C> | undefined {
  if (maps.length === 0) return undefined
  return async (message, context) => {
    let changed = message
    for (const map of maps) changed = (await map(changed, context)) ?? changed
    return changed
  }
}

/** A stream whose messages go through `map`. Leaving it leaves the one below at once, whatever it waits for. */
export function mapped<C>(
  messages: AsyncIterable<unknown> | Iterable<unknown>,
  map: MessageMap<C>,
  context: C,
): AsyncIterableIterator<unknown, undefined, undefined> {
  return new Mapped(messages, (message) => map(message, context))
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined }

// No generator: one that was not begun does not tell those below that it was left, and one that waits tells them late.
class Mapped implements AsyncIterableIterator<unknown, undefined, undefined> {
  readonly #source: AsyncIterable<unknown> | Iterable<unknown>
  readonly #map: (message: unknown) => unknown
  #iterator: AsyncIterator<unknown> | Iterator<unknown> | undefined
  #ended = false

  constructor(source: AsyncIterable<unknown> | Iterable<unknown>, map: (message: unknown) => unknown) {
    this.#source = source
    this.#map = map
  }

  async next(): Promise<IteratorResult<unknown, undefined>> {
    if (this.#ended) return END
    let result: IteratorResult<unknown>
    try {
      this.#iterator ??= iteratorOf(this.#source)
      if (this.#iterator === undefined) throw new TypeError('the requests are no iterable of messages')
      result = await this.#iterator.next()
    } catch (error) {
      this.#ended = true
      throw error
    }
    if (result.done === true) {
      this.#ended = true
      return END
    }
    try {
      return { done: false, value: await this.#map(result.value) }
    } catch (error) {
      await this.return()
      throw error
    }
  }

  async return(): Promise<IteratorReturnResult<undefined>> {
    if (this.#ended) return END
    this.#ended = true
    await (this.#iterator === undefined ? leaveUnused(this.#source) : leave(this.#iterator))
    return END
  }

  [Symbol.asyncIterator](): this {
    return this
  }
}
