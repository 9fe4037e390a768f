/** Reading records back: as groups, and into an engine. */
import {expect} from 'vitest'
import {FrameChain, RecordCursor, readFrame} from '../../src/record/codec.ts'
import {Replay} from '../../src/core/replay.ts'
import type {TestEngine} from './support.ts'

/** Calls `visit` at each record of the frames, which must follow each other as a reader demands. */
function eachRecord(frames: Buffer, previous: number | null, visit: (cursor: RecordCursor) => void): void {
  const cursor = new RecordCursor()
  const chain = new FrameChain(previous)
  for (let at = 0; at < frames.length;) {
    const verdict = readFrame(frames, at, frames.length)
    if (verdict.kind !== 'ok') throw new Error(`frame at ${at}: ${verdict.kind}`)
    expect(chain.accept(verdict.frame)).toBeNull()
    cursor.openFrame(frames, verdict.frame)
    while (cursor.next()) visit(cursor)
    expect(cursor.fault).toBeNull()
    at = verdict.frame.end
  }
  expect(chain.isGroupOpen).toBe(false)
}

/** Records of each group. */
export function groupSizes(frames: Buffer, previous: number | null = null): number[] {
  const sizes: number[] = []
  let size = 0
  eachRecord(frames, previous, (cursor) => {
    size++
    if (!cursor.isGroupEnd) return
    sizes.push(size)
    size = 0
  })
  return sizes
}

export function replay(target: TestEngine, frames: Buffer): void {
  const player = new Replay(target.engine.effects)
  eachRecord(frames, null, (cursor) => player.apply(cursor))
}
