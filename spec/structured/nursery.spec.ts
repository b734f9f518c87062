import { setTimeout as delay } from 'node:timers/promises'
import { InvalidStateError } from '../../lib/errors.ts'
import { CancelScope } from '../../lib/structured/cancelScope.ts'
import { checkpoint } from '../../lib/structured/checkpoint.ts'
import { currentScope } from '../../lib/structured/current.ts'
import { Cancelled } from '../../lib/structured/errors.ts'
import { Event } from '../../lib/structured/event.ts'
import { ExceptionGroup } from '../../lib/structured/exceptionGroup.ts'
import { moveOnAfter } from '../../lib/structured/moveOn.ts'
import { Nursery, openNursery } from '../../lib/structured/nursery.ts'
import { run, runWith } from '../../lib/structured/run.ts'
import { sleepForever } from '../../lib/structured/sleep.ts'
import type { TaskStatus } from '../../lib/structured/taskHandle.ts'
import { Leftovers } from '../support/leftovers.ts'

const errorOf = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    (value) => {
      throw new Error(`resolved with ${String(value)}`)
    },
    (error: unknown) => error,
  )
const groupOf = async (promise: Promise<unknown>): Promise<ExceptionGroup> => {
  const error = await errorOf(promise)
  expect(error).toBeInstanceOf(ExceptionGroup)
  return error as ExceptionGroup
}
const fails = (error: unknown) => async (): Promise<never> => {
  await checkpoint()
  throw error
}
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

let leftovers: Leftovers
beforeEach(() => (leftovers = new Leftovers()))
afterEach(() => leftovers.gone())

