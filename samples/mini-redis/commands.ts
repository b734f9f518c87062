// The commands: a table of functions from words to a reply.
import type { Client } from './miniRedis.ts'
import { Line, ReplyError, type Reply } from './resp.ts'
import { List, type Value } from './store.ts'

/** `words[0]` is the command's own name. `undefined` says that it has answered by itself. */
type Run = (words: string[], client: Client) => Reply | undefined

const OK = new Line('+OK')
const PONG = new Line('+PONG')
const NO_LIST = new Line('*-1')
const SYNTAX = new ReplyError('ERR syntax error')
const NO_INTEGER = new ReplyError('ERR value is not an integer or out of range')
const OVERFLOW = new ReplyError('ERR increment or decrement would overflow')
const MOST_TIME = 2 ** 63
const WHILE_SUBSCRIBED = new Set(['subscribe', 'unsubscribe', 'ping', 'quit'])
const CONFIG: Record<string, string> = { save: '', appendonly: 'no', databases: '16', maxmemory: '0' }

const wrongNumber = (name: string): ReplyError => new ReplyError(`ERR wrong number of arguments for '${name}' command`)
const unknownSubcommand = (name: string, sub: string): ReplyError =>
  new ReplyError(`ERR unknown subcommand '${sub.slice(0, 128)}'. Try ${name} HELP.`)

/** A whole number of 64 bits, as it is written without frills. */
function integer(text: string): number | bigint {
  const value = Number(text)
  if (Number.isSafeInteger(value) && String(value) === text) return value
  if (!/^-?[1-9]\d{0,18}$/.test(text)) throw NO_INTEGER
  const big = BigInt(text)
  if (BigInt.asIntN(64, big) !== big) throw NO_INTEGER
  return big
}

function add(key: string, by: number, { database }: Client): Reply {
  const old = integer(database.string(key) ?? '0')
  let sum: number | bigint = typeof old === 'number' ? old + by : NaN
  if (!Number.isSafeInteger(sum)) {
    sum = BigInt(old) + BigInt(by)
    if (BigInt.asIntN(64, sum) !== sum) throw OVERFLOW
  }
  database.values.set(key, String(sum))
  return sum
}

function deadlineIn(text: string, unitMs: number, command: string): number {
  const deadline = Date.now() + Number(integer(text)) * unitMs
  if (Math.abs(deadline) >= MOST_TIME) throw new ReplyError(`ERR invalid expire time in '${command}' command`)
  return deadline
}

function set(words: string[], { database }: Client): Reply {
  const [, key, value] = words as [string, string, string]
  let deadline: number | undefined
  let condition: string | undefined
  for (let i = 3; i < words.length; i++) {
    const option = words[i]!.toUpperCase()
    if ((option === 'NX' || option === 'XX') && (condition ?? option) === option) condition = option
    else if ((option === 'EX' || option === 'PX') && deadline === undefined && i + 1 < words.length) {
      const text = words[++i]!
      deadline = deadlineIn(text, option === 'EX' ? 1000 : 1, 'set')
      if (Number(text) <= 0) throw new ReplyError("ERR invalid expire time in 'set' command")
    } else throw SYNTAX
  }
  if (condition !== undefined && (database.get(key) !== undefined) !== (condition === 'XX')) return null
  database.set(key, value, deadline)
  return OK
}

function ttl([, key]: string[], { database }: Client): Reply {
  if (database.get(key!) === undefined) return -2
  const deadline = database.deadlines.get(key!)
  return deadline === undefined ? -1 : Math.round((deadline - Date.now()) / 1000)
}

function expire([, key, time]: string[], { database }: Client): Reply {
  const deadline = deadlineIn(time!, 1000, 'expire')
  if (database.get(key!) === undefined) return 0
  if (deadline <= Date.now()) database.delete(key!)
  else database.deadlines.set(key!, deadline)
  return 1
}

function push(words: string[], { database }: Client, end: 'pushFront' | 'pushBack'): Reply {
  const list = database.opened(words[1]!, List)
  for (let i = 2; i < words.length; i++) list[end](words[i]!)
  return list.length
}

function pop([, key, count, ...more]: string[], { database }: Client): Reply {
  if (more.length > 0) throw wrongNumber('lpop')
  const n = Number(count ?? '1')
  if (!/^\d+$/.test(count ?? '1')) throw new ReplyError('ERR value is out of range, must be positive')
  const list = database.collection(key!, List)
  if (list === undefined) return count === undefined ? null : NO_LIST
  const popped: string[] = []
  while (popped.length < n && list.length > 0) popped.push(list.popFront()!)
  if (list.length === 0) database.delete(key!)
  return count === undefined ? popped[0]! : popped
}

function range([, key, first, last]: string[], { database }: Client): Reply {
  const [start, stop] = [Number(integer(first!)), Number(integer(last!))]
  const list = database.collection(key!, List)
  if (list === undefined) return []
  const n = list.length
  const from = Math.max(0, start < 0 ? n + start : start)
  const to = Math.min(n, (stop < 0 ? n + stop : stop) + 1)
  return from < to ? list.slice(from, to) : []
}

function setFields(words: string[], { database }: Client): Reply {
  if (words.length % 2 === 1) throw wrongNumber('hset')
  const hash = database.opened(words[1]!, Map<string, string>)
  const before = hash.size
  for (let i = 2; i < words.length; i += 2) hash.set(words[i]!, words[i + 1]!)
  return hash.size - before
}

function count(words: string[], test: (key: string) => boolean): number {
  let n = 0
  for (let i = 1; i < words.length; i++) if (test(words[i]!)) n++
  return n
}

