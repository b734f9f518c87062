import { CancelledError, MillraceError } from '../../lib/errors.ts'
import * as errors from '../../lib/structured/errors.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'

const {
  AsyncLibraryNotFoundError,
  BrokenResourceError,
  BrokenWorkerError,
  CalledProcessError,
  Cancelled,
  ClosedResourceError,
  EndOfChannel,
  TooSlowError,
  WouldBlock,
} = errors
const ended = { returncode: 3, signal: null, stdout: null, stderr: null }

// One of each, with its code and its message.
const all: [name: string, error: MillraceError, code: string, message: string][] = [
  ['Cancelled', new Cancelled('enough'), 'ABORT_ERR', 'cancelled: enough'],
  ['TooSlowError', new TooSlowError(20), 'ERR_MILLRACE_TOO_SLOW', 'the block took longer than 20 ms'],
  ['ClosedResourceError', new ClosedResourceError('closed'), 'ERR_MILLRACE_CLOSED_RESOURCE', 'closed'],
  ['BrokenResourceError', new BrokenResourceError('nobody'), 'ERR_MILLRACE_BROKEN_RESOURCE', 'nobody'],
  ['EndOfChannel', new EndOfChannel('over'), 'ERR_MILLRACE_END_OF_CHANNEL', 'over'],
  ['WouldBlock', new WouldBlock('full'), 'ERR_MILLRACE_WOULD_BLOCK', 'full'],
  [
    'AsyncLibraryNotFoundError',
    new AsyncLibraryNotFoundError(),
    'ERR_MILLRACE_ASYNC_LIBRARY_NOT_FOUND',
    'neither trio nor asyncio flavour here: call it inside run(), openNursery() or openLoop()',
  ],
  [
    'CalledProcessError',
    new CalledProcessError(['git', 'push'], ended),
    'ERR_MILLRACE_CALLED_PROCESS',
    'git push exited with 3',
  ],
  ['BrokenWorkerError', new BrokenWorkerError('gone'), 'ERR_MILLRACE_BROKEN_WORKER', 'gone'],
]
const classes = errors as unknown as Record<string, new () => Error>

describe('errors of the structured flavour', () => {
  it('are all here', () => {
    expect(all.map(([name]) => name).sort()).toEqual(Object.keys(classes).sort())
  })

  describe.each(all)('%s', (name, error, code, message) => {
    it('has its name, its code, its message and a stack that shows where it was made', () => {
      expect({ name: error.name, code: error.code, message: error.message }).toEqual({ name, code, message })
      expect(String(error)).toBe(`${name}: ${message}`)
      expect(error.stack).toContain('errors.spec.ts')
    })

    it('is an Error, a MillraceError and of its own class alone', () => {
      expect(error).toBeInstanceOf(Error)
      expect(error).toBeInstanceOf(MillraceError)
      expect(Object.keys(classes).filter((each) => error instanceof classes[each]!)).toEqual([name])
    })

    it('survives JSON with its name, message and code', () => {
      expect(JSON.parse(JSON.stringify(error))).toMatchObject({ name, code, message })
    })
  })

  it('are known across the two builds of the package, both ways', () => {
    buildIfMissing()
    const { stdout, stderr } = runModule(`
      import * as esm from './dist/esm/structured/errors.js'
      import { createRequire } from 'node:module'
      const cjs = createRequire(process.cwd() + '/x.js')('./dist/cjs/structured/errors.js')
      const made = (from) => Object.entries(from).map(([name, Class]) =>
        [name, name === 'CalledProcessError' ? new Class([], {}) : new Class('x')])
      const strange = (from, to) => made(from).filter(([name, error]) =>
        error.constructor === to[name] || !(error instanceof to[name]) || (name !== 'Cancelled' && error instanceof to.Cancelled))
      console.log(made(esm).length, strange(esm, cjs).length, strange(cjs, esm).length)
    `)
    expect({ stdout, stderr }).toEqual({ stdout: `${all.length} 0 0\n`, stderr: '' })
  })

  describe('Cancelled', () => {
    it('is no CancelledError, nor the reverse', () => {
      expect(new Cancelled() instanceof CancelledError).toBe(false)
      expect(new CancelledError('x') instanceof Cancelled).toBe(false)
      expect(new Cancelled().code).toBe(new CancelledError('x').code)
    })

    it.each([
      [undefined, 'cancelled'],
      [null, 'cancelled: null'],
      ['the user left', 'cancelled: the user left'],
      [new RangeError('too far'), 'cancelled: RangeError: too far'],
      [{ signal: 'SIGTERM' }, 'cancelled: {"signal":"SIGTERM"}'],
      [Symbol('s'), 'cancelled: Symbol(s)'],
      [{ n: 1n }, 'cancelled: for a reason that cannot be printed'],
    ])('for %p says so and has it for its cause', (reason, message) => {
      const error = new Cancelled(reason)
      expect(error.message).toBe(message)
      expect(error.cause).toBe(reason)
    })

    it('without a reason has no cause', () => {
      expect('cause' in new Cancelled()).toBe(false)
    })
  })

  describe('TooSlowError', () => {
    it('knows its time, if it was one', () => {
      expect(new TooSlowError(0).timeoutMs).toBe(0)
      const late = new TooSlowError()
      expect([late.timeoutMs, late.message]).toEqual([undefined, 'the block was not done by its deadline'])
    })
  })

  describe('CalledProcessError', () => {
    it('has all that the process left', () => {
      const result = { returncode: -15, signal: 'SIGTERM' as const, stdout: Buffer.from('x'), stderr: null }
      const error = new CalledProcessError(['sleep', '9'], result)
      expect(error).toMatchObject({ ...result, command: ['sleep', '9'] })
      expect(error.message).toBe('sleep 9 was ended by SIGTERM')
    })

    it.each([
      ['', ''],
      ['\n\n', ''],
      ['first\nlast\n', ': last'],
      ['e'.repeat(300), `: ${'e'.repeat(200)}`],
    ])('ends with the last line of stderr: %p', (stderr, tail) => {
      const error = new CalledProcessError(['ls'], { ...ended, stderr: Buffer.from(stderr) })
      expect(error.message).toBe(`ls exited with 3${tail}`)
    })
  })
})
