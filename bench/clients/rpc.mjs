// The load of rpc.mjs, on one connection to the port on the command line, by millrace or grpc-js. It prints the port
// when it is ready; then each line on its input is one measurement, as JSON, and so is each line that it prints.
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const proto = fileURLToPath(new URL('../servers/rpc.proto', import.meta.url))
const [name, port] = process.argv.slice(2)

const clients = {
  async millrace() {
    const { default: protobuf } = await import('protobufjs')
    const { connect, service } = await import('millrace/rpc')
    const Echo = service(protobuf.loadSync(proto).lookupService('millrace.test.Echo'))
    const client = await connect(Echo, { host: '127.0.0.1', port: Number(port) })
    const { signal } = new AbortController()
    const full = { timeoutMs: 60_000, metadata: { authorization: 'Bearer 0123456789' }, signal }
    return {
      echo: (request, done) => void client.echo(request).then(done),
      fullEcho: (request, done) => void client.echo(request, full).then(done),
      range: (request) => client.range(request),
    }
  },

  async 'grpc-js'() {
    const { default: grpc } = await import('@grpc/grpc-js')
    const { loadSync } = await import('@grpc/proto-loader')
    const { millrace } = grpc.loadPackageDefinition(loadSync(proto))
    const client = new millrace.test.Echo(`127.0.0.1:${port}`, grpc.credentials.createInsecure())
    const metadata = new grpc.Metadata()
    metadata.set('authorization', 'Bearer 0123456789')
    const answer = (done) => (error) => {
      if (error) throw error
      done()
    }
    return {
      echo: (request, done) => client.echo(request, answer(done)),
      fullEcho: (request, done) => client.echo(request, metadata, { deadline: Date.now() + 60_000 }, answer(done)),
      range: (request) => client.range(request),
    }
  },
}

const client = await clients[name]()
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000))

async function unary({ concurrency, seconds, warmup, size, full }) {
  const call = full ? client.fullEcho : client.echo
  const request = { value: Buffer.alloc(size) }
  const took = new Float64Array(4_000_000)
  let [calls, all, measuring, stopped, running] = [0, 0, false, false, concurrency]
  let ended
  const allEnded = new Promise((resolve) => (ended = resolve))
  const begin = () => {
    const start = performance.now()
    call(request, () => {
      all++
      if (measuring && calls < took.length) took[calls++] = performance.now() - start
      if (!stopped) begin()
      else if (--running === 0) ended()
    })
  }
  for (let i = 0; i < concurrency; i++) begin()
  await sleep(warmup)
  measuring = true
  const start = performance.now()
  await sleep(seconds)
  measuring = false
  const rate = (calls / (performance.now() - start)) * 1000
  stopped = true
  await allEnded
  const sorted = took.subarray(0, calls).sort()
  const at = (share) => sorted[Math.floor(share * (calls - 1))]
  return { rate, all, p50: at(0.5), p99: at(0.99) }
}

async function stream({ seconds, warmup, size }) {
  const count = 100_000
  let all = 0
  const run = async (length) => {
    const start = performance.now()
    let received = 0
    while (performance.now() - start < length * 1000) {
      for await (const message of client.range({ value: JSON.stringify({ count, size }) })) {
        received++
        if (message.value.length !== size) throw new Error(`a message of ${message.value.length} bytes`)
      }
    }
    if (received % count !== 0) throw new Error(`${received} messages`)
    all += received
    return { all, rate: (received / (performance.now() - start)) * 1000 }
  }
  await run(warmup)
  return run(seconds)
}

console.log(port)
for await (const line of createInterface({ input: process.stdin })) {
  const cell = JSON.parse(line)
  console.log(JSON.stringify(await (cell.stream ? stream(cell) : unary(cell))))
}