function addMembers(words: string[], { database }: Client): Reply {
  const members = database.opened(words[1]!, Set<string>)
  const before = members.size
  for (let i = 2; i < words.length; i++) members.add(words[i]!)
  return members.size - before
}

const stringOrNull = (value: Value | undefined): Reply => (typeof value === 'string' ? value : null)

function flush(words: string[], { databases }: Client): Reply {
  if (words.length > 2 || !/^(async|sync)?$/i.test(words[1] ?? '')) throw SYNTAX
  for (const database of databases) database.clear()
  return OK
}

function ping([, message, ...more]: string[], { channels }: Client): Reply {
  if (more.length > 0) throw wrongNumber('ping')
  return channels.size > 0 ? ['pong', message ?? ''] : (message ?? PONG)
}

function setMany(words: string[], { database }: Client): Reply {
  if (words.length % 2 === 0) throw wrongNumber('mset')
  for (let i = 1; i < words.length; i += 2) database.set(words[i]!, words[i + 1]!)
  return OK
}

function subscribe([, ...channels]: string[], client: Client): undefined {
  for (const channel of channels) {
    client.subscribe(channel)
    client.send(['subscribe', channel, client.channels.size])
  }
}

function unsubscribe(words: string[], client: Client): undefined {
  const channels = words.length > 1 ? words.slice(1) : [...client.channels]
  for (const channel of channels) {
    client.unsubscribe(channel)
    client.send(['unsubscribe', channel, client.channels.size])
  }
  if (channels.length === 0) client.send(['unsubscribe', null, 0])
}

function select([, text]: string[], client: Client): Reply {
  const database = client.databases[Number(integer(text!))]
  if (database === undefined) throw new ReplyError('ERR DB index is out of range')
  client.database = database
  return OK
}

function config([, sub, ...names]: string[]): Reply {
  if (sub!.toLowerCase() !== 'get') throw unknownSubcommand('CONFIG', sub!)
  if (names.length === 0) throw wrongNumber('config|get')
  const asked = names.map((name) => name.toLowerCase())
  return Object.entries(CONFIG)
    .filter(([name]) => asked.includes(name) || asked.includes('*'))
    .flat()
}

function describe([, sub]: string[]): Reply {
  const all = Object.entries(commands)
  if (sub === undefined) return all.map(([name, [arity]]) => [name, arity, [], 0, 0, 0])
  if (sub.toLowerCase() === 'count') return all.length
  if (sub.toLowerCase() === 'docs') return []
  throw unknownSubcommand('COMMAND', sub)
}

/** By name: how many words it has (if negative, how many at least), and what it does. */
const commands: Record<string, [arity: number, run: Run]> = {
  command: [-1, describe],
  config: [-2, config],
  decr: [2, ([, key], client) => add(key!, -1, client)],
  del: [-2, (words, { database }) => count(words, (key) => database.get(key) !== undefined && database.delete(key))],
  echo: [2, ([, message]) => message],
  exists: [-2, (words, { database }) => count(words, (key) => database.get(key) !== undefined)],
  expire: [3, expire],
  flushall: [-1, flush],
  get: [2, ([, key], { database }) => database.string(key!) ?? null],
  hget: [3, ([, key, field], { database }) => database.collection(key!, Map<string, string>)?.get(field!) ?? null],
  hgetall: [2, ([, key], { database }) => [...(database.collection(key!, Map<string, string>) ?? [])].flat()],
  hset: [-4, setFields],
  incr: [2, ([, key], client) => add(key!, 1, client)],
  info: [-1, (_, client) => client.info()],
  lpop: [-2, pop],
  lpush: [-3, (words, client) => push(words, client, 'pushFront')],
  lrange: [4, range],
  mget: [-2, ([, ...keys], { database }) => keys.map((key) => stringOrNull(database.get(key)))],
  mset: [-3, setMany],
  ping: [-1, ping],
  publish: [3, ([, channel, message], client) => client.publish(channel!, message!)],
  quit: [-1, (_, client) => client.quit()],
  rpush: [-3, (words, client) => push(words, client, 'pushBack')],
  sadd: [-3, addMembers],
  select: [2, select],
  set: [-3, set],
  smembers: [2, ([, key], { database }) => [...(database.collection(key!, Set<string>) ?? [])]],
  subscribe: [-2, subscribe],
  ttl: [2, ttl],
  unsubscribe: [-1, unsubscribe],
}
// Under both spellings that clients use, so that none need be converted.
const byName = new Map(
  Object.entries(commands).flatMap(([name, [arity, run]]) =>
    [name, name.toUpperCase()].map((spelling) => [spelling, { name, arity, run }]),
  ),
)

/** What to answer; `undefined` if the command has done so itself. */
export function execute(words: string[], client: Client): Reply | undefined {
  const name = words[0]!
  const command = byName.get(name) ?? byName.get(name.toLowerCase())
  try {
    if (command === undefined) throw unknownCommand(words)
    const { arity } = command
    if (arity > 0 ? words.length !== arity : words.length < -arity) throw wrongNumber(command.name)
    if (client.channels.size > 0 && !WHILE_SUBSCRIBED.has(command.name)) {
      const allowed = '(P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context'
      throw new ReplyError(`ERR Can't execute '${command.name}': only ${allowed}`)
    }
    return command.run(words, client)
  } catch (error) {
    if (error instanceof ReplyError) return error
    throw error
  }
}

function unknownCommand([name, ...args]: string[]): ReplyError {
  let shown = ''
  for (const arg of args) if (shown.length < 128) shown += `'${arg.slice(0, 128 - shown.length)}' `
  return new ReplyError(`ERR unknown command '${name!.slice(0, 128)}', with args beginning with: ${shown}`)
}
