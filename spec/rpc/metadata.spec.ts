import { Metadata } from '../../lib/rpc/index.ts'

describe('Metadata', () => {
  it('is made from an object, from pairs and from other metadata', () => {
    const expected = [
      ['a', '1'],
      ['b', '2'],
      ['b', '3'],
    ]
    const first = new Metadata({ a: '1', b: ['2', '3'] })
    expect([...first]).toEqual(expected)
    expect([...new Metadata(first)]).toEqual(expected)
    expect([...new Metadata(new Map([['a', '1']]))]).toEqual([['a', '1']])
    expect([...new Metadata(expected as [string, string][])]).toEqual(expected)
    expect([...new Metadata()]).toEqual([])
  })

  it('is a copy of what it is made from', () => {
    const first = new Metadata({ a: '1' })
    const second = new Metadata(first)
    second.append('a', '2')
    expect(first.getAll('a')).toEqual(['1'])
  })

  it('compares keys in lower case, and gives them so', () => {
    const metadata = new Metadata({ 'X-Trace': '1' })
    expect([...metadata]).toEqual([['x-trace', '1']])
    expect([metadata.get('x-TRACE'), metadata.has('X-trace')]).toEqual(['1', true])
    metadata.append('x-trace', '2').set('X-OTHER', 'y')
    expect(metadata.getAll('X-Trace')).toEqual(['1', '2'])
    expect(metadata.delete('X-TRACE')).toBe(true)
    expect([...metadata]).toEqual([['x-other', 'y']])
  })

  it('get gives the first value, getAll all of them', () => {
    const metadata = new Metadata({ a: ['1', '2'] })
    expect([metadata.get('a'), metadata.getAll('a')]).toEqual(['1', ['1', '2']])
    expect([metadata.get('b'), metadata.getAll('b'), metadata.has('b')]).toEqual([undefined, [], false])
  })

  it('set replaces what was there', () => {
    const metadata = new Metadata({ a: ['1', '2'] })
    expect(metadata.set('a', '3').getAll('a')).toEqual(['3'])
    expect(metadata.set('A', ['4', '5']).getAll('a')).toEqual(['4', '5'])
    expect(metadata.set('a', []).has('a')).toBe(false)
  })

  it('delete tells whether there was something', () => {
    const metadata = new Metadata({ a: '1' })
    expect([metadata.delete('a'), metadata.delete('a')]).toEqual([true, false])
  })

  it('size counts the values', () => {
    expect(new Metadata({ a: ['1', '2'], b: '' }).size).toBe(3)
    expect(new Metadata({ a: [] }).size).toBe(0)
  })

  it('takes any text for a key, also the name of a method of every object', () => {
    const metadata = new Metadata({ constructor: 'x' }).append('__proto__', 'y')
    expect([metadata.get('constructor'), metadata.get('__proto__'), metadata.get('tostring')]).toEqual([
      'x',
      'y',
      undefined,
    ])
  })

  it('shows itself in JSON', () => {
    expect(JSON.stringify(new Metadata({ a: '1', b: ['2', '3'] }))).toBe('{"a":"1","b":["2","3"]}')
  })

  it('refuses what is no text, and keeps what it has', () => {
    const metadata = new Metadata({ a: '1' })
    expect(() => metadata.append('n', 1 as never)).toThrow(new TypeError('metadata n must be a string, not number'))
    expect(() => metadata.set('a', ['2', null] as never)).toThrow(
      new TypeError('metadata a must be a string, not null'),
    )
    expect(() => metadata.append('', 'x')).toThrow(new TypeError('a metadata key must be a string, not '))
    expect(() => new Metadata({ a: undefined } as never)).toThrow(
      new TypeError('metadata a must be a string, not undefined'),
    )
    expect([...metadata]).toEqual([['a', '1']])
  })
})