describe('openNursery', () => {
  it('gives the value of its body, when all children have ended', async () => {
    const log: string[] = []
    const event = new Event()
    const value = await openNursery(async (nursery) => {
      for (const name of ['a', 'b']) {
        nursery.startSoon(async () => {
          await event.wait()
          log.push(name)
        })
      }
      setImmediate(() => event.set())
      log.push('body')
      return 7
    })
    expect([value, log]).toEqual([7, ['body', 'a', 'b']])
  })

  it('begins children in order, with their arguments, and never at once', async () => {
    const log: unknown[] = []
    const child = async (...args: unknown[]): Promise<void> => void log.push(args)
    await openNursery(async (nursery) => {
      nursery.startSoon(child, 1, 'x')
      nursery.startSoon(child, 2, { signal: 3 })
      log.push('body')
      await turn()
      log.push('later')
    })
    expect(log).toEqual(['body', [1, 'x'], [2, { signal: 3 }], 'later'])
  })

  it('cancels the others when one fails, waits for them, and fails with a group', async () => {
    const reason = new Error('first')
    const log: string[] = []
    const group = await groupOf(
      openNursery(async (nursery) => {
        nursery.startSoon(async () => {
          try {
            await sleepForever()
          } finally {
            await new CancelScope({ shield: true }).run(turn)
            log.push('cleaned up')
          }
        })
        nursery.startSoon(fails(reason))
        await sleepForever()
      }),
    )
    expect([group.errors, log]).toEqual([[reason], ['cleaned up']])
  })

  it('fails with all errors, those of the body and of unwinding too, as they came', async () => {
    const [one, two, three] = [new Error('one'), new Error('two'), new Error('three')]
    const group = await groupOf(
      openNursery(async (nursery) => {
        nursery.startSoon(async () => {
          await sleepForever().catch(() => {})
          throw three
        })
        nursery.startSoon(fails(one))
        await sleepForever().catch(() => {})
        throw two
      }),
    )
    expect(new Set(group.errors)).toEqual(new Set([one, two, three]))
    expect(group.errors[0]).toBe(one)
  })

  it('has the error of its body in a group, too', async () => {
    const reason = new Error('body')
    expect((await groupOf(openNursery(fails(reason)))).errors).toEqual([reason])
    const thrown = openNursery(() => {
      throw reason
    })
    expect((await groupOf(thrown)).errors).toEqual([reason])
  })

  it('nests groups', async () => {
    const reason = new Error('deep')
    const group = await groupOf(openNursery((outer) => openNursery(async () => void outer.startSoon(fails(reason)))))
    expect(group.errors).toEqual([reason])
    const nested = await groupOf(openNursery(() => openNursery(fails(reason))))
    expect(nested.errors[0]).toBeInstanceOf(ExceptionGroup)
    expect(nested.leaves()).toEqual([reason])
  })

  it('gives a lone error bare, if it is told to; several are a group', async () => {
    const reason = new Error('lone')
    expect(await errorOf(openNursery(fails(reason), { strictExceptionGroups: false }))).toBe(reason)
    const both = openNursery(
      async (nursery) => {
        nursery.startSoon(fails(reason))
        await sleepForever().catch(() => {})
        throw new Error('another')
      },
      { strictExceptionGroups: false },
    )
    expect((await groupOf(both)).errors).toHaveLength(2)
  })

  it('is told that for itself alone: nurseries inside go by what run was told', async () => {
    const reason = new Error('mine')
    const inner = (): Promise<never> => openNursery(async () => Promise.reject(reason))
    expect(((await errorOf(openNursery(inner, { strictExceptionGroups: false }))) as ExceptionGroup).errors).toEqual([
      reason,
    ])
    const loose = runWith({ strictExceptionGroups: false }, () => openNursery(inner, { strictExceptionGroups: true }))
    expect(((await errorOf(loose)) as ExceptionGroup).errors).toEqual([reason])
  })

  it('collapses a lone error after what was cancelled is taken out', async () => {
    const reason = new Error('lone')
    const error = await errorOf(
      openNursery(
        async (nursery) => {
          for (let i = 0; i < 3; i++) nursery.startSoon(sleepForever)
          nursery.startSoon(fails(reason))
        },
        { strictExceptionGroups: false },
      ),
    )
    expect(error).toBe(reason)
  })

  it('cancelled by its own scope is no error; the value is that of a body that came to its end', async () => {
    const ended = await openNursery(async (nursery) => {
      nursery.startSoon(sleepForever)
      await checkpoint()
      nursery.cancelScope.cancel()
      return 42
    })
    const cancelled = await openNursery(async (nursery) => {
      nursery.cancelScope.cancel()
      await checkpoint()
      return 42
    })
    expect([ended, cancelled]).toEqual([42, undefined])
  })

  it('cancelled from outside fails with one bare Cancelled', async () => {
    const scope = new CancelScope()
    let seen: unknown
    await scope.run(async () => {
      const inner = openNursery(async (nursery) => {
        for (let i = 0; i < 5; i++) nursery.startSoon(sleepForever)
        await turn()
        scope.cancel('why')
        await sleepForever()
      })
      seen = await errorOf(inner)
      throw seen
    })
    expect(seen).toBeInstanceOf(Cancelled)
    expect(scope.cancelledCaught).toBe(true)
  })

  it('cancelled from outside keeps errors beside the Cancelled, which is taken out where it ends', async () => {
    const reason = new Error('unwinding')
    const scope = new CancelScope()
    const group = await groupOf(
      scope.run(() =>
        openNursery(async (nursery) => {
          nursery.startSoon(async () => {
            await sleepForever().catch(() => {})
            throw reason
          })
          nursery.startSoon(sleepForever)
          await turn()
          scope.cancel()
          await sleepForever()
        }),
      ),
    )
    expect(group.errors).toEqual([reason])
    expect(scope.cancelledCaught).toBe(true)
  })

  it('is a checkpoint where it is left', async () => {
    const scope = new CancelScope()
    const value = await scope.run(() =>
      openNursery(async () => {
        scope.cancel()
        return 'not seen'
      }),
    )
    expect([value, scope.cancelledCaught]).toEqual([undefined, true])
  })

  it('takes a deadline and a shield', async () => {
    const timed = await openNursery(sleepForever, { deadline: performance.now() + 5 })
    expect(timed).toBeUndefined()
    const outer = new CancelScope()
    const log: string[] = []
    await outer.run(async () => {
      outer.cancel()
      await openNursery(
        async (nursery) => {
          nursery.startSoon(async () => {
            await checkpoint()
            log.push('shielded')
          })
        },
        { shield: true },
      )
    })
    expect(log).toEqual(['shielded'])
    expect(await errorOf(openNursery(async () => {}, { shield: 1 as never }))).toBeInstanceOf(TypeError)
  })

  it('hangs elsewhere with {parent}', async () => {
    const elsewhere = new CancelScope()
    let outcome: unknown
    await elsewhere.run(async () => {
      const here = new CancelScope()
      await here.run(async () => {
        outcome = await openNursery(
          async (nursery) => {
            here.cancel()
            const child = nursery.startSoon(async () => {
              await turn()
              await checkpoint()
              return 'not cancelled'
            })
            return child.outcome({ scope: nursery.cancelScope })
          },
          { parent: elsewhere },
        )
      })
    })
    expect(outcome).toEqual({ ok: true, value: 'not cancelled' })
  })

  it('without what is ambient passes scopes by hand', async () => {
    const seen: unknown[] = []
    const value = await openNursery(
      async (nursery) => {
        seen.push(currentScope())
        const { cancelScope: scope } = nursery
        nursery.startSoon(() => sleepForever({ scope }))
        const ready = await nursery.start<string>(async ({ taskStatus }: { taskStatus: TaskStatus<string> }) => {
          seen.push(currentScope())
          taskStatus.started('ready')
          await sleepForever({ scope: taskStatus.scope })
        })
        seen.push(ready)
        scope.cancel()
        return 3
      },
      { ambient: false },
    )
    expect([value, seen]).toEqual([3, [undefined, undefined, 'ready']])
  })

  it('is the place of thousands of children, without a warning', async () => {
    const warned = jest.fn()
    process.on('warning', warned)
    let ended = 0
    await openNursery(async (nursery) => {
      for (let i = 0; i < 5000; i++) nursery.startSoon(() => sleepForever().finally(() => ended++))
      await turn()
      expect(nursery.childTasks.size).toBe(5000)
      nursery.cancelScope.cancel()
    })
    process.off('warning', warned)
    expect(ended).toBe(5000)
    expect(warned).not.toHaveBeenCalled()
  })
})

