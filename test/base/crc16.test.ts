import fc from 'fast-check'
import {expect, test} from 'vitest'
import {crc16, keyBucket} from '../../src/base/crc16.ts'

const bucketOf = (key: string): number => keyBucket(Buffer.from(key), 0, Buffer.byteLength(key))
const crcOf = (text: string): number => crc16(Buffer.from(text), 0, Buffer.byteLength(text))

test('crc16 gives the check value of CRC-16/XMODEM', () => {
  expect(crcOf('123456789')).toBe(0x31c3)
  expect(crcOf('')).toBe(0)
})

test('buckets are those that redis-server 7.0 names in CLUSTER KEYSLOT', () => {
  const known = {
    foo: 12182,
    bar: 5061,
    '': 0,
    '{user1000}.following': 3443,
    '{user1000}.followers': 3443,
    'foo{}{bar}': 8363,
  }
  for (const [key, bucket] of Object.entries(known)) expect([key, bucketOf(key)]).toEqual([key, bucket])
})

test.each([
  ['{tag}.a', 'tag', 'a tag at the start'],
  ['a.{tag}', 'tag', 'a tag at the end'],
  ['a{tag}b{other}', 'tag', 'the first of two tags'],
  ['foo{{bar}}zap', '{bar', 'a brace inside a tag'],
  ['a}b{tag}', 'tag', 'a closing brace before the tag'],
])('%s hashes as %s: %s', (key, tag) => {
  expect(bucketOf(key)).toBe(bucketOf(tag))
})

test.each([['foo{}{bar}'], ['{}x'], ['{open'], ['close}'], ['}{']])('%s has no tag and is hashed whole', (key) => {
  expect(bucketOf(key)).toBe(crcOf(key) % 16_384)
})

test('a key inside a larger buffer hashes as alone', () => {
  fc.assert(
    fc.property(
      fc.uint8Array(),
      fc.string({unit: fc.constantFrom('a', '{', '}', 'b')}),
      fc.uint8Array(),
      (before, key, after) => {
        const bytes = Buffer.concat([before, Buffer.from(key), after])
        expect(keyBucket(bytes, before.length, Buffer.byteLength(key))).toBe(bucketOf(key))
      },
    ),
  )
})
