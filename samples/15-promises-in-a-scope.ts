// Libraries of plain promises inside of scopes: one that takes a signal is stopped by the deadline, and waited for; one that
// takes none is left behind, and what becomes of it is told.
//   node dist/samples/15-promises-in-a-scope.js
import { createServer } from 'node:http'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import {
  aioAsTrio,
  currentLoop,
  Event,
  failAfter,
  moveOnAfter,
  openNursery,
  run,
  TooSlowError,
} from 'millrace/structured'

// As any service: /quick answers, /slow takes its time.
const service = createServer((request, response) => {
  const timer = setTimeout(() => response.end(`here is ${request.url}`), request.url === '/slow' ? 60_000 : 1)
  response.once('close', () => {
    clearTimeout(timer)
    if (!response.writableEnded) console.log(`service: the client of ${request.url} is gone`)
  })
})
service.listen(0, '127.0.0.1')
await once(service, 'listening')
const url = `http://127.0.0.1:${(service.address() as { port: number }).port}`

// `fetch` takes `{signal}` among its options, as most do: it gets that of its task.
const get = aioAsTrio(
  async (path: string, { signal }: { signal?: AbortSignal } = {}) => {
    const response = await fetch(url + path, { signal: signal ?? null, headers: { connection: 'close' } })
    return response.text()
  },
  { injectSignal: true },
)

/** A library that has never heard of signals. */
const deaf = aioAsTrio(async () => {
  await delay(60)
  throw new Error('too late, and nobody listens')
})

await run(async () => {
  const abandoned = new Event()
  currentLoop()!.onAbandoned = (error) => {
    console.log('abandoned:', (error as Error).message)
    abandoned.set()
  }

  console.log(await failAfter(5000, () => get('/quick')))
  await failAfter(50, () => get('/slow')).catch((error) => {
    if (!(error instanceof TooSlowError)) throw error
    console.log('failed:', error.message)
  })

  // The first answer is enough: the others are stopped.
  const first = await openNursery(async (nursery) => {
    let answer: string | undefined
    for (const path of ['/slow', '/quick', '/slow']) {
      nursery.startSoon(async () => {
        answer = await get(path)
        nursery.cancelScope.cancel()
      })
    }
    return () => answer
  })
  console.log('first:', first())

  await moveOnAfter(10, () => deaf())
  console.log('moved on')
  await abandoned.wait()
})
service.close()
