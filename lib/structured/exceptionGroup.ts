import { brand } from '../errors.ts'

/** A class whose instances are meant, by `instanceof`; or a function that is asked of each, groups included. */
export type ErrorCondition = (abstract new (...args: never[]) => unknown) | ((error: unknown) => boolean)

/** What a `console` asks of an object, in Node and elsewhere; a name from there, so that nothing of Node is imported. */
const INSPECT = Symbol.for('nodejs.util.inspect.custom')
type Inspect = (value: unknown, options: InspectOptions) => string
interface InspectOptions {
  readonly depth?: number | null
}

/**
 * Several errors that were raised together, and among them groups again: what comes out of a nursery, one for each that
 * failed. Other AggregateErrors, such as those of `Promise.any`, are errors like all others and not looked into.
 *
 * `message` is what was given; `errors` and `exceptions` are the same array. It is an AggregateError, which Node prints
 * with all that is in it, and no MillraceError. (Python: `ExceptionGroup`.)
 */
export class ExceptionGroup extends AggregateError {
  readonly code = 'ERR_MILLRACE_EXCEPTION_GROUP'
  declare readonly errors: unknown[]
  #inspected = false
  static {
    brand(this, 'ExceptionGroup')
  }

  /** Throws a RangeError if there are no errors, and a TypeError if they are not iterable. */
  constructor(message: string, errors: Iterable<unknown>, options?: ErrorOptions) {
    if (typeof (errors as Partial<Iterable<unknown>> | undefined)?.[Symbol.iterator] !== 'function') {
      throw new TypeError(`new ExceptionGroup(message, errors): errors must be iterable, not ${typeof errors}`)
    }
    super(errors, message, options)
    if (this.errors.length === 0) throw new RangeError('an ExceptionGroup needs at least one error')
  }

  get exceptions(): unknown[] {
    return this.errors
  }

  /**
   * Parts it in two: what meets the condition, and the rest; `null` for a part that is empty. Both parts are nested as
   * the group is, with its messages. A group that meets the condition itself is not looked into: it is in the first part
   * as a whole. (Python: `split`.)
   */
  split(condition: ErrorCondition): [match: ExceptionGroup | null, rest: ExceptionGroup | null] {
    return this.#split(predicateOf(condition))
  }

  /** The first part of {@link split} alone. (Python: `subgroup`.) */
  subgroup(condition: ErrorCondition): ExceptionGroup | null {
    return this.split(condition)[0]
  }

  /**
   * A group like this one of other errors; `split` makes its parts with it, and gives them the stack and the cause of
   * this one. Override it in a class whose constructor takes something else. (Python: `derive`.)
   */
  derive(errors: Iterable<unknown>): ExceptionGroup {
    return new (this.constructor as typeof ExceptionGroup)(this.message, errors)
  }

  /** All that is in it and is no group, in order, however deep it is nested. */
  leaves(): unknown[] {
    return this.errors.flatMap((error) => (error instanceof ExceptionGroup ? error.leaves() : [error]))
  }

  /** For logs: with the name and the message of each, which JSON does not see by itself. */
  toJSON(): object {
    const { name, message, code } = this
    return { name, message, code, errors: this.errors.map(toPlain) }
  }

  /** Printed by itself a group is cut off below its second level: then nobody sees what failed in a nursery within one. */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): unknown {
    if (this.#inspected) return this
    this.#inspected = true
    try {
      const text = inspect(this, { ...options, depth: typeof depth === 'number' ? Math.max(depth, 2) : depth })
      // A bare string would not be indented.
      return { [INSPECT]: () => text }
    } finally {
      this.#inspected = false
    }
  }

  #split(meets: (error: unknown) => boolean): [ExceptionGroup | null, ExceptionGroup | null] {
    if (meets(this)) return [this, null]
    const match: unknown[] = []
    const rest: unknown[] = []
    for (const error of this.errors) {
      if (error instanceof ExceptionGroup) {
        // Not the private one: the group may be of a class that is loaded twice.
        const [itsMatch, itsRest] = error.split(meets)
        if (itsMatch !== null) match.push(itsMatch)
        if (itsRest !== null) rest.push(itsRest)
      } else (meets(error) ? match : rest).push(error)
    }
    return [this.#part(match), this.#part(rest)]
  }

  #part(errors: unknown[]): ExceptionGroup | null {
    if (errors.length === 0) return null
    const part = this.derive(errors)
    Object.defineProperty(part, 'stack', { value: this.stack, configurable: true, writable: true })
    if ('cause' in this) Object.defineProperty(part, 'cause', { value: this.cause, configurable: true, writable: true })
    return part
  }
}

function predicateOf(condition: ErrorCondition): (error: unknown) => boolean {
  if (typeof condition !== 'function') {
    throw new TypeError(`what to split by must be a class or a predicate, not ${typeof condition}`)
  }
  return isClass(condition) ? (error) => error instanceof condition : condition
}

/** Also of classes in the old style, if they are of errors. */
function isClass(condition: ErrorCondition): condition is abstract new (...args: never[]) => unknown {
  const { prototype } = condition as { prototype?: unknown }
  return prototype instanceof Error || condition === Error || /^class\b/.test(String(condition))
}

function toPlain(error: unknown): unknown {
  if (!(error instanceof Error) || 'toJSON' in error) return error
  const { name, message } = error
  return Object.assign({}, error, { name, message })
}
