import { once } from 'node:events'
import { PassThrough, Readable, Writable } from 'node:stream'
import { connectDuplex } from '../../lib/endpoints/connectDuplex.ts'
import { JoinedDuplex } from '../../lib/transports/joinedDuplex.ts'
import { NetRecorder, netTurns } from '../support/netTools.ts'

// That it carries bytes both ways, and all about their flow, is in spec/testing/checkTransport.spec.ts.
describe('JoinedDuplex', () => {
  it('ends both sides on their own', async () => {
    const [from, to] = [new PassThrough(), new PassThrough()]
    const joined = new JoinedDuplex(from, to)
    joined.end('out')
    expect(String((await to.toArray())[0])).toBe('out')
    expect(joined.destroyed).toBe(false)
    from.end('in')
    expect(String((await joined.toArray())[0])).toBe('in')
    expect(joined.errored).toBeNull()
  })

  it('ends also if its source had ended before', async () => {
    const from = new PassThrough({ autoDestroy: false })
    from.resume().end()
    await once(from, 'end')
    expect(await new JoinedDuplex(from).toArray()).toEqual([])
  })

  it('is not writable without a Writable', () => {
    const joined = new JoinedDuplex(new PassThrough())
    expect([joined.readable, joined.writable]).toEqual([true, false])
  })

  it('holds back the source while nobody reads', async () => {
    let given = 0
    const source = new Readable({
      read() {
        given++
        this.push(Buffer.alloc(1024))
      },
    })
    const joined = new JoinedDuplex(source)
    joined.read(0)
    await netTurns(20)
    const before = given
    expect(before).toBeGreaterThan(0)
    await netTurns(20)
    expect(given).toBe(before)
    joined.destroy()
    expect(source.destroyed).toBe(true)
  })

  it('is destroyed without an error when it is destroyed, and so are both streams', async () => {
    const [from, to] = [new PassThrough(), new PassThrough()]
    const joined = new JoinedDuplex(from, to)
    const closed = once(joined, 'close')
    joined.destroy()
    await closed
    expect([from.destroyed, to.destroyed, from.errored, to.errored, joined.errored]).toEqual([
      true,
      true,
      null,
      null,
      null,
    ])
  })

  it.each(['readable', 'writable'])('fails with its %s', async (which) => {
    const sides = { readable: new PassThrough(), writable: new PassThrough() }
    const joined = new JoinedDuplex(sides.readable, sides.writable)
    const failed = once(joined, 'error')
    const error = new Error('broken')
    sides[which as 'readable'].destroy(error)
    expect(await failed).toEqual([error])
    expect([sides.readable.destroyed, sides.writable.destroyed]).toEqual([true, true])
  })

  it.each(['readable', 'writable'])('is destroyed with its %s', async (which) => {
    const sides = { readable: new PassThrough(), writable: new PassThrough() }
    const joined = new JoinedDuplex(sides.readable, sides.writable)
    const closed = once(joined, 'close')
    sides[which as 'readable'].destroy()
    await closed
    expect([sides.readable.destroyed, sides.writable.destroyed]).toEqual([true, true])
  })

  it('tells a write that fails by the error, once', async () => {
    const error = new Error('no room')
    const writable = new Writable({ write: (_chunk, _encoding, callback) => callback(error) })
    const joined = new JoinedDuplex(new PassThrough(), writable)
    const errors: unknown[] = []
    joined.on('error', (each) => errors.push(each))
    const closed = new Promise((resolve) => joined.on('close', resolve))
    joined.write('x')
    await closed
    expect(errors).toEqual([error])
  })

  it('hands on objects, for a transport to refuse', async () => {
    const objects = Readable.from([{ not: 'bytes' }])
    const errors: unknown[] = []
    const joined = new JoinedDuplex(objects)
    const onConnectionError = (error: unknown): void => void errors.push(error)
    const [, protocol] = connectDuplex(NetRecorder, joined, { onConnectionError })
    await protocol.untilEvent('lost')
    expect(errors).toEqual([protocol.lostWith])
    expect(protocol.lostWith?.name).toBe('TypeError')
  })
})
