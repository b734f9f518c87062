#!/usr/bin/env node
import { Command } from 'commander'
import { addGen } from './gen.ts'
import { packageVersion } from './packages.ts'

const program = new Command('millrace')
  .description('Protobuf RPC from the command line')
  .version(packageVersion())
  .showHelpAfterError('(add --help for what there is)')
addGen(program)

program.parseAsync().catch((error: unknown) => {
  process.stderr.write(`millrace: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
