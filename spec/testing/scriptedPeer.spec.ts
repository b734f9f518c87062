import { AssertionError } from 'node:assert'
import { ConnectionLostError, InvalidStateError } from '../../lib/errors.ts'
import { framed } from '../../lib/framing/framed.ts'
import { lengthPrefixed } from '../../lib/framing/lengthPrefixed.ts'
import { FakeClock } from '../../lib/testing/fakeClock.ts'
import { RecordingProtocol } from '../../lib/testing/recordingProtocol.ts'
import { scriptedPeer } from '../../lib/testing/scriptedPeer.ts'
import { netError, netTurns } from '../support/netTools.ts'
import { Program } from '../support/program.ts'

const quiet = { onConnectionError: () => {} }

describe('scriptedPeer', () => {
  it('goes through its script, however the bytes come', async () => {
    const peer = scriptedPeer({ chunkSize: 1 })
      .reply('220 ready\r\n')
      .expect('EHLO me\r\n')
      .reply('250 ok\r\n')
      .expect(/MAIL FROM:<(\w+)>\r\n/)
      .expect(new Uint8Array([1, 2, 3]))
      .reply('bye')
      .eof()
      .end()
    const { reader, writer } = peer.streams()
    expect(String(await reader.readLine())).toBe('220 ready\r\n')
    writer.write('EHLO me\r\n')
    expect(String(await reader.readLine())).toBe('250 ok\r\n')
    writer.write('MAIL FROM:<someone>\r\n\x01\x02')
    await netTurns()
    writer.write('\x03')
    expect(String(await reader.read())).toBe('bye')
    writer.close()
    await peer.done()
  })

  it('takes classes for its streams, and protocols', async () => {
    const peer = scriptedPeer().expect('\0\0\0\x02hi').reply('\0\0\0\x03you').end()
    const { reader, writer } = peer.streams(framed(lengthPrefixed()))
    writer.writeMessage('hi')
    expect(String(await reader.readMessage())).toBe('you')
    writer.close()
    await peer.done()
    const other = scriptedPeer().reply('data').eof()
    const protocol = new RecordingProtocol()
    expect(other.connect(protocol)).toBe(protocol.transport)
    await other.done()
    await protocol.untilEvent('connectionLost')
    expect([protocol.data.toString(), protocol.lost]).toEqual(['data', null])
    expect(() => other.connect(protocol)).toThrow(InvalidStateError)
    expect(() => other.reply('late')).toThrow(InvalidStateError)
  })

  it('shows what was expected and what came, at both ends', async () => {
    const peer = scriptedPeer(quiet).reply('go').expect('this is a line of text\n')
    const { reader, writer } = peer.streams()
    await reader.readExactly(2)
    const read = netError(reader.read())
    writer.write('this is a line of test\n')
    const error = await netError<AssertionError>(peer.done())
    expect(error).toBeInstanceOf(AssertionError)
    expect(error.message).toBe(
      [
        'step 2 of 2, expect: it is not what came',
        'expected 66 20 74 65 78 74 0a                             f text.',
        'received 66 20 74 65 73 74 0a                             f test.',
        '                     ^^ byte 20',
      ].join('\n'),
    )
    expect(await read).toBe(error)
  })

  it('is not content with less', async () => {
    const peer = scriptedPeer(quiet).expect('HELLO').expect('WORLD')
    const { writer } = peer.streams()
    writer.write('HELLOWO')
    const error = await netError(peer.done({ timeoutMs: 10 }))
    expect(error.message).toMatch(/^step 2 of 2, expect: it has not come whole\nexpected 57 4f 52 4c 44 /)
    expect(error.message).toMatch(/\nreceived 57 4f  +WO\n +\^\^ byte 2$/)
  })

  it('nor with an end that comes before the rest', async () => {
    const peer = scriptedPeer(quiet).expect('HELLO')
    const { writer } = peer.streams()
    writer.write('HEL')
    writer.close()
    expect((await netError(peer.done())).message).toMatch('it is not what came, then the stream ended')
    const other = scriptedPeer(quiet).expect(/H\d\n/)
    other.streams().writer.close()
    expect((await netError(other.done())).message).toBe(
      'step 1 of 1, expect: nothing matches /H\\d\\n/\nreceived nothing\nthen the stream ended',
    )
  })

  it('nor with more', async () => {
    const peer = scriptedPeer(quiet).expect('HELLO')
    const { writer } = peer.streams()
    writer.write('HELLO, and more')
    const error = await netError(peer.done())
    expect(error.message).toMatch(/^after the last step: more came than the script has steps for\nreceived 2c 20 61 6e/)
    const ending = scriptedPeer(quiet).end()
    ending.streams().writer.write('x')
    expect((await netError(ending.done())).message).toMatch(
      /^step 1 of 1, end: expected the end of the stream\nreceived 78/,
    )
    const waiting = scriptedPeer(quiet).end()
    waiting.streams()
    expect((await netError(waiting.done({ timeoutMs: 5 }))).message).toBe(
      'step 1 of 1, end: expected the end of the stream, and it has not come',
    )
  })

  it('a pattern counts from the first byte on', async () => {
    const peer = scriptedPeer(quiet).expect(/B+\n/g)
    peer.streams().writer.write('ABB\n')
    expect((await netError(peer.done({ timeoutMs: 10 }))).message).toMatch(
      /nothing matches \/B\+\\n\/g\nreceived 41 42/,
    )
  })

  it('resets and fails', async () => {
    const peer = scriptedPeer().expect('x').reset()
    const { reader, writer } = peer.streams()
    writer.write('x')
    await expect(reader.read()).rejects.toThrow(ConnectionLostError)
    await peer.done()
    const failing = scriptedPeer().fail(new Error('cable cut'))
    const streams = failing.streams()
    await expect(streams.reader.read()).rejects.toThrow('cable cut')
    await failing.done()
  })

  it('pauses by the clock, so that a time can run out', async () => {
    using clock = new FakeClock()
    const peer = scriptedPeer().pause(5000).reply('late').pause().eof()
    const { reader } = peer.streams()
    const early = netError(reader.read(4, { timeoutMs: 4999 }))
    await clock.advance(4999)
    expect((await early).name).toBe('TimeoutError')
    const read = reader.read()
    await clock.advance(1)
    expect(String(await read)).toBe('late')
    await peer.done()
  })

  it('says what is missing also where the time of the others stands still', async () => {
    using clock = new FakeClock()
    const peer = scriptedPeer(quiet).expect('x')
    peer.streams()
    const error = await netError(peer.done({ timeoutMs: 5 }))
    expect(error.message).toMatch(/^step 1 of 1, expect: it has not come whole/)
    expect(clock.now).toBe(0)
  })

  it('says so where nothing else keeps the process alive, and where nobody connects', async () => {
    const program = new Program(process.execPath, [
      '-e',
      "require('./dist/cjs/testing/index.js').scriptedPeer().expect('x').done({ timeoutMs: 5 }).catch((error) => console.log(error.message))",
    ])
    await program.output(/step 1 of 1, expect: nobody has connected to the peer/)
    expect(await program.exit()).toBe(0)
  })

  it('is given up by the signal of done()', async () => {
    const peer = scriptedPeer().expect('never')
    peer.streams()
    const controller = new AbortController()
    const done = netError(peer.done({ signal: controller.signal }))
    controller.abort(new Error('enough'))
    expect((await done).message).toBe('enough')
  })

  it('takes further steps while it runs', async () => {
    const peer = scriptedPeer()
    const { reader, writer } = peer.streams()
    peer.reply('one')
    expect(String(await reader.readExactly(3))).toBe('one')
    peer.expect('two').reply('three')
    writer.write('two')
    expect(String(await reader.readExactly(5))).toBe('three')
    await peer.done()
  })
})
