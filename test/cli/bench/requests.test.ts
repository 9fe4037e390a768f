import {describe, expect, test} from 'vitest'
import {loadsFor, OPERATIONS, parseMix, type OperationName} from '../../../src/cli/bench/mix.ts'
import {keyName, LoadSource, makeValue, MixSource, type RequestSource} from '../../../src/cli/bench/requests.ts'
import {ReplyDecoder} from '../../../src/client/decoder.ts'
import type {Reply} from '../../../src/client/reply.ts'

const space = {prefix: 't:', size: 100}
const value = Buffer.from('VALUE')

/** The requests of a source, decoded. */
function take(source: RequestSource, count: number): string[][] {
  const requests: string[][] = []
  const decoder = new ReplyDecoder({
    onReply: (reply) => requests.push((reply as readonly Reply[]).map(String)),
    onPush: () => {},
  })
  const out = Buffer.alloc(source.bytesMax * count)
  let at = 0
  for (let index = 0; index < count; index++) at = source.write(out, at)
  decoder.write(out.subarray(0, at))
  expect(decoder.isIdle).toBe(true)
  return requests
}

describe('mixes', () => {
  test('names with weights', () => {
    expect(parseMix('get:9, SET')).toEqual([
      {name: 'get', weight: 9},
      {name: 'set', weight: 1},
    ])
  })

  test.each(['', 'get:', 'get:0', 'get:-1', 'get:1.5', 'get:1:2', 'mset', 'get,get', 'toString'])(
    '"%s" is none',
    (text) => {
      expect(() => parseMix(text)).toThrow(`--mix ${text} is not a mix`)
    },
  )

  test('what is read is written first', () => {
    expect(loadsFor(parseMix('get,hget,set,incr'))).toEqual(['set', 'hset'])
    expect(loadsFor(parseMix('set,hset,incr'))).toEqual([])
  })
})

describe('requests', () => {
  test('each operation is a request of its own, on keys of its own', () => {
    const requests = Object.keys(OPERATIONS).map((name) => {
      const source = new LoadSource(name as OperationName, space, value, {elements: undefined, first: 42, step: 1})
      return take(source, 1)[0]
    })
    expect(requests).toEqual([
      ['GET', 't:s:0000000042'],
      ['SET', 't:s:0000000042', 'VALUE'],
      ['HGET', 't:m:0000000004', 'f2'],
      ['HSET', 't:m:0000000004', 'f2', 'VALUE'],
      ['INCR', 't:c:0000000042'],
    ])
  })

  test('keys are those that keyName gives, also the longest', () => {
    const large = {prefix: 'p', size: 2 ** 32}
    const source = new LoadSource('get', large, value, {
      elements: Uint32Array.of(2 ** 32 - 1, 0, 90_807),
      first: 0,
      step: 1,
    })
    const names = take(source, 3).map(([, key]) => key)
    expect(names).toEqual([2 ** 32 - 1, 0, 90_807].map((element) => keyName(large, 'get', element)))
  })

  test('a mix keeps its weights and stays in its key space', () => {
    const source = new MixSource(parseMix('get:3,set:1'), space, value, [undefined, undefined])
    const requests = take(source, 10_000)
    const gets = requests.filter(([name]) => name === 'GET').length
    expect(gets).toBeGreaterThan(7_200)
    expect(gets).toBeLessThan(7_800)
    const keys = new Set(requests.map(([, key]) => key))
    expect(keys.size).toBe(100)
    expect([...keys].every((key) => /^t:s:00000000\d\d$/.test(key!))).toBe(true)
  })

  test('a mix over chosen elements asks for those only', () => {
    const source = new MixSource(parseMix('get'), space, value, [Uint32Array.of(7, 9)])
    expect(new Set(take(source, 200).map(([, key]) => key))).toEqual(new Set(['t:s:0000000007', 't:s:0000000009']))
  })

  test('the lanes of a load write every element exactly once', () => {
    for (const lanes of [1, 3, 7, 150]) {
      const sources = Array.from(
        {length: lanes},
        (_, first) => new LoadSource('set', space, value, {elements: undefined, first, step: lanes}),
      )
      const keys = sources.flatMap((source) => take(source, source.remaining)).map(([, key]) => key)
      expect(sources.every((source) => source.remaining === 0)).toBe(true)
      expect(keys.sort()).toEqual(Array.from({length: 100}, (_, element) => keyName(space, 'set', element)))
    }
  })

  test('values have the size asked for and can be read', () => {
    expect(makeValue(1_000).toString()).toMatch(/^[a-z]{1000}$/)
    expect(makeValue(0)).toHaveLength(0)
  })
})
