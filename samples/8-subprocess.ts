// A program that is talked to over its pipes: questions and answers, then everything at once, then an end by force.
//   node dist/samples/8-subprocess.js
import { createSubprocessExec, TimeoutError } from 'millrace'

// One that answers: a shell, line for line. Its streams are a writer and a reader like those of a connection.
const shell = await createSubprocessExec('sh', [], { stdin: 'pipe', stdout: 'pipe' })
for (const sum of ['6 * 7', '2 + 2']) {
  shell.stdin.write(`echo "${sum} = $((${sum}))"\n`)
  console.log((await shell.stdout.readLine()).toString().trimEnd())
}
shell.stdin.close()
console.log('it ended with', await shell.wait())

// One that reads all, then says all: `communicate` does both at a time, so that no pipe is ever stuck.
const sort = await createSubprocessExec('sort', ['-n'], { stdin: 'pipe', stdout: 'pipe' })
const { stdout } = await sort.communicate('30\n4\n100\n')
console.log('sorted:', stdout.toString().trim().split('\n').join(' '))

// One that does not end by itself.
const sleep = await createSubprocessExec('sleep', ['600'])
try {
  await sleep.wait({ timeoutMs: 50 })
} catch (error) {
  if (!(error instanceof TimeoutError)) throw error
  sleep.terminate()
}
console.log('it was ended by signal', -(await sleep.wait()))