describe('Nursery', () => {
  it('cannot be constructed', () => {
    const Class = Nursery as unknown as new () => unknown
    expect(() => new Class()).toThrow(TypeError)
  })

  it('refuses a promise, and anything else that is no function', async () => {
    await openNursery(async (nursery) => {
      expect(() => nursery.startSoon(Promise.resolve() as never)).toThrow(/not the promise/)
      expect(() => nursery.startSoon(3 as never)).toThrow(TypeError)
      expect(await errorOf(nursery.start(3 as never))).toBeInstanceOf(TypeError)
    })
  })

  it('refuses when it is closed; until then children may begin others', async () => {
    const log: string[] = []
    let kept!: Nursery
    await openNursery(async (nursery) => {
      kept = nursery
      nursery.startSoon(async () => {
        await turn()
        nursery.startSoon(async () => void log.push('grandchild'))
      })
      expect(nursery.closed).toBe(false)
    })
    expect([kept.closed, log]).toEqual([true, ['grandchild']])
    expect(() => kept.startSoon(async () => {})).toThrow(InvalidStateError)
    expect(await errorOf(kept.start(async () => {}))).toBeInstanceOf(InvalidStateError)
  })

  it('begins a child in a cancelled nursery, which is cancelled where it first waits', async () => {
    const log: unknown[] = []
    await openNursery(async (nursery) => {
      nursery.cancelScope.cancel()
      nursery.startSoon(async () => {
        log.push('begun')
        log.push(await errorOf(checkpoint()))
      })
    })
    expect(log).toEqual(['begun', expect.any(Cancelled)])
  })

  it('has a signal, and the set of its children', async () => {
    let signal!: AbortSignal
    await openNursery(async (nursery) => {
      signal = nursery.signal
      const task = nursery.startSoon(sleepForever)
      expect([...nursery.childTasks]).toEqual([task])
      expect(signal.aborted).toBe(false)
      nursery.cancelScope.cancel()
      expect(signal.aborted).toBe(true)
    })
  })

  it('counts a child that throws before it returns a promise as one that failed', async () => {
    const group = await groupOf(
      openNursery(async (nursery) => {
        nursery.startSoon((): Promise<void> => {
          throw new Error('at once')
        })
      }),
    )
    expect(group.errors.map(String)).toEqual(['Error: at once'])
  })
})

