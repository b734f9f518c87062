#!/usr/bin/env node
import { Command } from 'commander'
import { addCall } from './call.ts'
import { addGen } from './gen.ts'
import { packageVersion } from './packages.ts'
import { addServe } from './serve.ts'

const program = new Command('millrace')
  .description('Protobuf RPC from the command line')
  .version(packageVersion())
  .showHelpAfterError('(add --help for what there is)')
addCall(program)
addServe(program)
addGen(program)

// Who reads has enough.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') fail(error)
  process.exit()
})

program.parseAsync().catch(fail)

function fail(error: unknown): void {
  process.stderr.write(`millrace: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
