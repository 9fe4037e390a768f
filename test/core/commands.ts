/** Random command sequences that the engine and model.ts both understand, and how to run them side by side. */
import fc from 'fast-check'
import {expect} from 'vitest'
import type {Model} from './model.ts'
import type {Plain, TestEngine} from './support.ts'

export type Step =
  | {readonly kind: 'command'; readonly words: readonly string[]}
  /** Time passes, with (`isIdle`) or without background work. */
  | {readonly kind: 'time'; readonly ms: number; readonly isIdle: boolean}

// All in one bucket, so that they can be renamed and copied, but for the last one.
const key = fc.constantFrom('{t}a', '{t}b', '{t}c', '{t}d')
const anyKey = fc.oneof({weight: 4, arbitrary: key}, {weight: 1, arbitrary: fc.constantFrom('x', 'y', '')})
const field = fc.constantFrom('f0', 'f1', 'f2', 'f3', '', 'F'.repeat(70))
const value = fc.oneof(
  {weight: 4, arbitrary: fc.constantFrom('', '0', '7', '-3', 'v', 'value', '9223372036854775807')},
  {weight: 1, arbitrary: fc.constantFrom('w'.repeat(64), 'x'.repeat(65), 'y'.repeat(300), 'z'.repeat(3000))},
)
const ms = fc.constantFrom('-1', '1', '50', '900', '5000', '100000').map(String)
const positiveMs = fc.constantFrom('0', '1', '50', '900', '5000', '100000')
const condition = fc.constantFrom('NX', 'XX', 'GT', 'LT')
const names = fc.array(field, {minLength: 1, maxLength: 4})
const pairs = fc.array(fc.tuple(field, value), {minLength: 1, maxLength: 4}).map((list) => list.flat())

/** So many fields that the map becomes large and its table grows; deleting them makes it shrink again. */
const manyPairs = fc
  .tuple(fc.integer({min: 0, max: 300}), fc.integer({min: 1, max: 300}))
  .map(([from, count]) => Array.from({length: count}, (_, i) => [`g${from + i}`, `${i}`]).flat())
const manyNames = fc
  .tuple(fc.integer({min: 0, max: 300}), fc.integer({min: 1, max: 300}))
  .map(([from, count]) => Array.from({length: count}, (_, i) => `g${from + i}`))

function words(name: string, ...parts: (fc.Arbitrary<string> | fc.Arbitrary<string[]>)[]): fc.Arbitrary<string[]> {
  return fc.tuple(...(parts as fc.Arbitrary<string | string[]>[])).map((list) => [name, ...list.flat()])
}

function counted(list: string[], step = 1): string[] {
  return ['FIELDS', String(list.length / step), ...list]
}

const stringWords = fc.oneof(
  words('get', anyKey),
  words('set', anyKey, value),
  words('set', anyKey, value, fc.constantFrom('NX', 'XX', 'KEEPTTL')),
  words('set', anyKey, value, fc.constant('PX'), fc.constantFrom('1', '50', '5000')),
  words('append', anyKey, value),
  words('setrange', anyKey, fc.constantFrom('0', '3', '100'), value),
  words('incrby', anyKey, fc.constantFrom('1', '-5', '9223372036854775807')),
)

const keyWords = fc.oneof(
  words('del', anyKey),
  words('del', key, key),
  words('exists', anyKey),
  words('type', anyKey),
  words('pexpire', anyKey, ms),
  words('pexpire', anyKey, ms, condition),
  words('persist', anyKey),
  words('pttl', anyKey),
  words('rename', key, key),
  words('renamenx', key, key),
  words('copy', key, key),
  words('copy', key, key, fc.constant('REPLACE')),
  words('transfer', key, key, fc.constantFrom('0', '50', '5000')),
  words('keys', fc.constant('*')),
)

const mapWords = fc.oneof(
  words('hset', anyKey, pairs),
  words('hset', key, manyPairs),
  words('hsetnx', anyKey, field, value),
  words('hget', anyKey, field),
  words('hmget', anyKey, names),
  words('hexists', anyKey, field),
  words('hstrlen', anyKey, field),
  words('hlen', anyKey),
  words('hdel', anyKey, names),
  words('hdel', key, manyNames),
  words('hgetall', anyKey),
  words('hkeys', anyKey),
  words('hvals', anyKey),
  words('hincrby', anyKey, field, fc.constantFrom('1', '-5', '9223372036854775807')),
)

const fieldExpiryWords = fc.oneof(
  words(
    'hpexpire',
    anyKey,
    positiveMs,
    condition,
    names.map((list) => counted(list)),
  ),
  words(
    'hpexpire',
    key,
    positiveMs,
    fc.constantFrom('NX', 'LT'),
    manyNames.map((list) => counted(list)),
  ),
  words(
    'hpttl',
    anyKey,
    names.map((list) => counted(list)),
  ),
  words(
    'hpersist',
    anyKey,
    names.map((list) => counted(list)),
  ),
  words(
    'hgetex',
    anyKey,
    fc.constant('PX'),
    positiveMs,
    names.map((list) => counted(list)),
  ),
  words(
    'hgetdel',
    anyKey,
    names.map((list) => counted(list)),
  ),
  words(
    'hsetex',
    anyKey,
    fc.constantFrom('FNX', 'FXX'),
    fc.constant('PX'),
    positiveMs,
    pairs.map((list) => counted(list, 2)),
  ),
)

const command: fc.Arbitrary<Step> = fc
  .oneof(
    {weight: 5, arbitrary: stringWords},
    {weight: 6, arbitrary: keyWords},
    {weight: 8, arbitrary: mapWords},
    {weight: 5, arbitrary: fieldExpiryWords},
    {weight: 1, arbitrary: fc.constant(['flushall'])},
  )
  .map((list) => ({kind: 'command', words: list}))

const time: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('time' as const),
  ms: fc.constantFrom(0, 1, 40, 60, 1000, 6000, 200_000),
  isIdle: fc.boolean(),
})

export const steps = fc.array(fc.oneof({weight: 8, arbitrary: command}, {weight: 1, arbitrary: time}), {
  maxLength: 80,
  size: 'max',
})

/** Replies whose order is not promised. */
const UNORDERED = new Set(['hkeys', 'hvals', 'keys'])

/** Does the step on both and compares the replies. */
export function take(step: Step, subject: TestEngine, model: Model): void {
  if (step.kind === 'time') {
    if (step.isIdle) subject.advance(step.ms)
    else subject.sleep(step.ms)
    model.now += step.ms
    if (step.isIdle) model.expire()
    return
  }
  const [name, ...args] = step.words
  const got = name === 'transfer' ? transfer(subject, args) : subject.run(...step.words)
  const want = model.run(name!, ...args)
  expect({step: step.words, reply: normal(name!, got)}).toEqual({step: step.words, reply: normal(name!, want)})
}

function transfer(subject: TestEngine, args: string[]): Plain {
  const [from, to, ms] = args
  const payload = subject.run('dump', from!)
  return payload === null ? null : subject.run('restore', to!, ms!, payload as string, 'REPLACE')
}

function normal(name: string, reply: Plain): Plain {
  if (!Array.isArray(reply)) return reply
  if (UNORDERED.has(name)) return [...reply].sort()
  if (name !== 'hgetall') return reply
  const sorted: Plain[][] = []
  for (let i = 0; i < reply.length; i += 2) sorted.push([reply[i]!, reply[i + 1]!])
  return sorted.sort((a, b) => (JSON.stringify(a[0]) < JSON.stringify(b[0]) ? -1 : 1))
}
