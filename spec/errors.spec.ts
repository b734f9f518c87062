import {
  CancelledError,
  ConnectError,
  ConnectionLostError,
  DecodeError,
  FrameError,
  FrameTooLargeError,
  IncompleteReadError,
  InvalidFrameError,
  InvalidStateError,
  LimitOverrunError,
  MillraceError,
  NotImplementedError,
  ProcessLookupError,
  TimeoutError,
  UnknownTypeError,
} from '../lib/errors.ts'
import { buildIfMissing, runModule } from './support/builtPackage.ts'

const cause = new Error('the cause')
const three = Uint8Array.of(1, 2, 3)

// One of each, with its code and its message.
const all: [name: string, error: MillraceError, code: string, message: string][] = [
  [
    'IncompleteReadError',
    new IncompleteReadError(three, 8, '127.0.0.1:5000'),
    'ERR_MILLRACE_INCOMPLETE_READ',
    'read 3 of 8 bytes from 127.0.0.1:5000 before the end of the stream',
  ],
  ['LimitOverrunError', new LimitOverrunError('no end', 70, 64), 'ERR_MILLRACE_LIMIT_OVERRUN', 'no end'],
  [
    'FrameTooLargeError',
    new FrameTooLargeError(9, 8),
    'ERR_MILLRACE_FRAME_TOO_LARGE',
    'a frame of 9 bytes is over the limit of 8',
  ],
  ['InvalidFrameError', new InvalidFrameError('no frame'), 'ERR_MILLRACE_INVALID_FRAME', 'no frame'],
  [
    'UnknownTypeError',
    new UnknownTypeError(7, 1),
    'ERR_MILLRACE_UNKNOWN_TYPE',
    'a message of 1 byte has the type 7, which is not registered',
  ],
  [
    'DecodeError',
    new DecodeError('Person', 3, 2, 'index out of range'),
    'ERR_MILLRACE_DECODE',
    '3 bytes do not decode as Person at byte 2: index out of range',
  ],
  ['ConnectionLostError', new ConnectionLostError('reset'), 'ERR_MILLRACE_CONNECTION_LOST', 'reset'],
  [
    'ConnectError',
    new ConnectError('[::1]:5000', 'connection refused'),
    'ERR_MILLRACE_CONNECT',
    'could not connect to [::1]:5000: connection refused',
  ],
  ['InvalidStateError', new InvalidStateError('twice'), 'ERR_MILLRACE_INVALID_STATE', 'twice'],
  ['NotImplementedError', new NotImplementedError('not here'), 'ERR_MILLRACE_NOT_IMPLEMENTED', 'not here'],
  ['CancelledError', new CancelledError('stopped'), 'ABORT_ERR', 'stopped'],
  [
    'ProcessLookupError',
    new ProcessLookupError('process 9 (cat)', 9, -15),
    'ERR_MILLRACE_PROCESS_LOOKUP',
    'process 9 (cat) has exited with -15',
  ],
  ['TimeoutError', new TimeoutError('readExactly', 20), 'ERR_MILLRACE_TIMEOUT', 'readExactly took longer than 20 ms'],
]
const classes: Record<string, abstract new (...args: never[]) => MillraceError> = {
  IncompleteReadError,
  LimitOverrunError,
  FrameTooLargeError,
  InvalidFrameError,
  UnknownTypeError,
  DecodeError,
  ConnectionLostError,
  ConnectError,
  InvalidStateError,
  NotImplementedError,
  ProcessLookupError,
  CancelledError,
  TimeoutError,
}
const frameErrors = ['FrameTooLargeError', 'InvalidFrameError', 'UnknownTypeError', 'DecodeError']

