import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as millrace from '../lib/index.ts'
import * as structured from '../lib/structured/index.ts'
import { MemoryReceiveChannel, MemorySendChannel } from '../lib/structured/memoryChannel.ts'
import * as testing from '../lib/testing/index.ts'

const page = readFileSync(join(__dirname, '../docs/from-trio.md'), 'utf8')
const rows = [...page.matchAll(/^\| (.*?) *\| (.*?) *\| (.*?) *\|$/gm)]
  .map(([, theirs, ours, difference]) => ({ theirs: theirs!, ours: ours!, difference: difference! }))
  .filter(({ theirs }) => theirs.startsWith('`'))

/** What of the three is public: each needs a name here, or a reason. */
const THEIRS = `
  run open_nursery start_soon start cancel_scope child_tasks started CancelScope cancel deadline shield cancel_called
  cancelled_caught move_on_after move_on_at fail_after fail_at sleep sleep_until sleep_forever current_time
  current_effective_deadline checkpoint checkpoint_if_cancelled cancel_shielded_checkpoint current_task Event
  open_memory_channel send receive CapacityLimiter Semaphore Lock Condition Cancelled TooSlowError ClosedResourceError
  BrokenResourceError BusyResourceError EndOfChannel WouldBlock MultiError run_process serve_tcp open_tcp_stream
  SSLStream open_signal_receiver open_file socket wait_readable MockClock wait_all_tasks_blocked
  open_loop aio_as_trio asyncio_as_trio trio_as_aio trio_as_asyncio run_aio_future run_aio_coroutine run_aio_generator
  run_trio run_trio_task allow_asyncio current_loop TrioExecutor trio_as_future synchronize autoclose no_autoclose
  wait_stopped run_until_complete run_forever current_async_library TrioAsyncioDeprecationWarning
  create_server run_server Server close wait_closed sockets Loop call_later create_task stop Task get_extra_info
`
  .trim()
  .split(/\s+/)

const known: Record<string, unknown> = {
  ...millrace,
  ...testing,
  ...structured,
  MemoryReceiveChannel,
  MemorySendChannel,
}
/** Of what is set in a constructor, or is only a type. */
const FIELDS = new Set(['Nursery.cancelScope', 'TaskStatus'])

describe('docs/from-trio.md', () => {
  it.each(THEIRS)('has %s', (name) => {
    expect(rows.filter(({ theirs }) => new RegExp(`\`(\\w+\\.)*${name}\``).test(theirs))).not.toEqual([])
  })

  it('names something for each that there is, or says why not', () => {
    const wrong = rows.filter(({ ours, difference }) => {
      if (ours === 'none') return difference === ''
      return [...ours.matchAll(/`(\w+)(?:\.(\w+))?`/g)].some(([whole, name, member]) => {
        if (FIELDS.has(whole.slice(1, -1))) return false
        const value = known[name!] as { prototype?: object } | undefined
        return value === undefined || (member !== undefined && !(member in (value.prototype ?? {})))
      })
    })
    expect(wrong).toEqual([])
    expect(rows.length).toBeGreaterThan(70)
  })

  it('has all public names of the structured flavour that have one there', () => {
    const own = [
      'CancelledError',
      'InvalidStateError',
      'currentScope',
      'currentTask',
      'closeWith',
      'serveCalls',
      'runWith',
    ]
    const asyncio = ['CalledProcessError', 'BrokenWorkerError', 'Future', 'Handle', 'TimerHandle']
    const missing = Object.keys(structured).filter(
      (name) => !page.includes(`\`${name}`) && ![...own, ...asyncio].includes(name),
    )
    expect(missing).toEqual([])
  })
})
