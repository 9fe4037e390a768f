/** What a whole cluster, ours or Redis', holds: every key with its value or fields and all times, so that two can be compared. */
import {Connection} from '../../src/client/connection.ts'
import {isError, isList, replyPairs, replyText, type Reply} from '../../src/client/reply.ts'
import {rangesOf} from '../bench/cluster/redis-cluster.ts'

const SCAN_COUNT = '1000'
const KEYS_AT_ONCE = 200
const DIFFERENCES_SHOWN = 20
const NO_EXPIRY = '-1'

export interface Content {
  /** Unix ms; -1: none. */
  readonly expireAt: string
  /** Of a string. */
  readonly value?: string
  /** Of a map: value and time (as `expireAt`) by field. */
  readonly fields?: ReadonlyMap<string, readonly [value: string, expireAt: string]>
}

export type Contents = ReadonlyMap<string, Content>

/** `hasFieldTimes` false: the servers know no expiry of fields. Errors: a reply is an error, or a node does not answer. */
export async function contentsOf(port: number, hasFieldTimes = true): Promise<Contents> {
  const masters = new Set((await rangesOf(port)).map(({master}) => master))
  const contents = new Map<string, Content>()
  for (const master of masters) {
    // RESP2: every reply has one shape in both products.
    const connection = await Connection.connect({host: '127.0.0.1', port: master}, {resp: 2})
    try {
      const keys = [...(await keysOf(connection))]
      for (let i = 0; i < keys.length; i += KEYS_AT_ONCE) {
        const some = keys.slice(i, i + KEYS_AT_ONCE)
        const found = await Promise.all(some.map((key) => contentOf(connection, key, hasFieldTimes)))
        found.forEach((content, at) => content !== null && contents.set(some[at]!, content))
      }
    } finally {
      connection.close()
    }
  }
  return contents
}

async function keysOf(connection: Connection): Promise<ReadonlySet<string>> {
  const keys = new Set<string>()
  let cursor = '0'
  do {
    const [next, page] = listOf(await connection.call(['SCAN', cursor, 'COUNT', SCAN_COUNT]))
    cursor = textOf(next)
    for (const key of listOf(page)) keys.add(textOf(key))
  } while (cursor !== '0')
  return keys
}

/** Null: it has expired. */
async function contentOf(connection: Connection, key: string, hasFieldTimes: boolean): Promise<Content | null> {
  const [type, time] = await Promise.all([connection.call(['TYPE', key]), connection.call(['PEXPIRETIME', key])])
  const expireAt = textOf(time)
  if (textOf(type) === 'none') return null
  if (textOf(type) === 'string') return {expireAt, value: textOf(await connection.call(['GET', key]))}
  const pairs = replyPairs(listOf(await connection.call(['HGETALL', key])))
  const names = pairs.map(([name]) => textOf(name))
  const times = hasFieldTimes
    ? listOf(await connection.call(['HPEXPIRETIME', key, 'FIELDS', `${names.length}`, ...names])).map(textOf)
    : []
  const fields = new Map(
    pairs.map(([, value], i) => [names[i]!, [textOf(value), times[i] ?? NO_EXPIRY] as const] as const),
  )
  return {expireAt, fields}
}

function listOf(reply: Reply | undefined): readonly Reply[] {
  if (reply === undefined || !isList(reply)) throw new Error(`no list: ${JSON.stringify(reply)}`)
  return reply
}

function textOf(reply: Reply | undefined): string {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1')
  const text = reply === undefined || isError(reply) ? undefined : replyText(reply)
  if (text === undefined) throw new Error(`no text: ${JSON.stringify(reply)}`)
  return text
}

/** The same without fields that expire, and without maps that have no others: what a server without their expiry can hold. */
export function withoutFieldTimes(contents: Contents): Contents {
  const kept = new Map<string, Content>()
  for (const [key, content] of contents) {
    if (content.fields === undefined) kept.set(key, content)
    else {
      const fields = new Map([...content.fields].filter(([, [, time]]) => time === NO_EXPIRY))
      if (fields.size > 0) kept.set(key, {...content, fields})
    }
  }
  return kept
}

/** What is not the same in both, in words: the first few. */
export function differences(wanted: Contents, found: Contents): string[] {
  const keys = new Set([...wanted.keys(), ...found.keys()])
  const list = [...keys].flatMap((key) => keyDifferences(key, wanted.get(key), found.get(key)))
  return list.slice(0, DIFFERENCES_SHOWN)
}

function keyDifferences(key: string, wanted: Content | undefined, found: Content | undefined): string[] {
  if (wanted === undefined || found === undefined) return [`${key} is ${found === undefined ? 'missing' : 'too much'}`]
  const list: string[] = []
  if (wanted.expireAt !== found.expireAt) list.push(`${key} expires at ${found.expireAt}, not ${wanted.expireAt}`)
  if (wanted.value !== found.value) list.push(`${key} is "${found.value}", not "${wanted.value}"`)
  for (const field of new Set([...(wanted.fields?.keys() ?? []), ...(found.fields?.keys() ?? [])])) {
    const [was, is] = [wanted.fields?.get(field), found.fields?.get(field)].map((entry) => entry?.join(' @'))
    if (was !== is) list.push(`${key}.${field} is "${is}", not "${was}"`)
  }
  return list
}

/** How much of each kind there is: that a comparison has compared something. */
export function census(contents: Contents): {
  readonly strings: number
  readonly maps: number
  readonly expiring: number
  readonly expiringFields: number
} {
  const all = [...contents.values()]
  const maps = all.filter(({fields}) => fields !== undefined)
  return {
    strings: all.length - maps.length,
    maps: maps.length,
    expiring: all.filter(({expireAt}) => expireAt !== NO_EXPIRY).length,
    expiringFields: maps.flatMap(({fields}) => [...fields!.values()]).filter(([, time]) => time !== NO_EXPIRY).length,
  }
}
