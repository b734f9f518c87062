import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildIfMissing } from '../support/builtPackage.ts'
import { goGreeter, itWithGoStreams } from '../support/goTtrpc.ts'
import { netProgram } from '../support/netTools.ts'
import { Program } from '../support/program.ts'

const page = readFileSync(join(__dirname, '../../docs/rpc-go.md'), 'utf8')
const [clientCode, serverCode] = [...page.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code!)

describe('docs/rpc-go.md', () => {
  beforeAll(buildIfMissing)

  itWithGoStreams('shows a client of the Go server in samples/go', async () => {
    const server = new Program(goGreeter, ['serve', '127.0.0.1:0'])
    const [, port] = await server.output(/serving on 127\.0\.0\.1:(\d+)/)
    const client = netProgram(clientCode!.replace('5555', port!))
    expect(await client.ended).toEqual({
      code: 0,
      stdout: 'hello millrace\n1\n2\n3\nINVALID_ARGUMENT who are you?\n',
      stderr: '',
    })
    server.child.kill()
    await server.exit()
  })

  itWithGoStreams('shows a server for the Go client there', async () => {
    const tell = "console.log('serving')"
    expect(serverCode).toContain(tell)
    const server = netProgram(serverCode!.replace('5555', '0').replace(tell, 'console.log(server.address.port)'))
    const client = new Program(goGreeter, ['call', `127.0.0.1:${await server.line()}`])
    expect([await client.exit(), client.stdout, client.stderr]).toEqual([0, 'hello Go\n1\n2\n3\n', ''])
  })
})
