/**
 * Replies that are right and yet never equal: random picks, remaining times, iteration order. Each such step names
 * one of these normalisers; the less a normaliser forgives, the better. Text out means "compare only this".
 */
import {encodeReply, parseReply, type Reply} from '../../support/resp-split.ts'

type Normalise = (reply: Reply, args: readonly string[], nowMs: number) => Reply | string

function bytewise(a: Reply, b: Reply): number {
  return Buffer.compare(encodeReply(a), encodeReply(b))
}

function items(reply: Reply): readonly Reply[] {
  return 'items' in reply ? reply.items : []
}

function inPairs(list: readonly Reply[]): [Reply, Reply][] {
  const pairs: [Reply, Reply][] = []
  for (let i = 0; i + 1 < list.length; i += 2) pairs.push([list[i]!, list[i + 1]!])
  return pairs
}

function sortedPairs(reply: Reply): Reply {
  if (!('items' in reply)) return reply
  const pairs = inPairs(reply.items).sort((a, b) => bytewise(a[0], b[0]))
  return {...reply, items: pairs.flat()}
}

function sorted(reply: Reply): Reply {
  return 'items' in reply ? {...reply, items: [...reply.items].sort(bytewise)} : reply
}

function skeleton(reply: Reply): string {
  if (reply.type === 'null') return reply.wire
  if ('items' in reply) return `${reply.type}[${reply.items.map(skeleton).join(' ')}]`
  return reply.type
}

function text(reply: Reply): string {
  // Verbatim text starts with its format: `txt:`.
  if ('bytes' in reply) return reply.bytes.toString('latin1', reply.type === '=' ? 4 : 0)
  return 'text' in reply ? reply.text : ''
}

/** Applies `change` to an integer reply, or to the integers of an array of them. */
function onIntegers(reply: Reply, change: (n: number) => number): Reply {
  if (reply.type === ':') {
    const n = Number(reply.text)
    return n < 0 ? reply : {type: ':', text: String(change(n))}
  }
  return 'items' in reply ? {...reply, items: reply.items.map((item) => onIntegers(item, change))} : reply
}

/** A [cursor, elements] reply: whether the cursor is 0, and the elements in order. */
function scanned(reply: Reply, order: (elements: Reply) => Reply): Reply {
  const [cursor, elements] = items(reply)
  if (cursor === undefined || elements === undefined) return reply
  const done: Reply = text(cursor) === '0' ? cursor : {type: '+', text: 'more'}
  return {type: '*', items: [done, order(elements)]}
}

/** Part of what `match` gives when it does not. */
export const NO_MATCH = 'does not match:'

export const NORMALISERS: Readonly<Record<string, Normalise>> = {
  /** Only what kind of reply it is. */
  type: (reply) => (reply.type === 'null' ? reply.wire : reply.type),
  /** Kinds and sizes all the way down, no content. */
  shape: (reply) => skeleton(reply),
  /** Kind, and how many elements. */
  length: (reply) => `${reply.type} ${items(reply).length}`,
  /** An error's first word. */
  code: (reply) => (reply.type === '-' ? `-${reply.text.split(' ')[0]}` : skeleton(reply)),
  /** Elements in any order. */
  sorted: (reply) => sorted(reply),
  /** Elements of elements in any order: an EXEC of commands whose order is free. */
  'sorted-inside': (reply) => ('items' in reply ? {...reply, items: reply.items.map(sorted)} : reply),
  /** Field and value, in any order. */
  pairs: (reply) => sortedPairs(reply),
  scan: (reply) => scanned(reply, sorted),
  'scan-pairs': (reply) => scanned(reply, sortedPairs),
  /** Milliseconds that run down: to the nearest second. */
  near: (reply) => onIntegers(reply, (n) => Math.round(n / 1000)),
  /** A unix time in seconds that was given relative: to the nearest 10 s from now. */
  'at-s': (reply, _args, nowMs) => onIntegers(reply, (n) => Math.round((n * 1000 - nowMs) / 10_000)),
  'at-ms': (reply, _args, nowMs) => onIntegers(reply, (n) => Math.round((n - nowMs) / 10_000)),
  /** `name:value` lines of these names, out of a longer text. */
  fields: (reply, names) =>
    text(reply)
      .split(/\r?\n/)
      .filter((line) => names.includes(line.split(':')[0]!))
      .sort()
      .join(' '),
  /** Which of these names begin a line. */
  has: (reply, names) => {
    const present = new Set(
      text(reply)
        .split(/\r?\n/)
        .map((line) => line.split(/[:=]/)[0]!),
    )
    return `${reply.type} ${names.filter((name) => present.has(name)).join(' ')}`
  },
  /** One element of an array, by its index. */
  item: (reply, [index]) => items(reply)[Number(index)] ?? 'missing',
  /** Values of these keys of a map (flat in RESP2), in this order. */
  keys: (reply, names) => {
    const values = new Map(inPairs(items(reply)).map(([key, value]) => [text(key), value]))
    return names
      .map((name) => encodeReply(values.get(name) ?? {type: '+', text: 'missing'}).toString('latin1'))
      .join('')
  },
  /** COMMAND INFO: name, arity, first key, last key, step; of each command. */
  routing: (reply) =>
    items(reply)
      .map((entry) => {
        const [name, arity, , first, last, step] = items(entry)
        return step === undefined
          ? skeleton(entry)
          : [name, arity, first, last, step].map((part) => text(part!)).join(' ')
      })
      .join(' | '),
  /** COMMAND INFO: name, arity, flags in any order, first key, last key, step; of each command. */
  command: (reply) =>
    items(reply)
      .map((entry) => {
        const [name, arity, flags, first, last, step] = items(entry)
        if (flags === undefined) return skeleton(entry)
        const words = items(flags).map(text).sort().join(',')
        return [name, arity, first, last, step].map((part) => text(part!)).join(' ') + ` ${flags.type}${words}`
      })
      .join(' | '),
  /** Whether the text matches a pattern (no spaces in it). */
  match: (reply, [pattern]) =>
    new RegExp(pattern!, 's').test(text(reply)) ? `${reply.type} matches` : `${reply.type} ${NO_MATCH} ${text(reply)}`,
}

/** The comparable form of a raw reply, as latin1 text: its bytes, unless a normaliser is named. */
export function normalise(raw: Buffer, name: string | undefined, args: readonly string[], nowMs: number): string {
  if (name === undefined || name === 'store') return raw.toString('latin1')
  const change = NORMALISERS[name]
  if (change === undefined) throw new Error(`unknown normaliser ${name}`)
  const reply = parseReply(raw)
  // An error is compared as it stands, whatever was hoped for.
  if (reply.type === '-' && name !== 'code' && name !== 'type') return raw.toString('latin1')
  const result = change(reply, args, nowMs)
  return typeof result === 'string' ? result : encodeReply(result).toString('latin1')
}

/** The payload that `[store name]` keeps. */
export function payload(raw: Buffer): Buffer {
  return Buffer.from(text(parseReply(raw)), 'latin1')
}