describe('TaskHandle', () => {
  it('tells the name, whether it is done, and the outcome, as often as it is asked', async () => {
    const reason = new Error('x')
    await openNursery(async (nursery) => {
      async function named(): Promise<number> {
        await checkpoint()
        return 3
      }
      const task = nursery.startSoon(named)
      expect([task.name, task.done, 'then' in task]).toEqual(['named', false, false])
      expect(nursery.startSoon(async () => {}).name).toBe('(anonymous)')
      expect(await Promise.all([task.outcome(), task.outcome()])).toEqual(Array(2).fill({ ok: true, value: 3 }))
      expect(task.done).toBe(true)
      expect(await task.outcome()).toEqual({ ok: true, value: 3 })
      const shielded = openNursery(async (inner) => {
        const failing = inner.startSoon(fails(reason))
        const outcome = await failing.outcome({ scope: nursery.cancelScope })
        expect(outcome).toEqual({ ok: false, error: reason })
      })
      expect((await groupOf(shielded)).errors).toEqual([reason])
    })
  })

  it('cancels one child alone, before it has begun too, and not one that is done', async () => {
    const outcomes = await openNursery(async (nursery) => {
      const [first, second, done] = [
        nursery.startSoon(sleepForever),
        nursery.startSoon(sleepForever),
        nursery.startSoon(async () => 1),
      ]
      first.cancel('before')
      await turn()
      second.cancel('later')
      done.cancel()
      return Promise.all([first.outcome(), second.outcome(), done.outcome()])
    })
    expect(outcomes).toMatchObject([
      { ok: false, error: { cause: 'before' } },
      { ok: false, error: { cause: 'later' } },
      { ok: true, value: 1 },
    ])
    expect((outcomes[0] as { error: unknown }).error).toBeInstanceOf(Cancelled)
  })

  it('may be waited for with a limit of its own', async () => {
    await openNursery(async (nursery) => {
      const task = nursery.startSoon(sleepForever)
      expect(await moveOnAfter(1, () => task.outcome())).toBeUndefined()
      const reason = new Error('enough')
      expect(await errorOf(task.outcome({ signal: AbortSignal.abort(reason) }))).toBe(reason)
      expect(task.done).toBe(false)
      task.cancel()
    })
  })
})

