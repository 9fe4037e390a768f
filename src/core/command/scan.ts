/**
 * SCAN and KEYS: walks over all keys of the node, bucket by bucket, in each in the order of its table's cursor (dict.ts). So the cursor of SCAN is
 * the cursor in the bucket's table * 16,384 + the bucket, 0 the start and the end, and a key that is there from the first call to the
 * last is reported, whatever comes and goes between.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {isMap, keyLength, keyOffset, pageBytes} from '../keyspace/node.ts'
import {isMatch, patternOf, scanCursor, scanOptions} from './scan-options.ts'
import {KeysJob} from './jobs-keys.ts'
import type {ScanOptions} from './scan-options.ts'
import type {Context} from './context.ts'

/** Slots of tables that one call looks at, for each key that was asked for. */
const SLOTS_PER_KEY = 10

export function scan(c: Context): void {
  const cursor = scanCursor(c, 1)
  if (Number.isNaN(cursor)) return
  const options = scanOptions(c, 2, false)
  if (options === null) return
  const found: number[] = []
  const next = walk(c, cursor, options, (node) => {
    if (isWanted(c, node, options)) found.push(node)
  })
  c.out.array(2)
  c.out.bulkInteger(next)
  c.out.array(found.length)
  for (const node of found) replyKey(c, node)
}

/** Visits the keys of some slots from the cursor on; returns the next cursor. */
function walk(c: Context, cursor: number, options: ScanOptions, visit: (node: number) => void): number {
  const {keyspace} = c
  let seen = 0
  let steps = options.count * SLOTS_PER_KEY
  let bucket = cursor % BUCKET_COUNT
  let at = Math.floor(cursor / BUCKET_COUNT)
  while (seen < options.count && steps-- > 0) {
    const occupied = keyspace.nextBucket(bucket)
    if (occupied < 0) return 0
    if (occupied !== bucket) at = 0
    bucket = occupied
    if (!c.engine.roles.isServing(bucket)) {
      at = 0
      if (++bucket === BUCKET_COUNT) return 0
      continue
    }
    at = keyspace.dict.scan(keyspace.table(bucket), at, (node) => {
      seen++
      visit(node)
    })
    if (at === 0) bucket++
  }
  return bucket === BUCKET_COUNT ? 0 : at * BUCKET_COUNT + bucket
}

function isWanted(c: Context, node: number, options: ScanOptions): boolean {
  const {keyspace} = c
  const {memory} = keyspace
  if (keyspace.isExpired(node, c.now)) return false
  if (options.type !== null && options.type !== (isMap(memory, node) ? 'hash' : 'string')) return false
  return isMatch(options.pattern, pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
}

function replyKey(c: Context, node: number): void {
  const {memory} = c.keyspace
  c.out.bulk(pageBytes(memory, node), keyOffset(memory, node), keyLength(memory, node))
}

export function keys(c: Context): void {
  c.engine.startJob(c, new KeysJob(c, patternOf(c, 1)))
}
