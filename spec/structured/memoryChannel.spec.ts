import {
  BrokenResourceError,
  Cancelled,
  ClosedResourceError,
  EndOfChannel,
  WouldBlock,
} from '../../lib/structured/errors.ts'
import type { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import {
  MemoryReceiveChannel,
  MemorySendChannel,
  openMemoryChannel,
  type MemoryChannelStatistics,
} from '../../lib/structured/memoryChannel.ts'
import { openNursery } from '../../lib/structured/nursery.ts'
import { nextTurn } from '../../lib/wait.ts'
import { buildIfMissing, runModule } from '../support/builtPackage.ts'
import { signalScope } from '../support/signalScope.ts'
import { thrownBy } from '../support/thrown.ts'

/** What becomes of each, in the order in which it does. */
class Log {
  readonly lines: string[] = []

  note(name: string, promise: Promise<unknown>): void {
    promise.then(
      (value) => this.lines.push(`${name}: ${String(value)}`),
      (error: Error) => this.lines.push(`${name}: ${error.name ?? error}`),
    )
  }
}

/** In the channel, and waiting to send and to receive. */
const counts = (end: { statistics(): MemoryChannelStatistics }): number[] => {
  const { currentBufferUsed, tasksWaitingSend, tasksWaitingReceive } = end.statistics()
  return [currentBufferUsed, tasksWaitingSend, tasksWaitingReceive]
}

describe('openMemoryChannel', () => {
  it.each([-1, 0.5, NaN, -Infinity])('of size %p is refused', (size) => {
    expect(() => openMemoryChannel(size)).toThrow(RangeError)
  })

  it.each([undefined, null, '1', 1n])('of size %p is refused, too', (size) => {
    expect(() => openMemoryChannel(size as unknown as number)).toThrow(TypeError)
  })

  it('is the only way to make one', () => {
    for (const Class of [MemorySendChannel, MemoryReceiveChannel] as unknown as (new (state?: object) => object)[]) {
      expect(() => new Class()).toThrow('openMemoryChannel()')
      expect(() => new Class({})).toThrow(TypeError)
    }
  })
})

describe('a memory channel', () => {
  describe('of size 0', () => {
    it('makes the sender wait until somebody receives', async () => {
      const [sender, receiver] = openMemoryChannel<string>(0)
      const log = new Log()
      log.note('a', sender.send('x'))
      log.note('b', sender.send('y'))
      await nextTurn()
      expect([log.lines, counts(sender)]).toEqual([[], [0, 2, 0]])
      await expect(receiver.receive()).resolves.toBe('x')
      expect(log.lines).toEqual(['a: undefined'])
      await expect(receiver.receive()).resolves.toBe('y')
      expect(counts(receiver)).toEqual([0, 0, 0])
    })

    it('makes the receiver wait until somebody sends', async () => {
      const [sender, receiver] = openMemoryChannel<string>(0)
      const log = new Log()
      for (const name of ['a', 'b']) log.note(name, receiver.receive())
      expect(counts(sender)).toEqual([0, 0, 2])
      await sender.send('x')
      await sender.send('y')
      await nextTurn()
      expect(log.lines).toEqual(['a: x', 'b: y'])
    })
  })

  it('holds as many as it may, then the sender waits; who waits comes in as soon as there is room', async () => {
    const [sender, receiver] = openMemoryChannel<string>(2)
    await sender.send('1')
    await sender.send('2')
    const log = new Log()
    log.note('third', sender.send('3'))
    await nextTurn()
    expect([log.lines, counts(sender)]).toEqual([[], [2, 1, 0]])
    expect(receiver.receiveNowait()).toBe('1')
    expect(counts(sender)).toEqual([2, 0, 0])
    await nextTurn()
    expect(log.lines).toEqual(['third: undefined'])
    expect([await receiver.receive(), await receiver.receive()]).toEqual(['2', '3'])
  })

  it('of size Infinity never makes the sender wait', async () => {
    const [sender, receiver] = openMemoryChannel<number>(Infinity)
    for (let i = 0; i < 5000; i++) sender.sendNowait(i)
    sender.close()
    const got: number[] = []
    for await (const i of receiver) got.push(i)
    expect(got).toEqual(Array.from({ length: 5000 }, (_, i) => i))
  })

  it('tells what is going on in it', () => {
    const [sender, receiver] = openMemoryChannel<string>(1)
    const other = sender.clone()
    sender.sendNowait('x')
    void sender.send('y')
    const expected = {
      currentBufferUsed: 1,
      maxBufferSize: 1,
      openSendChannels: 2,
      openReceiveChannels: 1,
      tasksWaitingSend: 1,
      tasksWaitingReceive: 0,
    }
    for (const end of [sender, other, receiver]) expect(end.statistics()).toEqual(expected)
  })

  it('lets what could be done at once wait for its turn all the same', async () => {
    const [sender, receiver] = openMemoryChannel<string>(1)
    const order: string[] = []
    const sending = sender.send('x').then(() => order.push('sent'))
    order.push('here')
    await sending
    const receiving = receiver.receive().then(() => order.push('received'))
    order.push('there')
    await receiving
    expect(order).toEqual(['here', 'sent', 'there', 'received'])
  })

  it('sends and receives without waiting, or not at all', () => {
    const [sender, receiver] = openMemoryChannel<string>(1)
    expect(() => receiver.receiveNowait()).toThrow(WouldBlock)
    sender.sendNowait('x')
    expect(() => sender.sendNowait('y')).toThrow('the channel is full, it holds 1')
    expect(receiver.receiveNowait()).toBe('x')
    const [rendezvous] = openMemoryChannel<string>(0)
    expect(() => rendezvous.sendNowait('x')).toThrow(WouldBlock)
  })

  describe.each([
    ['signal', (signal: AbortSignal) => ({ signal })],
    ['scope', (signal: AbortSignal) => ({ scope: signalScope(signal) })],
  ])('whose wait is cancelled by its %s', (_name, options) => {
    it('loses nothing of what was to be received, and delivers nothing of what was to be sent', async () => {
      const [sender, receiver] = openMemoryChannel<string>(0)
      const [first, second] = [new AbortController(), new AbortController()]
      const receiving = receiver.receive(options(first.signal))
      first.abort('enough')
      await expect(receiving).rejects.toBe('enough')
      const sending = sender.send('never', options(second.signal))
      const other = sender.send('x')
      second.abort('enough')
      await expect(sending).rejects.toBe('enough')
      expect(counts(sender)).toEqual([0, 1, 0])
      await expect(receiver.receive()).resolves.toBe('x')
      await other
    })

    it('is a checkpoint also where it need not wait', async () => {
      const [sender, receiver] = openMemoryChannel<string>(2)
      const cancelled = options(AbortSignal.abort('before'))
      await sender.send('x', options(new AbortController().signal))
      await expect(sender.send('y', cancelled)).rejects.toBe('before')
      await expect(receiver.receive(cancelled)).rejects.toBe('before')
      expect(counts(sender)).toEqual([1, 0, 0])
      sender.close()
      await expect(sender.send('y', cancelled)).rejects.toBe('before')
    })

    it('was done if it was so before the cancel', async () => {
      const [sender, receiver] = openMemoryChannel<string>(0)
      const controller = new AbortController()
      const receiving = receiver.receive(options(controller.signal))
      sender.sendNowait('x')
      controller.abort('late')
      await expect(receiving).resolves.toBe('x')
    })
  })

  describe('when ends close', () => {
    it('lets receivers have what is there before the end', async () => {
      const [sender, receiver] = openMemoryChannel<string>(2)
      const clone = sender.clone()
      await sender.send('x')
      await clone.send('y')
      sender.close()
      expect(await receiver.receive()).toBe('x')
      clone.close()
      expect(await receiver.receive()).toBe('y')
      await expect(receiver.receive()).rejects.toBeInstanceOf(EndOfChannel)
      expect(() => receiver.receiveNowait()).toThrow(EndOfChannel)
    })

    it('wakes those who wait to receive, once the last sender is closed', async () => {
      const [sender, receiver] = openMemoryChannel<string>(0)
      const clone = sender.clone()
      const log = new Log()
      log.note('a', receiver.receive())
      log.note('b', receiver.clone().receive())
      sender.close()
      await nextTurn()
      expect(log.lines).toEqual([])
      clone.close()
      await nextTurn()
      expect(log.lines).toEqual(['a: EndOfChannel', 'b: EndOfChannel'])
    })

    it('wakes those who wait to send, once the last receiver is closed, and drops what is there', async () => {
      const [sender, receiver] = openMemoryChannel<string>(1)
      const clone = receiver.clone()
      const log = new Log()
      for (const name of ['a', 'b', 'c']) log.note(name, sender.send(name))
      receiver.close()
      await nextTurn()
      expect(log.lines).toEqual(['a: undefined'])
      clone.close()
      await nextTurn()
      expect(log.lines.slice(1)).toEqual(['b: BrokenResourceError', 'c: BrokenResourceError'])
      expect(counts(sender)).toEqual([0, 0, 0])
      await expect(sender.send('d')).rejects.toBeInstanceOf(BrokenResourceError)
      expect(() => sender.sendNowait('d')).toThrow(BrokenResourceError)
    })

    it('wakes those who wait at the very end that closes, and no others', async () => {
      const [sender, receiver] = openMemoryChannel<string>(0)
      const log = new Log()
      const clones = [sender.clone(), sender.clone()]
      log.note('a', clones[0]!.send('a'))
      log.note('b', clones[1]!.send('b'))
      log.note('c', clones[0]!.send('c'))
      clones[0]!.close()
      await nextTurn()
      expect(log.lines).toEqual(['a: ClosedResourceError', 'c: ClosedResourceError'])
      expect(await receiver.receive()).toBe('b')

      log.lines.length = 0
      const other = receiver.clone()
      log.note('mine', other.receive())
      log.note('theirs', receiver.receive())
      other.close()
      await sender.send('x')
      await nextTurn()
      expect(log.lines).toEqual(['mine: ClosedResourceError', 'theirs: x'])
    })

    it('refuses everything at an end that is closed, and may be closed again', async () => {
      const [sender, receiver] = openMemoryChannel<string>(1)
      sender.sendNowait('x')
      sender.clone()
      receiver.clone()
      for (const end of [sender, receiver]) {
        end.close()
        end.close()
        expect(() => end.clone()).toThrow(ClosedResourceError)
        expect(end.statistics()).toMatchObject({ openSendChannels: 1 })
      }
      await expect(sender.send('y')).rejects.toBeInstanceOf(ClosedResourceError)
      await expect(receiver.receive()).rejects.toBeInstanceOf(ClosedResourceError)
      for (const call of [() => sender.sendNowait('y'), () => receiver.receiveNowait()]) {
        expect(thrownBy(call)).toBeInstanceOf(ClosedResourceError)
      }
      expect(sender.statistics()).toMatchObject({ openReceiveChannels: 1, currentBufferUsed: 1 })
    })

    it('goes by using, too', async () => {
      const [sender, receiver] = openMemoryChannel<string>(1)
      {
        using mine = sender.clone()
        await using theirs = receiver.clone()
        expect([mine, theirs]).toHaveLength(2)
        expect(sender.statistics()).toMatchObject({ openSendChannels: 2, openReceiveChannels: 2 })
      }
      {
        await using mine = sender
        using theirs = receiver
        expect([mine, theirs]).toHaveLength(2)
        expect(sender.statistics()).toMatchObject({ openSendChannels: 1, openReceiveChannels: 1 })
      }
      expect(sender.statistics()).toMatchObject({ openSendChannels: 0, openReceiveChannels: 0 })
    })
  })

  describe('for await', () => {
    it('goes on until the senders are closed, also while it waits', async () => {
      const [sender, receiver] = openMemoryChannel<string>(1)
      const got: string[] = []
      const loop = (async () => {
        for await (const each of receiver) got.push(each)
        return 'over'
      })()
      for (const each of ['a', 'b', 'c']) await sender.send(each)
      await nextTurn()
      expect(counts(sender)).toEqual([0, 0, 1])
      sender.close()
      await expect(loop).resolves.toBe('over')
      expect(got).toEqual(['a', 'b', 'c'])
      for await (const each of receiver) got.push(each)
      expect(got).toHaveLength(3)
    })

    it('can be left and taken up again: the receiver stays open', async () => {
      const [sender, receiver] = openMemoryChannel<string>(3)
      for (const each of ['a', 'b', 'c']) sender.sendNowait(each)
      for await (const each of receiver) if (each === 'a') break
      const failing = (async () => {
        for await (const each of receiver) throw new Error(each)
      })()
      await expect(failing).rejects.toThrow('b')
      expect(await receiver.receive()).toBe('c')
      expect(sender.statistics().openReceiveChannels).toBe(1)
    })

    it('fails when the receiver itself is closed', async () => {
      const [, receiver] = openMemoryChannel<string>(1)
      const loop = (async () => {
        for await (const each of receiver) expect(each).toBe('never')
      })()
      receiver.close()
      await expect(loop).rejects.toBeInstanceOf(ClosedResourceError)
    })

    it('gives what is no string as it is', async () => {
      const [sender, receiver] = openMemoryChannel<unknown>(Infinity)
      const all = [undefined, null, 0, { then: 'no function' }, Promise.resolve(1), new Error('x')]
      for (const each of all) sender.sendNowait(each)
      sender.close()
      const got: unknown[] = []
      for await (const each of receiver) got.push(each)
      expect(got).toHaveLength(all.length)
      expect(got.every((each, i) => Object.is(each, all[i]))).toBe(true)
    })
  })

  describe('in scopes', () => {
    it('is left by a cancel, again and again, and nothing is lost', async () => {
      const [sender, receiver] = openMemoryChannel<string>(1)
      const scope = new CancelScope()
      const seen: unknown[] = []
      const running = scope.run(async () => {
        await receiver.receive().catch((error: unknown) => seen.push(error))
        sender.sendNowait('kept')
        await receiver.receive().catch((error: unknown) => seen.push(error))
        for await (const each of receiver) seen.push(each)
      })
      await nextTurn()
      scope.cancel('enough')
      await running
      expect(seen).toHaveLength(2)
      for (const error of seen) expect(error).toBeInstanceOf(Cancelled)
      expect(scope.cancelledCaught).toBe(true)
      expect(receiver.receiveNowait()).toBe('kept')
      expect(counts(sender)).toEqual([0, 0, 0])
    })

    it('takes another scope than the ambient one', async () => {
      const [sender, receiver] = openMemoryChannel<string>(1)
      const inner = new CancelScope()
      const other = new CancelScope()
      await inner.run(async () => {
        inner.cancel()
        await sender.send('x', { scope: other })
        expect(await receiver.receive({ scope: other })).toBe('x')
      })
      expect(inner.cancelledCaught).toBe(false)
    })

    it('serves a pool of workers that share an end each, and all come to their end', async () => {
      const [sender, receiver] = openMemoryChannel<number>(3)
      const got: number[] = []
      await openNursery(async (nursery) => {
        for (let worker = 0; worker < 4; worker++) {
          nursery.startSoon(async (mine: MemoryReceiveChannel<number>) => {
            using end = mine
            for await (const each of end) {
              got.push(each)
              await nextTurn()
            }
          }, receiver.clone())
        }
        for (let producer = 0; producer < 3; producer++) {
          nursery.startSoon(async (mine: MemorySendChannel<number>) => {
            using end = mine
            for (let i = 0; i < 50; i++) await end.send(producer * 50 + i)
          }, sender.clone())
        }
        sender.close()
        receiver.close()
      })
      expect(got.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, i) => i))
      expect(sender.statistics()).toMatchObject({ openSendChannels: 0, openReceiveChannels: 0 })
    })

    it('fails for the producer when the consumer has failed: nobody hangs', async () => {
      const [sender, receiver] = openMemoryChannel<number>(0)
      const running = openNursery(async (nursery) => {
        nursery.startSoon(async () => {
          using end = receiver
          await end.receive()
          throw new Error('consumer')
        })
        for (let i = 0; ; i++) await sender.send(i)
      })
      const group = (await running.catch((error: unknown) => error)) as ExceptionGroup
      const [broken, rest] = group.split(BrokenResourceError)
      expect(broken!.leaves()).toHaveLength(1)
      expect(rest!.leaves()).toMatchObject([{ message: 'consumer' }])
    })
  })

  it('leaves no rejection unhandled that nobody looks at', () => {
    buildIfMissing()
    const { code, stdout, stderr } = runModule(`
      import { openMemoryChannel } from './dist/esm/structured/memoryChannel.js'
      const controller = new AbortController()
      const [sender, receiver] = openMemoryChannel(0)
      sender.send(1, { signal: AbortSignal.abort() })
      sender.send(1, { signal: controller.signal })
      controller.abort()
      sender.clone().send(1)
      receiver.close()
      receiver.receive()
      sender.send(1)
      const [other, waiting] = openMemoryChannel(0)
      waiting.receive()
      waiting[Symbol.asyncIterator]().next()
      other.close()
      waiting.receive()
      other.send(1)
      setTimeout(() => console.log('still here'), 20)
    `)
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'still here\n', stderr: '' })
  })
})
