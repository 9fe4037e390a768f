/** Buckets as text, both ways. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {formatBuckets, parseBuckets} from '../../../src/core/cluster/bucket-ranges.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'

test('neighbours become one range, others stand alone', () => {
  expect(formatBuckets([0, 1, 2, 7, 9, 10, 16_383])).toBe('0-2,7,9-10,16383')
  expect(formatBuckets([])).toBe('')
  expect(formatBuckets(Array.from({length: BUCKET_COUNT}, (_, i) => i))).toBe('0-16383')
})

test('a text gives back its buckets', () => {
  expect(parseBuckets('0-2,7,9-10,16383')).toEqual([0, 1, 2, 7, 9, 10, 16_383])
  expect(parseBuckets('')).toEqual([])
  expect(parseBuckets('5-5')).toEqual([5])
})

test.each([
  ['a bucket that is none', '16384'],
  ['a range beyond the last bucket', '16000-16384'],
  ['a range backwards', '9-3'],
  ['buckets not ascending', '7,3'],
  ['a bucket twice', '7,7'],
  ['ranges that overlap', '1-5,5-9'],
  ['no number', 'x'],
  ['a negative number', '-1'],
  ['half a range', '3-'],
  ['an empty part', '1,,2'],
  ['a comma at the end', '1,'],
  ['a blank', '1, 2'],
  ['a line break at the end', '1\n'],
  ['a fraction', '1.5'],
  ['too many digits', '000001'],
])('%s is refused', (_what, text) => {
  expect(parseBuckets(text)).toBeNull()
})

test('any set of buckets survives the round trip', () => {
  const sets = fc.uniqueArray(fc.nat({max: BUCKET_COUNT - 1}), {maxLength: 200})
  fc.assert(
    fc.property(sets, (set) => {
      const buckets = set.sort((a, b) => a - b)
      expect(parseBuckets(formatBuckets(buckets))).toEqual(buckets)
    }),
  )
})

test('any text is either refused or means buckets in ascending order', () => {
  const texts = fc.string({unit: fc.constantFrom(...'0123456789-,'), maxLength: 20})
  fc.assert(
    fc.property(texts, (text) => {
      const buckets = parseBuckets(text)
      if (buckets === null) return
      expect(parseBuckets(formatBuckets(buckets))).toEqual(buckets)
      expect(buckets.every((bucket, i) => bucket < BUCKET_COUNT && (i === 0 || bucket > buckets[i - 1]!))).toBe(true)
    }),
  )
})
