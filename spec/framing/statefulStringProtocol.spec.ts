import { InvalidStateError } from '../../lib/errors.ts'
import { lines } from '../../lib/framing/lines.ts'
import { StatefulStringProtocol, type StateHandlers } from '../../lib/framing/statefulStringProtocol.ts'
import { memoryPair, RecordingProtocol } from '../../lib/testing/index.ts'
import { latin1 } from '../support/everySplit.ts'

type State = 'user' | 'password'

class Login extends StatefulStringProtocol<State, string, string> implements StateHandlers<State, string> {
  override state: State | 'done' = 'user'
  readonly log: string[] = []
  lostWith: Error | null | undefined

  constructor() {
    super(lines())
  }

  proto_user(name: string): State | 'done' {
    this.log.push(`user ${name}`)
    if (name === 'lost') return 'nowhere' as State
    if (name === '') throw new RangeError('no name')
    this.sendString('password?')
    return 'password'
  }

  proto_password(password: string): State | 'done' {
    this.log.push(`password ${password}`)
    this.sendString(password === 'secret' ? 'welcome' : 'no')
    return password === 'secret' ? 'done' : 'user'
  }

  override connectionLost(error: Error | null): void {
    this.lostWith = error
  }
}

function connected(protocol: StatefulStringProtocol<never, never, never>) {
  const errors: unknown[] = []
  const client = new RecordingProtocol()
  memoryPair(client, protocol, { onConnectionError: (error) => void errors.push(error) })
  return { client, errors }
}

describe('StatefulStringProtocol', () => {
  it('gives each string to the handler of its state, which returns the next; done closes, after what was sent', async () => {
    const login = new Login()
    const { client, errors } = connected(login as never)
    client.transport.write('ada\nwrong\nada\nsecret\nnever seen\n')
    await client.untilEvent('connectionLost')
    expect(login.log).toEqual(['user ada', 'password wrong', 'user ada', 'password secret'])
    expect(client.data.toString()).toBe('password?\nno\npassword?\nwelcome\n')
    expect([login.state, login.lostWith, errors]).toEqual(['done', null, []])
  })

  it('that comes to a state without a handler fails with the next string', async () => {
    const login = new Login()
    const { client, errors } = connected(login as never)
    client.transport.write('lost\nanything\n')
    await client.untilEvent('connectionLost')
    expect(login.log).toEqual(['user lost'])
    expect(login.lostWith).toBeInstanceOf(InvalidStateError)
    expect(login.lostWith!.message).toBe('Login has no handler proto_nowhere()')
    expect(errors).toEqual([login.lostWith])
  })

  it('whose handler throws fails, and its state stays', async () => {
    const login = new Login()
    const { client } = connected(login as never)
    client.transport.write('\n')
    await client.untilEvent('connectionLost')
    expect([login.state, login.lostWith]).toEqual(['user', new RangeError('no name')])
  })

  it('takes strings behind four bytes of length, unless it is given a codec', async () => {
    class Echo extends StatefulStringProtocol<'init'> implements StateHandlers<'init'> {
      override state: 'init' | 'done' = 'init'
      proto_init(string: Uint8Array): 'init' {
        this.sendString(string)
        return 'init'
      }
    }
    const { client, errors } = connected(new Echo() as never)
    client.transport.write(latin1('\0\0\0\x02ab\0\0\0\0\0\x01\x86\xa0'))
    await client.untilEvent('connectionLost')
    expect(client.data.toString('latin1')).toBe('\0\0\0\x02ab\0\0\0\0')
    expect(errors).toEqual([expect.objectContaining({ size: 100_000, limit: 99_999 })])
  })

  it('has the compiler look for missing handlers', () => {
    // @ts-expect-error -- proto_b is missing
    class Half extends StatefulStringProtocol<'a' | 'b'> implements StateHandlers<'a' | 'b'> {
      override state: 'a' | 'b' | 'done' = 'a'
      proto_a(): 'b' {
        return 'b'
      }
    }
    expect(new Half().state).toBe('a')
  })
})
