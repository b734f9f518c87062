import { memoryMessageStreams } from '../../lib/messages/memoryMessageStreams.ts'
import { netTurns } from '../support/netTools.ts'

describe('memoryMessageStreams', () => {
  it('refuses undefined, which is how a read tells the end', async () => {
    const [a, b] = memoryMessageStreams<number | null | undefined>()
    expect(() => a.writeMessage(undefined)).toThrow(TypeError)
    a.writeMessage(null)
    a.writeMessage(0)
    expect([await b.readMessage(), await b.readMessage()]).toEqual([null, 0])
  })

  it('a reset after the end does not reach the other one any more', async () => {
    const [a, b] = memoryMessageStreams<number>()
    a.writeMessage(1)
    a.close()
    await a.waitClosed()
    a.abort({ reset: true })
    await netTurns()
    expect([await b.readMessage(), await b.readMessage()]).toEqual([1, undefined])
    expect([b.isClosing(), b.exception()]).toEqual([false, null])
  })

  it('hands values over as they are, in a later turn', async () => {
    const [client, server] = memoryMessageStreams<{ n: number }, string>()
    const message = { n: 1 }
    server.writeMessage(message)
    client.writeMessage('question')
    expect(client.buffered).toBe(0)
    expect(await client.readMessage()).toBe(message)
    expect(await server.readMessage()).toBe('question')
  })

  it('counts bytes, strings, lists of them, and anything else as one', async () => {
    const [client] = memoryMessageStreams<unknown>()
    const sizes = ['12345', new Uint8Array(7), ['ab', new Uint8Array(3)], { any: 'thing' }, ''].map((message) => {
      const before = client.transport.getWriteBufferSize()
      client.writeMessage(message)
      return client.transport.getWriteBufferSize() - before
    })
    expect(sizes).toEqual([5, 7, 6, 1, 1])
  })

  it('what is sent to an end that is gone is a loss', async () => {
    const [client, server] = memoryMessageStreams<string>()
    server.abort()
    client.writeMessage('lost')
    await expect(client.waitClosed()).rejects.toThrow('it is closed (1 messages unsent)')
    await netTurns()
    expect(client.exception()?.message).toMatch(/^connection with memory:\d+ lost: /)
  })

  it('a pause of the reader holds back the end, too', async () => {
    const [client, server] = memoryMessageStreams<string>({ readBufferLimits: { high: 0 } })
    client.writeMessage('one')
    client.writeMessage('two')
    client.close()
    await netTurns()
    expect(server.buffered).toBe(1)
    expect([await server.readMessage(), await server.readMessage(), await server.readMessage()]).toEqual([
      'one',
      'two',
      undefined,
    ])
    await client.waitClosed()
  })
})
