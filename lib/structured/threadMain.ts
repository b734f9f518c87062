/**
 * What runs in a thread of an executor. It is sent there as source, as the functions are: nothing from around may be
 * used, nor `import()`, which a build for CommonJS would replace; that is what `load` is for.
 */

/** One call, sent to the thread. Of `source`, an expression, and `module` there is one. */
export interface CallRequest {
  readonly source?: string | undefined
  /** What `import()` takes, and the export that is called. */
  readonly module?: string | undefined
  readonly name: string
  readonly args: readonly unknown[]
}

/** What comes back. */
export type CallReply = { readonly value: unknown } | { readonly error: PackedError | { readonly value: unknown } }

/** An error as it travels: structured clone alone keeps no fields, and no names but those of JavaScript's own errors. */
export interface PackedError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** The nearest class of JavaScript's own. */
  readonly base: string
  readonly fields: readonly (readonly [key: string, value: PackedError | { readonly value: unknown }])[]
}

interface Port {
  on(event: 'message', listener: (request: CallRequest) => void): void
  postMessage(reply: CallReply): void
}
type AnyFunction = (...args: readonly unknown[]) => unknown

export async function threadMain(load: (specifier: string) => Promise<Record<string, unknown>>): Promise<void> {
  const port = (await load('node:worker_threads'))['parentPort'] as Port
  // Some compilers have their functions name themselves with this one.
  ;(globalThis as { __name?: unknown }).__name ??= (fn: unknown) => fn
  const compiled = new Map<string, AnyFunction>()
  const bases = ['TypeError', 'RangeError', 'SyntaxError', 'ReferenceError', 'URIError', 'EvalError', 'AggregateError']

  const compile = (source: string): AnyFunction => {
    let fn = compiled.get(source)
    if (fn === undefined) {
      // oxlint-disable-next-line no-eval -- indirect: it sees only what is global
      fn = (0, eval)(source) as AnyFunction
      if (compiled.size > 1000) compiled.clear()
      compiled.set(source, fn)
    }
    return fn
  }
  const find = async (module: string, name: string): Promise<AnyFunction> => {
    const exports = await load(module)
    // Of a CommonJS module not all names can be known beforehand.
    const found = exports[name] ?? (exports['default'] as Record<string, unknown> | undefined)?.[name]
    if (typeof found === 'function') return found as AnyFunction
    throw new TypeError(`${module} exports no function ${name}: it has ${Object.keys(exports).join(', ') || 'nothing'}`)
  }
  const canTravel = (value: unknown): boolean => {
    try {
      structuredClone(value)
      return true
    } catch {
      return false
    }
  }
  const pack = (error: unknown, depth = 0): PackedError | { value: unknown } => {
    if (!(error instanceof Error)) {
      return { value: canTravel(error) ? error : `(not to be sent) ${Object.prototype.toString.call(error)}` }
    }
    const fields: [string, PackedError | { value: unknown }][] = []
    const keys = new Set(['cause', 'errors', ...Object.keys(error)])
    for (const key of depth < 10 ? keys : []) {
      if (!(key in error) || key === 'name' || key === 'message' || key === 'stack') continue
      const value = (error as unknown as Record<string, unknown>)[key]
      if (value instanceof Error) fields.push([key, pack(value, depth + 1)])
      else if (key === 'errors' && Array.isArray(value)) {
        fields.push([key, { value: value.map((each) => pack(each, depth + 1)) }])
      } else if (canTravel(value)) fields.push([key, { value }])
    }
    const base = bases.find(
      (each) => error instanceof (globalThis as unknown as Record<string, ErrorConstructor>)[each]!,
    )
    const { name, message, stack } = error
    return {
      name: String(name),
      message: String(message),
      stack: stack && String(stack),
      base: base ?? 'Error',
      fields,
    }
  }
  const hint = (error: unknown): void => {
    if (!(error instanceof ReferenceError) || !/ is not defined$/.test(error.message)) return
    const { message, stack } = error
    error.message +=
      ': in a thread a function has nothing from around it; give it as an argument, or import() it inside'
    if (stack !== undefined) error.stack = stack.replace(message, () => error.message)
  }
  const serve = async ({ source, module, name, args }: CallRequest): Promise<void> => {
    let reply: CallReply
    try {
      const fn = source === undefined ? await find(module!, name) : compile(source)
      reply = { value: await fn(...args) }
    } catch (error) {
      if (source !== undefined) hint(error)
      reply = { error: pack(error) }
    }
    try {
      port.postMessage(reply)
    } catch (error) {
      const refused = new TypeError(`what ${name} returns cannot be sent back from a thread`, { cause: error })
      port.postMessage({ error: pack(refused) })
    }
  }
  port.on('message', (request) => void serve(request))
}
