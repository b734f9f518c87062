import { inspect } from 'node:util'
import fc from 'fast-check'
import { MillraceError } from '../../lib/errors.ts'
import { Cancelled, WouldBlock } from '../../lib/structured/errors.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'
import { thrownBy } from '../support/thrown.ts'

const a = new TypeError('a')
const b = new RangeError('b')
const c = new TypeError('c')
const isTypeError = (error: unknown): boolean => error instanceof TypeError

/** What counts of a group: its message and what is in it, nested. */
const shape = (error: unknown): unknown =>
  error instanceof ExceptionGroup ? { [error.message]: error.errors.map(shape) } : error

describe('ExceptionGroup', () => {
  it('is an AggregateError with its message, and no MillraceError', () => {
    const group = new ExceptionGroup('two failed', new Set([a, b]), { cause: c })
    expect(group).toBeInstanceOf(AggregateError)
    expect(group).not.toBeInstanceOf(MillraceError)
    expect(String(group)).toBe('ExceptionGroup: two failed')
    expect(group.errors).toEqual([a, b])
    expect(group.exceptions).toBe(group.errors)
    expect([group.cause, group.code]).toEqual([c, 'ERR_MILLRACE_EXCEPTION_GROUP'])
    expect(new AggregateError([a]) instanceof ExceptionGroup).toBe(false)
  })

  it('needs errors', () => {
    expect(thrownBy(() => new ExceptionGroup('none', []))).toEqual(
      new RangeError('an ExceptionGroup needs at least one error'),
    )
    for (const wrong of [undefined, a, 5]) {
      expect(() => new ExceptionGroup('wrong', wrong as unknown as Error[])).toThrow(TypeError)
    }
  })

  it('has them in JSON', () => {
    const group = new ExceptionGroup('out', [Object.assign(new Error('x'), { code: 'E' }), new Cancelled('y'), 5])
    expect(JSON.parse(JSON.stringify(new ExceptionGroup('outer', [group])))).toMatchObject({
      name: 'ExceptionGroup',
      message: 'outer',
      errors: [
        {
          message: 'out',
          errors: [{ name: 'Error', message: 'x', code: 'E' }, { name: 'Cancelled', message: 'cancelled: y' }, 5],
        },
      ],
    })
  })

  it('is known across the two builds of the package, also inside of one another', () => {
    buildIfMissing()
    const { stdout, stderr } = runModule(`
      import { ExceptionGroup } from './dist/esm/structured/exceptionGroup.js'
      import { createRequire } from 'node:module'
      const cjs = createRequire(process.cwd() + '/x.js')('./dist/cjs/structured/exceptionGroup.js')
      const outer = new ExceptionGroup('outer', [new cjs.ExceptionGroup('inner', [new TypeError('a'), new Error('b')])])
      const [match, rest] = outer.split(TypeError)
      console.log(cjs.ExceptionGroup === ExceptionGroup, outer instanceof cjs.ExceptionGroup)
      console.log([outer, match, rest].map((each) => each.leaves().map(String).join()).join(' '))
    `)
    expect({ stdout, stderr }).toEqual({
      stdout: 'false true\nTypeError: a,Error: b TypeError: a Error: b\n',
      stderr: '',
    })
  })

  describe('printed', () => {
    const deep = ['four', 'three', 'two', 'one'].reduce<unknown>(
      (inner, message) => new ExceptionGroup(message, [inner, new Error(`beside ${message}`)]),
      new RangeError('the one that counts'),
    )

    it('has all that is in it, indented, however deep', () => {
      const text = inspect(deep)
      for (const error of (deep as ExceptionGroup).leaves()) expect(text).toContain(String(error))
      expect(text).toMatch(/^ {16}RangeError: the one that counts$/m)
      expect(inspect(deep)).toBe(text)
    })

    it('leaves what else is in it as it is', () => {
      const noted = Object.assign(new Error('x'), { far: { away: { from: { here: true } } } })
      expect(inspect(new ExceptionGroup('g', [noted]))).toContain('far: [Object]')
      expect(inspect(new ExceptionGroup('g', [noted]), { depth: null })).toContain('here: true')
    })

    it('is so too when nobody catches it', () => {
      buildIfMissing()
      const { code, stderr } = runModule(`
        import { ExceptionGroup } from './dist/esm/structured/exceptionGroup.js'
        throw new ExceptionGroup('outer', [new ExceptionGroup('inner', [new RangeError('the one that counts')])])
      `)
      expect(code).toBe(1)
      expect(stderr).toMatch(/ExceptionGroup: outer[^]*ExceptionGroup: inner[^]*RangeError: the one that counts/)
    })
  })

  describe('split', () => {
    const group = new ExceptionGroup('outer', [
      a,
      new ExceptionGroup('inner', [b, c]),
      new ExceptionGroup('other', [b]),
    ])

    it('parts by class, and keeps how it is nested', () => {
      const [match, rest] = group.split(TypeError)
      expect(shape(match)).toEqual({ outer: [a, { inner: [c] }] })
      expect(shape(rest)).toEqual({ outer: [{ inner: [b] }, { other: [b] }] })
    })

    it('parts by a predicate, by a class of the library, and by one that is no error', () => {
      expect(shape(group.subgroup(isTypeError))).toEqual(shape(group.subgroup(TypeError)))
      class Thrown {}
      const [thrown, cancelled] = [new Thrown(), new Cancelled('x')]
      const mixed = new ExceptionGroup('mixed', [thrown, cancelled, new WouldBlock('y')])
      expect(mixed.subgroup(Cancelled)!.errors).toEqual([cancelled])
      expect(mixed.subgroup(Thrown)!.errors).toEqual([thrown])
      expect(mixed.subgroup(MillraceError)!.errors).toHaveLength(2)
      expect(mixed.split(Error)).toEqual([mixed, null])
    })

    it('gives null for what would be empty', () => {
      expect(group.split(SyntaxError)).toMatchObject([null, { message: 'outer' }])
      expect(group.subgroup(SyntaxError)).toBeNull()
      const [match, rest] = group.split((error) => !(error instanceof ExceptionGroup))
      expect(shape(match)).toEqual(shape(group))
      expect(rest).toBeNull()
    })

    it('takes a group that meets the condition as it is', () => {
      expect(group.split(ExceptionGroup)).toEqual([group, null])
      expect(group.split(ExceptionGroup)[0]).toBe(group)
      const [match, rest] = group.split((error) => (error as Error).message === 'inner')
      expect(match!.errors).toEqual([group.errors[1]])
      expect(match!.errors[0]).toBe(group.errors[1])
      expect(shape(rest)).toEqual({ outer: [a, { other: [b] }] })
    })

    it('does not look into an AggregateError', async () => {
      const any: unknown = await Promise.any([Promise.reject(a)]).catch((error: unknown) => error)
      const outer = new ExceptionGroup('outer', [any])
      expect(outer.leaves()).toEqual([any])
      expect(outer.split(TypeError)).toMatchObject([null, { errors: [any] }])
    })

    it('gives its parts the stack and the cause, and changes nothing of itself', () => {
      const whole = new ExceptionGroup('whole', [a, b], { cause: c })
      const parts = whole.split(TypeError)
      for (const part of parts) {
        expect(part).not.toBe(whole)
        expect([part!.stack, part!.cause]).toEqual([whole.stack, c])
        expect(Object.keys(part!)).toEqual(Object.keys(whole))
      }
      expect(whole.errors).toEqual([a, b])
      expect(group.split(TypeError).map((part) => 'cause' in part!)).toEqual([false, false])
    })

    it('refuses what is no condition', () => {
      for (const wrong of [undefined, 'TypeError', [TypeError]]) {
        expect(() => group.split(wrong as unknown as typeof Error)).toThrow(TypeError)
      }
    })

    it('passes on what the predicate throws', () => {
      const broken = (): boolean => {
        throw c
      }
      expect(thrownBy(() => group.split(broken))).toBe(c)
    })
  })

  describe('derive', () => {
    it('makes parts of the same class', () => {
      class JobErrors extends ExceptionGroup {}
      const [match, rest] = new JobErrors('jobs', [a, new ExceptionGroup('plain', [b, c])]).split(TypeError)
      for (const part of [match, rest]) expect(part).toBeInstanceOf(JobErrors)
      expect(match!.errors[1]).not.toBeInstanceOf(JobErrors)
    })

    it('can be overridden where the constructor takes something else', () => {
      class JobErrors extends ExceptionGroup {
        readonly job: number
        constructor(job: number, errors: Iterable<unknown>) {
          super(`job ${job}`, errors)
          this.job = job
        }
        override derive(errors: Iterable<unknown>): JobErrors {
          return new JobErrors(this.job, errors)
        }
      }
      const parts = new JobErrors(7, [a, b]).split(TypeError)
      expect(parts).toMatchObject([
        { job: 7, message: 'job 7', errors: [a] },
        { job: 7, errors: [b] },
      ])
    })
  })

  describe('of any tree', () => {
    class Numbered extends Error {
      readonly n: number
      constructor(n: number) {
        super(`error ${n}`)
        this.n = n
      }
    }
    const message = fc.constantFrom('x', 'y', 'z')
    const { group: groups } = fc.letrec<{ error: unknown; group: ExceptionGroup }>((tie) => ({
      error: fc.oneof(
        { depthSize: 'small' },
        fc.nat(9).map((n) => new Numbered(n)),
        tie('group'),
      ),
      group: fc
        .tuple(message, fc.array(tie('error'), { minLength: 1, maxLength: 4 }))
        .map(([text, errors]) => new ExceptionGroup(text, errors)),
    }))
    /** The tree without the leaves that `keeps` does not want, and without what is empty then. */
    const pruned = (error: unknown, keeps: (leaf: unknown) => boolean): unknown => {
      if (!(error instanceof ExceptionGroup)) return keeps(error) ? error : undefined
      const errors = error.errors.map((each) => pruned(each, keeps)).filter((each) => each !== undefined)
      return errors.length > 0 ? { [error.message]: errors } : undefined
    }

    it('split leaves every leaf in one of the parts, in order, nested as before', () => {
      fc.assert(
        fc.property(groups, fc.func(fc.boolean()), (group, chosen) => {
          const before = shape(group)
          const meets = (error: unknown): boolean => error instanceof Numbered && chosen(error.n)
          const [match, rest] = group.split(meets)
          expect(match?.leaves() ?? []).toEqual(group.leaves().filter((leaf) => meets(leaf)))
          expect(rest?.leaves() ?? []).toEqual(group.leaves().filter((leaf) => !meets(leaf)))
          expect(shape(match) ?? undefined).toEqual(pruned(group, meets))
          expect(shape(rest) ?? undefined).toEqual(pruned(group, (leaf) => !meets(leaf)))
          expect(shape(group)).toEqual(before)
        }),
      )
    })

    it('split by a message takes the outermost groups that have it, and leaves none', () => {
      fc.assert(
        fc.property(groups, message, (group, text) => {
          const meets = (error: unknown): boolean => error instanceof ExceptionGroup && error.message === text
          const [match, rest] = group.split(meets)
          const all = (error: unknown): ExceptionGroup[] =>
            error instanceof ExceptionGroup ? [error, ...error.errors.flatMap(all)] : []
          const outermost = (error: unknown): unknown[] =>
            meets(error) ? [error] : error instanceof ExceptionGroup ? error.errors.flatMap(outermost) : []
          expect(outermost(match)).toEqual(outermost(group))
          expect(all(rest).filter(meets)).toEqual([])
          const taken = outermost(group).flatMap((each) => (each as ExceptionGroup).leaves())
          expect((match?.leaves().length ?? 0) + (rest?.leaves().length ?? 0)).toBe(group.leaves().length)
          expect(match?.leaves() ?? []).toEqual(taken)
        }),
      )
    })
  })
})
