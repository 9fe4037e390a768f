/**
 * Goes through the blocks of a segment, around damage, and says where it ends. What cannot be read at the end of a segment that is not sealed is a torn tail,
 * unless a later block says that it was durable (segment-format.ts, `synced`): then it is damage, as anywhere else.
 */
import {LOG_READ_BYTES} from '../constants.ts'
import {BLOCK_FOOT, BLOCK_HEAD_BYTES, findBlockHead, readBlock, syncedOf, type Block} from './segment-format.ts'
import type {SegmentSource} from './segment-files.ts'

export type Scanned =
  | {readonly kind: 'block'; readonly block: Block}
  /** Between these offsets there is no whole block; or, if they are equal, the block there does not follow the one before it. */
  | {readonly kind: 'damage'; readonly offset: number; readonly end: number; readonly words: string}
  /** The last thing told. `torn`: what is wrong with the bytes from `offset` on that are not whole; null: there are none. */
  | {readonly kind: 'end'; readonly offset: number; readonly isSealed: boolean; readonly torn: string | null}

const NOTHING: Buffer = Buffer.alloc(0)

/** `start`: offset of a block. `previous`: crc of the block before it, if that is known. */
export async function* scanSegment(
  source: SegmentSource,
  start: number,
  previous: number | null,
): AsyncGenerator<Scanned, void> {
  let buf = NOTHING
  let base = start
  let at = 0
  for (;;) {
    const verdict = readBlock(buf, at, base, source.name.number)
    const offset = base + at
    if (verdict.kind === 'ok') {
      const {block} = verdict
      const isNext = previous === null || block.previous === previous
      if (!isNext) yield {kind: 'damage', offset, end: offset, words: 'the block does not follow the one before it'}
      yield {kind: 'block', block}
      if (block.kind === BLOCK_FOOT) {
        yield* endBehindFoot(source, block)
        return
      }
      previous = block.crc
      at = block.end - base
      continue
    }
    if (verdict.kind === 'need') {
      const left = buf.length - at
      const more = await source.read(offset, Math.max(LOG_READ_BYTES, left + verdict.bytes))
      if (more.length > left) {
        buf = more
        base = offset
        at = 0
        continue
      }
      if (left === 0 && offset > 0 && source.foot === null) {
        yield {kind: 'end', offset, isSealed: false, torn: null}
        return
      }
    }
    const words = verdict.kind === 'bad' ? verdict.words : 'the segment is cut'
    const next = await findNext(source, offset, (verdict.kind === 'bad' ? verdict.end : null) ?? offset + 1)
    // HEAD was put in place whole, so it is never torn.
    if (offset > 0 && source.foot === null && !next.isBehindSynced) {
      yield {kind: 'end', offset, isSealed: false, torn: words}
      return
    }
    yield {kind: 'damage', offset, end: next.offset ?? next.size, words}
    if (next.offset === null) {
      yield {kind: 'end', offset: next.size, isSealed: source.foot !== null, torn: null}
      return
    }
    buf = NOTHING
    base = next.offset
    at = 0
    previous = null
  }
}

async function* endBehindFoot(source: SegmentSource, foot: Block): AsyncGenerator<Scanned, void> {
  const rest = await source.read(foot.end, LOG_READ_BYTES)
  const end = foot.end + rest.length
  if (rest.length > 0) yield {kind: 'damage', offset: foot.end, end, words: 'something stands behind the footer'}
  yield {kind: 'end', offset: foot.end, isSealed: true, torn: null}
}

interface NextBlock {
  /** Where the next head stands that is whole; null: none does. */
  readonly offset: number | null
  /** One of the later blocks says that the one at the damage was durable. Not looked for in a sealed segment. */
  readonly isBehindSynced: boolean
  /** Where the segment ends, if there is no next. */
  readonly size: number
}

async function findNext(source: SegmentSource, damage: number, from: number): Promise<NextBlock> {
  let first: number | null = null
  let base = from
  for (;;) {
    const buf = await source.read(base, LOG_READ_BYTES)
    for (let at = findBlockHead(buf, 0, base, source.name.number); at >= 0;) {
      first ??= base + at
      const isBehindSynced = syncedOf(buf, at) > damage
      if (isBehindSynced || source.foot !== null) return {offset: first, isBehindSynced, size: base + at}
      at = findBlockHead(buf, at + 1, base, source.name.number)
    }
    if (buf.length < LOG_READ_BYTES) return {offset: first, isBehindSynced: false, size: base + buf.length}
    // A head may stand across the edge.
    base += buf.length - BLOCK_HEAD_BYTES + 1
  }
}