describe('start', () => {
  type Told = { taskStatus: TaskStatus<string> }

  it('waits until the child says that it is started, and gives what it says; the child goes on', async () => {
    const log: string[] = []
    await openNursery(async (nursery) => {
      const value = await nursery.start<string>(async ({ taskStatus }: Told) => {
        await turn()
        expect(nursery.childTasks.size).toBe(0)
        taskStatus.started('ready')
        expect(nursery.childTasks.size).toBe(1)
        await turn()
        log.push('ended')
      })
      log.push(value)
    })
    expect(log).toEqual(['ready', 'ended'])
  })

  it('puts the status among the options that come last, or into an object of its own', async () => {
    const seen: unknown[][] = []
    const child = async (...args: unknown[]): Promise<void> => {
      const options = args.at(-1) as { taskStatus: TaskStatus }
      seen.push([...args.slice(0, -1), Object.keys(options)])
      options.taskStatus.started()
    }
    await openNursery(async (nursery) => {
      await nursery.start(child)
      await nursery.start(child, 1, { port: 0 })
      await nursery.start(child, 2, new Map())
      await nursery.start(child, 3, [4])
      await nursery.start(child, 5, null)
    })
    expect(seen).toEqual([
      [['taskStatus']],
      [1, ['port', 'taskStatus']],
      [2, new Map(), ['taskStatus']],
      [3, [4], ['taskStatus']],
      [5, null, ['taskStatus']],
    ])
  })

  it('fails bare with what the child fails with before, and leaves the nursery alone', async () => {
    const reason = new Error('no')
    await openNursery(async (nursery) => {
      expect(await errorOf(nursery.start(fails(reason)))).toBe(reason)
      expect(nursery.cancelScope.cancelCalled).toBe(false)
      await checkpoint()
    })
  })

  it('fails with an InvalidStateError if the child ends without a word', async () => {
    await openNursery(async (nursery) => {
      expect(await errorOf(nursery.start(async () => {}))).toBeInstanceOf(InvalidStateError)
    })
  })

  it('leaves what the child fails with later to the nursery', async () => {
    const reason = new Error('later')
    const group = await groupOf(
      openNursery(async (nursery) => {
        await nursery.start(async ({ taskStatus }: Told) => {
          taskStatus.started('x')
          await turn()
          throw reason
        })
        await sleepForever()
      }),
    )
    expect(group.errors).toEqual([reason])
  })

  it('cancelled takes the child with it, waits for its end, and leaves the nursery alone', async () => {
    const log: string[] = []
    await openNursery(async (nursery) => {
      const scope = new CancelScope()
      await scope.run(async () => {
        setImmediate(() => scope.cancel())
        await nursery.start(async () => {
          try {
            await sleepForever()
          } finally {
            await new CancelScope({ shield: true }).run(turn)
            log.push('child gone')
          }
        })
      })
      log.push('start gone')
      expect([scope.cancelledCaught, nursery.cancelScope.cancelCalled]).toEqual([true, false])
    })
    expect(log).toEqual(['child gone', 'start gone'])
  })

  it('in a cancelled scope begins nothing', async () => {
    const child = jest.fn()
    await openNursery(async (nursery) => {
      nursery.cancelScope.cancel()
      expect(await errorOf(nursery.start(child))).toBeInstanceOf(Cancelled)
    })
    expect(child).not.toHaveBeenCalled()
  })

  it('whose caller was cancelled is not ended by started() any more', async () => {
    const seen: unknown[] = []
    await openNursery(async (nursery) => {
      const scope = new CancelScope()
      await scope.run(async () => {
        await nursery.start(async ({ taskStatus }: Told) => {
          scope.cancel()
          taskStatus.started('too late')
          seen.push(await errorOf(checkpoint()))
        })
      })
      seen.push(scope.cancelledCaught)
      seen.push(nursery.childTasks.size)
    })
    expect(seen).toEqual([expect.any(Cancelled), true, 0])
  })

  it('follows the nursery, not its caller, once it has started', async () => {
    const seen: unknown[] = []
    await openNursery(async (nursery) => {
      const scope = new CancelScope()
      const ended = new Event()
      await scope.run(() =>
        nursery.start(async ({ taskStatus }: Told) => {
          await new CancelScope().run(async () => {
            taskStatus.started('x')
            await turn()
            await checkpoint()
            seen.push('still here')
            ended.set()
            seen.push(await errorOf(sleepForever()))
          })
        }),
      )
      scope.cancel()
      await ended.wait()
      nursery.cancelScope.cancel('nursery')
    })
    expect(seen).toEqual(['still here', expect.objectContaining({ cause: 'nursery' })])
  })

  it('that is pending keeps the nursery open', async () => {
    const log: string[] = []
    await openNursery(async (outer) => {
      await openNursery(async (inner) => {
        outer.startSoon(async () => {
          await inner.start(async ({ taskStatus }: Told) => {
            await turn()
            await turn()
            taskStatus.started('x')
            log.push('started')
          })
        })
        await turn()
      })
      log.push('closed')
    })
    expect(log).toEqual(['started', 'closed'])
  })

  it('takes started() once', async () => {
    await openNursery(async (nursery) => {
      await nursery.start(async ({ taskStatus }: Told) => {
        taskStatus.started('x')
        expect(() => taskStatus.started('y')).toThrow(InvalidStateError)
      })
    })
  })
})

describe('openNursery without a body', () => {
  it('is joined in its block', async () => {
    const log: string[] = []
    {
      await using nursery = openNursery()
      nursery.startSoon(async () => {
        await turn()
        log.push('child')
      })
      await nursery.join()
      log.push('joined')
      expect(nursery.closed).toBe(true)
    }
    expect(log).toEqual(['child', 'joined'])
  })

  it('cancels, and waits, where the block is left without that', async () => {
    const log: unknown[] = []
    const left = async (): Promise<void> => {
      await using nursery = openNursery()
      nursery.startSoon(async () => log.push(await errorOf(sleepForever())))
      await turn()
      throw new Error('the body')
    }
    expect(String(await errorOf(left()))).toBe('Error: the body')
    expect(log).toEqual([expect.any(Cancelled)])
  })

  it('fails in join(), and not again in disposal', async () => {
    const reason = new Error('child')
    const failing = async (): Promise<void> => {
      await using nursery = openNursery()
      nursery.startSoon(fails(reason))
      await nursery.join()
    }
    expect((await groupOf(failing())).errors).toEqual([reason])
  })

  it('fails in disposal with what children fail with while they unwind', async () => {
    const reason = new Error('unwinding')
    const failing = async (): Promise<void> => {
      await using nursery = openNursery()
      nursery.startSoon(async () => {
        await sleepForever().catch(() => {})
        throw reason
      })
      await turn()
    }
    expect((await groupOf(failing())).errors).toEqual([reason])
  })
})