describe('errors', () => {
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

    it(`is ${frameErrors.includes(name) ? '' : 'not '}a FrameError`, () => {
      expect(error instanceof FrameError).toBe(frameErrors.includes(name))
    })

    it('survives JSON with its name, message, code and fields', () => {
      const plain = JSON.parse(JSON.stringify(error)) as object
      expect(plain).toMatchObject({ name, code, message })
    })

    it('can be cloned by its toJSON()', () => {
      const plain = error.toJSON()
      expect(structuredClone(plain)).toEqual(plain)
    })
  })

  it('have codes of their own each', () => {
    expect(new Set(all.map(([, error]) => error.code)).size).toBe(all.length)
    expect(all.length).toBe(Object.keys(classes).length)
  })

  it('have their fields, and no others, as properties of their own', () => {
    expect(Object.keys(new FrameTooLargeError(9, 8)).sort()).toEqual(['code', 'limit', 'peer', 'recoverable', 'size'])
    expect(Object.keys(new TimeoutError('read', 20)).sort()).toEqual(['code', 'operation', 'timeoutMs'])
  })

  describe('instanceof', () => {
    it('is false for what is no error at all', () => {
      for (const value of [undefined, null, 0, 'x', {}, () => {}, new Error('x'), Object.create(null)]) {
        expect(value instanceof MillraceError).toBe(false)
        expect(value instanceof TimeoutError).toBe(false)
      }
    })

    it('does not take an object with the right fields for an error', () => {
      const double = { name: 'TimeoutError', code: 'ERR_MILLRACE_TIMEOUT', message: 'x' }
      expect(double instanceof TimeoutError).toBe(false)
    })

    it('goes by the ordinary rule for a class of your own', () => {
      class QbpError extends InvalidFrameError {}
      class OtherError extends InvalidFrameError {}
      const error = new QbpError('bad magic', 4)
      expect(error).toBeInstanceOf(QbpError)
      expect(error).toBeInstanceOf(InvalidFrameError)
      expect(error).toBeInstanceOf(FrameError)
      expect(error).toBeInstanceOf(MillraceError)
      expect(error instanceof OtherError).toBe(false)
      expect(new InvalidFrameError('x') instanceof QbpError).toBe(false)
      expect({ code: error.code, offset: error.offset }).toEqual({ code: 'ERR_MILLRACE_INVALID_FRAME', offset: 4 })
    })

    it('lets a class of your own have its own name and code', () => {
      class QuotaError extends MillraceError {
        readonly code = 'ERR_QUOTA'
        override name = 'QuotaError'
      }
      const error = new QuotaError('too much')
      expect(String(error)).toBe('QuotaError: too much')
      expect(error).toBeInstanceOf(MillraceError)
      expect(error.toJSON()).toEqual({ name: 'QuotaError', code: 'ERR_QUOTA', message: 'too much' })
    })

    it('is true across the two builds of the package, both ways', () => {
      buildIfMissing()
      const { stdout, stderr } = runModule(`
        import * as esm from './dist/esm/index.js'
        import { createRequire } from 'node:module'
        const cjs = createRequire(process.cwd() + '/x.js')('./dist/cjs/index.js')
        const made = (m) => [
          new m.IncompleteReadError(new Uint8Array(1), 2), new m.LimitOverrunError('x', 1, 1),
          new m.FrameTooLargeError(2, 1), new m.InvalidFrameError('x'), new m.UnknownTypeError(1, 1),
          new m.DecodeError('T', 1, 0, 'x'), new m.ConnectionLostError('x'), new m.ConnectError('p', 'x'),
          new m.InvalidStateError('x'), new m.NotImplementedError('x'), new m.CancelledError('x'),
          new m.TimeoutError('x', 1),
        ]
        class Mine extends cjs.TimeoutError {}
        const check = (from, to) => made(from).map((e) => [
          e.constructor !== to[e.name], e instanceof to[e.name], e instanceof to.MillraceError,
          e instanceof to.FrameError, e instanceof to.TimeoutError, e instanceof Mine,
        ].map(Number).join(''))
        console.log(JSON.stringify([check(esm, cjs), check(cjs, esm), new Mine('x', 1) instanceof esm.TimeoutError]))
      `)
      expect(stderr).toBe('')
      // Another class; instance of it; a MillraceError; a FrameError; a TimeoutError; of a class derived by the user.
      const each = [
        '111000', // IncompleteReadError
        '111000', // LimitOverrunError
        '111100', // FrameTooLargeError
        '111100', // InvalidFrameError
        '111100', // UnknownTypeError
        '111100', // DecodeError
        '111000', // ConnectionLostError
        '111000', // ConnectError
        '111000', // InvalidStateError
        '111000', // NotImplementedError
        '111000', // CancelledError
        '111010', // TimeoutError
      ]
      expect(JSON.parse(stdout)).toEqual([each, each, true])
    })
  })

  describe('IncompleteReadError', () => {
    it.each([
      [0, 8, undefined, 'read 0 of 8 bytes before the end of the stream'],
      [1, 8, undefined, 'read 1 of 8 bytes before the end of the stream'],
      [0, 1, undefined, 'read 0 of 1 byte before the end of the stream'],
      [1, null, undefined, 'read 1 byte before the end of the stream'],
      [2, null, 'unix:/run/x', 'read 2 bytes from unix:/run/x before the end of the stream'],
    ])('says how much there was: %i of %p from %p', (n, expected, peer, message) => {
      const partial = new Uint8Array(n)
      const error = new IncompleteReadError(partial, expected, peer)
      expect(error.message).toBe(message)
      expect(error.partial).toBe(partial)
      expect({ expected: error.expected, peer: error.peer }).toEqual({ expected, peer })
    })
  })

  describe('FrameTooLargeError', () => {
    it('says what it was that is too large', () => {
      const error = new FrameTooLargeError(2 ** 53, 10, 'a message of type 9')
      expect(error.message).toBe('a message of type 9 of 9007199254740992 bytes is over the limit of 10')
      expect({ size: error.size, limit: error.limit }).toEqual({ size: 2 ** 53, limit: 10 })
    })
  })

  describe('InvalidFrameError', () => {
    it('has offset 0 unless told otherwise', () => {
      expect(new InvalidFrameError('x').offset).toBe(0)
      expect(new InvalidFrameError('x', 3).offset).toBe(3)
    })
  })

  describe('DecodeError', () => {
    it.each([
      [1, undefined, '1 byte does not decode as T: x'],
      [0, 0, '0 bytes do not decode as T at byte 0: x'],
    ])('names the type and the place, if there is one: %i bytes, %p', (size, offset, message) => {
      const error = new DecodeError('T', size, offset, 'x', { cause })
      expect(error.message).toBe(message)
      expect({ type: error.type, size: error.size, offset: error.offset }).toEqual({ type: 'T', size, offset })
      expect(error.cause).toBe(cause)
    })
  })

  describe('ConnectionLostError and ConnectError', () => {
    it('keep the peer and the cause', () => {
      const lost = new ConnectionLostError('reset', '127.0.0.1:1', { cause })
      expect({ peer: lost.peer, cause: lost.cause }).toEqual({ peer: '127.0.0.1:1', cause })
      const refused = new ConnectError('127.0.0.1:1', 'refused', { cause })
      expect({ peer: refused.peer, cause: refused.cause }).toEqual({ peer: '127.0.0.1:1', cause })
    })
  })

  describe('CancelledError', () => {
    it('keeps its reason, which is also the cause if it is an error', () => {
      const withError = new CancelledError('stopped', cause)
      expect(withError.reason).toBe(cause)
      expect(withError.cause).toBe(cause)
      const withText = new CancelledError('stopped', 'enough')
      expect(withText.reason).toBe('enough')
      expect('cause' in withText).toBe(false)
    })

    it('has the code of what Node itself aborts', async () => {
      const { setTimeout: delay } = await import('node:timers/promises')
      const aborted = await delay(1000, undefined, { signal: AbortSignal.abort() }).catch((error: unknown) => error)
      expect((aborted as { code: string }).code).toBe(new CancelledError('x').code)
    })
  })

  describe('toJSON', () => {
    it('has every field', () => {
      expect(new DecodeError('T', 1, 0, 'x').toJSON()).toStrictEqual({
        name: 'DecodeError',
        message: '1 byte does not decode as T at byte 0: x',
        code: 'ERR_MILLRACE_DECODE',
        peer: undefined,
        recoverable: false,
        type: 'T',
        size: 1,
        offset: 0,
      })
      expect(new IncompleteReadError(three, null, 'p').toJSON()).toStrictEqual({
        name: 'IncompleteReadError',
        message: 'read 3 bytes from p before the end of the stream',
        code: 'ERR_MILLRACE_INCOMPLETE_READ',
        partial: three,
        expected: null,
        peer: 'p',
      })
    })

    it('has what was added later', () => {
      const error = new InvalidFrameError('x', 2)
      error.peer = '127.0.0.1:1'
      error.message += ' (from there)'
      expect(error.toJSON()).toMatchObject({ peer: '127.0.0.1:1', message: 'x (from there)', offset: 2 })
    })
  })
})
