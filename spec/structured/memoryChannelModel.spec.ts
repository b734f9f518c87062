import fc from 'fast-check'
import {
  openMemoryChannel,
  type MemoryReceiveChannel,
  type MemorySendChannel,
} from '../../lib/structured/memoryChannel.ts'
import { ambient, signalScope } from '../support/signalScope.ts'
import { setAmbience } from '../../lib/wait.ts'

/** What is to become of a call: `waits` until it is something else. */
interface Call {
  readonly end: number
  readonly value?: number
  outcome: string
}

/** A channel as slow and as simple as can be: every call is an entry, every end a flag. */
class Model {
  readonly max: number
  readonly calls: Call[] = []
  readonly senders: boolean[] = [true]
  readonly receivers: boolean[] = [true]
  items: number[] = []

  constructor(max: number) {
    this.max = max
  }

  readonly #open = (ends: boolean[]): number => ends.filter(Boolean).length
  readonly #waiting = (kind: 'send' | 'receive'): Call[] =>
    this.calls.filter((call) => call.outcome === 'waits' && (call.value === undefined) === (kind === 'receive'))

  send(end: number, value: number, waits: boolean): Call {
    const call = { end, value, outcome: 'waits' }
    if (!this.senders[end]) call.outcome = 'ClosedResourceError'
    else if (this.#open(this.receivers) === 0) call.outcome = 'BrokenResourceError'
    this.calls.push(call)
    this.#settle()
    if (!waits && call.outcome === 'waits') call.outcome = 'WouldBlock'
    return call
  }

  receive(end: number, waits: boolean): Call {
    const call = { end, outcome: 'waits' }
    if (!this.receivers[end]) call.outcome = 'ClosedResourceError'
    this.calls.push(call)
    this.#settle()
    if (!waits && call.outcome === 'waits') call.outcome = 'WouldBlock'
    return call
  }

  cancel(index: number): void {
    const call = this.calls[index]
    if (call?.outcome === 'waits') call.outcome = 'cancelled'
  }

  closeSender(end: number): void {
    this.senders[end] = false
    for (const call of this.#waiting('send')) if (call.end === end) call.outcome = 'ClosedResourceError'
    this.#settle()
  }

  closeReceiver(end: number): void {
    this.receivers[end] = false
    for (const call of this.#waiting('receive')) if (call.end === end) call.outcome = 'ClosedResourceError'
    if (this.#open(this.receivers) > 0) return
    for (const call of this.#waiting('send')) call.outcome = 'BrokenResourceError'
    this.items = []
  }

  /** Moves what can be moved, one by one. */
  #settle(): void {
    for (;;) {
      const [send] = this.#waiting('send')
      const [receive] = this.#waiting('receive')
      if (receive !== undefined && this.items.length > 0) {
        receive.outcome = String(this.items.shift())
      } else if (send !== undefined && (this.items.length < this.max || receive !== undefined)) {
        this.items.push(send.value!)
        send.outcome = 'undefined'
      } else if (receive !== undefined && this.#open(this.senders) === 0) {
        receive.outcome = 'EndOfChannel'
      } else return
    }
  }

  statistics(): object {
    return {
      currentBufferUsed: this.items.length,
      maxBufferSize: this.max,
      openSendChannels: this.#open(this.senders),
      openReceiveChannels: this.#open(this.receivers),
      tasksWaitingSend: this.#waiting('send').length,
      tasksWaitingReceive: this.#waiting('receive').length,
    }
  }
}

/** The channel itself, driven in the same way. */
class Driver {
  readonly senders: MemorySendChannel<number>[]
  readonly receivers: MemoryReceiveChannel<number>[]
  readonly outcomes: string[] = []
  readonly controllers: AbortController[] = []
  readonly #by: string

  constructor(max: number, by: string) {
    const [sender, receiver] = openMemoryChannel<number>(max)
    this.senders = [sender]
    this.receivers = [receiver]
    this.#by = by
  }

  start(call: (options: { signal: AbortSignal }) => Promise<unknown>): void {
    const index = this.outcomes.push('waits') - 1
    const controller = new AbortController()
    this.controllers.push(controller)
    const { signal } = controller
    if (this.#by === 'ambient') setAmbience(ambient(signalScope(signal)))
    const promise = call(
      (this.#by === 'signal' ? { signal } : this.#by === 'scope' ? { scope: signalScope(signal) } : undefined) as never,
    )
    setAmbience(null)
    promise.then(
      (value) => (this.outcomes[index] = String(value)),
      (error: unknown) => (this.outcomes[index] = error === 'cancel' ? 'cancelled' : (error as Error).name),
    )
  }

  now(call: () => unknown): void {
    this.controllers.push(new AbortController())
    try {
      this.outcomes.push(String(call()))
    } catch (error) {
      this.outcomes.push((error as Error).name)
    }
  }
}

/** Resolves when all that was settled has got to hear of it. */
const told = async (): Promise<void> => {
  for (let i = 0; i < 4; i++) await Promise.resolve()
}

/** What an iteration says, as `receive()` would. */
async function received(next: Promise<IteratorResult<number, undefined>>): Promise<number> {
  const { done, value } = await next
  if (done) throw Object.assign(new Error('over'), { name: 'EndOfChannel' })
  return value
}

const step = fc.record({
  kind: fc.constantFrom(
    ...(['send', 'send', 'send', 'receive', 'receive', 'next', 'sendNowait', 'receiveNowait'] as const),
    ...(['cancel', 'cancel', 'cloneSender', 'cloneReceiver', 'closeSender', 'closeReceiver'] as const),
  ),
  which: fc.nat(7),
  /** Whether those who wait get to hear of it before the next step. */
  turn: fc.boolean(),
})

describe('a memory channel', () => {
  it.each(['signal', 'scope', 'ambient'])(
    'does what a simple model does, in any order of calls, closes and cancels (%s)',
    async (by) => {
      await fc.assert(
        fc.asyncProperty(fc.constantFrom(0, 1, 2, Infinity), fc.array(step, { maxLength: 40 }), async (max, steps) => {
          const model = new Model(max)
          const real = new Driver(max, by)
          let value = 0
          for (const { kind, which, turn } of steps) {
            const s = which % model.senders.length
            const r = which % model.receivers.length
            const [sender, receiver] = [real.senders[s]!, real.receivers[r]!]
            if (kind === 'send') {
              model.send(s, ++value, true)
              real.start((options) => sender.send(value, options))
            } else if (kind === 'sendNowait') {
              model.send(s, ++value, false)
              real.now(() => sender.sendNowait(value))
            } else if (kind === 'receive' || (kind === 'next' && by !== 'ambient')) {
              model.receive(r, true)
              real.start((options) => receiver.receive(options))
            } else if (kind === 'next') {
              model.receive(r, true)
              real.start(() => received(receiver[Symbol.asyncIterator]().next()))
            } else if (kind === 'receiveNowait') {
              model.receive(r, false)
              real.now(() => receiver.receiveNowait())
            } else if (kind === 'cancel') {
              const waiting = model.calls.flatMap((call, i) => (call.outcome === 'waits' ? [i] : []))
              const index = waiting[which % waiting.length]
              if (index === undefined) continue
              model.cancel(index)
              real.controllers[index]!.abort('cancel')
            } else if (kind === 'cloneSender' && model.senders[s]) {
              model.senders.push(true)
              real.senders.push(sender.clone())
            } else if (kind === 'cloneReceiver' && model.receivers[r]) {
              model.receivers.push(true)
              real.receivers.push(receiver.clone())
            } else if (kind === 'closeSender') {
              model.closeSender(s)
              sender.close()
            } else if (kind === 'closeReceiver') {
              model.closeReceiver(r)
              receiver.close()
            }
            expect(sender.statistics()).toEqual(model.statistics())
            if (!turn) continue
            await told()
            expect(real.outcomes).toEqual(model.calls.map(({ outcome }) => outcome))
          }
          await told()
          expect(real.outcomes).toEqual(model.calls.map(({ outcome }) => outcome))
        }),
        { numRuns: 200 },
      )
    },
  )
})
