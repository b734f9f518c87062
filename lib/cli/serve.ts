import type { Command } from 'commander'
import { formatAddress } from '../transport.ts'
import { Health, HealthService } from '../rpc/health.ts'
import { Reflection } from '../rpc/reflection.ts'
import { ReflectionService } from '../rpc/reflectionService.ts'
import { RpcServer } from '../rpc/rpcServer.ts'
import { service } from '../rpc/service.ts'
import type { Methods } from '../rpc/method.ts'
import { parseAddress, serverTls, type TlsFlags } from './address.ts'
import { milliseconds } from './call.ts'
import { collect } from './gen.ts'
import { loadProto, servicesOf } from './loadProto.ts'
import { readAnswers, stubHandlers } from './stub.ts'

interface ServeFlags extends Pick<TlsFlags, 'ca' | 'cert' | 'key'> {
  proto: string[]
  include: string[]
  listen: string
  answers?: string
  grace: number
  verbose?: true
}

/** Adds `millrace serve`: a server of proto files, which echoes, or answers what it is told to. */
export function addServe(program: Command): void {
  program
    .command('serve')
    .description('serve the services of proto files: echo requests, or answer from a JSON file')
    .requiredOption('-p, --proto <file>', 'proto file; may be given several times', collect)
    .option('-I, --include <dir>', 'where imports are looked for; may be given several times', collect, [])
    .option('-l, --listen <address>', 'HOST:PORT or unix:PATH', '127.0.0.1:0')
    .option('-a, --answers <file>', 'JSON: {"package.Service/Method": response, or a list of them}')
    .option('--cert <file>', 'certificate, for TLS')
    .option('--key <file>', 'key of the certificate')
    .option('--ca <file>', 'clients need a certificate of these authorities')
    .option('--grace <ms>', 'how long calls may take to end when it is interrupted', milliseconds, 10_000)
    .option('-v, --verbose', 'print each call to stderr')
    .action(serve)
}

async function serve(flags: ServeFlags): Promise<void> {
  const root = loadProto(flags.proto, { include: flags.include })
  const services = servicesOf(root).map((each) => service<Methods>(each))
  if (services.length === 0) throw new Error(`there is no service in ${flags.proto.join(', ')}`)
  const answers = flags.answers === undefined ? undefined : readAnswers(flags.answers, services, root)
  const server = new RpcServer({ interceptors: flags.verbose ? [printCall] : [] })
  for (const each of services) server.add(each, stubHandlers(each, answers))
  server.add(HealthService, new Health(server)).add(ReflectionService, new Reflection(server))
  const { sockets } = await server.listen({ ...parseAddress(flags.listen), ...serverTls(flags) })
  for (const { address, port, family } of sockets) {
    process.stdout.write(`listening on ${formatAddress(family === 'unix' ? address : [address, port])}\n`)
  }
  shutdownWhenInterrupted(server, flags.grace)
}

async function printCall(context: { service: string; method: string; peer: string }, next: () => Promise<unknown>) {
  process.stderr.write(`${context.service}/${context.method} from ${context.peer}\n`)
  await next()
}

/** The first signal lets calls end, the second does not. */
function shutdownWhenInterrupted(server: RpcServer, graceMs: number): void {
  const stop = (): void => {
    if (server.closing.aborted) void server.forceShutdown()
    else void server.shutdown({ graceMs })
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
}