describe('run', () => {
  it('gives the value; fails with the error of its own body as it is', async () => {
    const reason = new Error('body')
    expect(await run(async (a: number, b: number) => a + b, 2, 3)).toBe(5)
    expect(await errorOf(run(fails(reason)))).toBe(reason)
    expect((await groupOf(run(() => openNursery(fails(reason))))).errors).toEqual([reason])
  })

  it('does not nest', async () => {
    expect(await errorOf(run(() => run(async () => {})))).toBeInstanceOf(InvalidStateError)
    expect(
      await errorOf(run(() => openNursery(() => run(async () => {}), { strictExceptionGroups: false }))),
    ).toBeInstanceOf(InvalidStateError)
    expect(await Promise.all([run(async () => 1), run(async () => 2)])).toEqual([1, 2])
    // What one has left running is not inside of it any more, though another may be open.
    let later!: Promise<number>
    await openNursery(async () => {
      await run(async () => {
        later = turn()
          .then(turn)
          .then(() => run(async () => 3))
      })
      expect(await later).toBe(3)
    })
  })

  it('rejects for what is no function', async () => {
    expect(await errorOf(run(3 as never))).toBeInstanceOf(TypeError)
  })

  it('with a signal unwinds everything, and fails with the reason', async () => {
    const controller = new AbortController()
    const reason = new Error('stop')
    const log: string[] = []
    const running = runWith({ signal: controller.signal }, () =>
      openNursery(async (nursery) => {
        nursery.startSoon(async () => {
          try {
            await sleepForever()
          } finally {
            await new CancelScope({ shield: true }).run(turn)
            log.push('unwound')
          }
        })
        await sleepForever()
      }),
    )
    setImmediate(() => controller.abort(reason))
    expect(await errorOf(running)).toBe(reason)
    expect(log).toEqual(['unwound'])
    const fn = jest.fn()
    expect(await errorOf(runWith({ signal: controller.signal }, fn))).toBe(reason)
    expect(fn).not.toHaveBeenCalled()
  })

  it('with a signal fails with an error of unwinding, if there is one', async () => {
    const controller = new AbortController()
    const reason = new Error('unwinding')
    const failing = runWith({ signal: controller.signal }, async () => {
      controller.abort()
      await checkpoint().catch(() => {})
      throw reason
    })
    expect(await errorOf(failing)).toBe(reason)
  })

  it('tells nurseries inside how to raise a lone error', async () => {
    const reason = new Error('lone')
    const lone = runWith({ strictExceptionGroups: false }, () => openNursery(() => openNursery(fails(reason))))
    expect(await errorOf(lone)).toBe(reason)
    const strict = runWith({ strictExceptionGroups: false }, () =>
      openNursery(fails(reason), { strictExceptionGroups: true }),
    )
    expect((await groupOf(strict)).errors).toEqual([reason])
  })
})

describe('what takes a signal', () => {
  it('ends with an AbortError of Node’s, which is our cancel: of a nursery, a child, and a scope around', async () => {
    const wait = (signal: AbortSignal): Promise<void> => delay(60_000, undefined, { signal })
    const own = await openNursery(async (nursery) => {
      for (let i = 0; i < 3; i++) nursery.startSoon(wait, nursery.signal)
      nursery.startSoon(sleepForever)
      await turn()
      nursery.cancelScope.cancel()
      await wait(nursery.signal)
    })
    expect(own).toBeUndefined()
    const scope = new CancelScope()
    await scope.run(() =>
      openNursery(async (nursery) => {
        nursery.startSoon(wait, nursery.signal)
        nursery.startSoon(wait, nursery.signal)
        await turn()
        scope.cancel()
      }),
    )
    expect(scope.cancelledCaught).toBe(true)
  })

  it('is an error as any other, if the signal was somebody else’s', async () => {
    const group = await groupOf(openNursery(() => delay(60_000, undefined, { signal: AbortSignal.abort() })))
    expect(group.errors).toMatchObject([{ name: 'AbortError' }])
  })
})
