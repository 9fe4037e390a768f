/** Buckets as people and entries write them: `0-99,200,300-400`, ascending, without overlap. */
import {BUCKET_COUNT} from '../constants.ts'

/** `buckets`: ascending, each once. */
export function formatBuckets(buckets: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < buckets.length; i++) {
    const first = buckets[i]!
    while (i + 1 < buckets.length && buckets[i + 1] === buckets[i]! + 1) i++
    const last = buckets[i]!
    parts.push(first === last ? `${first}` : `${first}-${last}`)
  }
  return parts.join(',')
}

/** The buckets of a text, ascending; null if it is none. The empty text names none. */
export function parseBuckets(text: string): number[] | null {
  const buckets: number[] = []
  if (text === '') return buckets
  for (const part of text.split(',')) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part)
    if (!match) return null
    const first = Number(match[1])
    const last = match[2] === undefined ? first : Number(match[2])
    const isAscending = buckets.length === 0 || first > buckets[buckets.length - 1]!
    if (last < first || last >= BUCKET_COUNT || !isAscending) return null
    for (let bucket = first; bucket <= last; bucket++) buckets.push(bucket)
  }
  return buckets
}
