/**
 * An engine whose changes are written down in a log, as a data-log node does it: image first, records after, and now and then the
 * connection is lost, so that an image stays unfinished or a new one must begin. It keeps in mind what the log should give back.
 */
import fc from 'fast-check'
import {BucketImage} from '../../src/core/keyspace/image.ts'
import {canonicalImage} from '../../src/core/keyspace/canonical.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {
  IMAGE_FIRST,
  IMAGE_GAP,
  LOG_EPOCH,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_IMAGE_END,
  LOG_NOTE,
  LOG_RECORDS,
} from '../../src/record/log-entry.ts'
import {bucketOf, TestEngine} from '../core/support.ts'
import {MemoryLog} from './memory-log.ts'
import type {BucketStore} from '../../src/datalog/bucket-store.ts'

interface Followed {
  readonly bucket: number
  readonly writer: RecordWriter
  isFollowed: boolean
  image: {readonly walk: BucketImage; readonly writer: RecordWriter} | null
  isWhole: boolean
  hasBegun: boolean
  /** Canonical content that the log should give; null: it cannot know. */
  content: Buffer | null
}

export class Recorder {
  readonly subject: TestEngine
  readonly log = new MemoryLog()
  readonly buckets: readonly Followed[]

  /** Writes down the buckets of these keys. */
  constructor(keys: readonly string[], subject = new TestEngine()) {
    this.subject = subject
    this.buckets = [...new Set(keys.map((key) => bucketOf(subject, key)))].map((bucket) => {
      const writer = new RecordWriter()
      subject.engine.effects.listen(bucket, writer)
      return {bucket, writer, isFollowed: false, image: null, isWhole: false, hasBegun: false, content: null}
    })
  }

  /** Everything from the beginning: an image of each bucket, finished at once. */
  follow(): void {
    for (let index = 0; index < this.buckets.length; index++) {
      this.begin(index)
      this.finish(index)
    }
  }

  /** What the engine did since the last call reaches the log. */
  drain(): void {
    for (const followed of this.buckets) this.#drain(followed)
  }

  #drain({writer, isFollowed}: Followed): void {
    const frames = Buffer.from(writer.frame())
    if (isFollowed && frames.length > 0) this.log.append(LOG_RECORDS, frames, this.subject.now)
  }

  /** The last moment of which the log has the bucket's content, if it ends with this one. */
  #keepContent(followed: Followed): void {
    this.#drain(followed)
    if (followed.isFollowed && followed.isWhole) followed.content = this.#content(followed.bucket)
  }

  begin(index: number): void {
    const followed = this.buckets[index]!
    this.#keepContent(followed)
    const {effects} = this.subject.engine
    const writer = new RecordWriter()
    const code = followed.hasBegun ? IMAGE_GAP : IMAGE_FIRST
    this.log.lines(LOG_IMAGE_BEGIN, [{...this.#position(followed.bucket), code}], this.subject.now)
    followed.hasBegun = followed.isFollowed = true
    followed.isWhole = false
    followed.image = {walk: new BucketImage(effects, followed.bucket, writer, false), writer}
  }

  /** Some of the image; it may be over then. */
  step(index: number, budget: number): void {
    const followed = this.buckets[index]!
    this.#drain(followed)
    if (followed.image === null) return
    const {walk, writer} = followed.image
    const isOver = walk.step(budget) > 0
    const frames = Buffer.from(writer.frame())
    if (frames.length > 0) this.log.append(LOG_IMAGE, frames, this.subject.now)
    if (!isOver) return
    this.log.lines(LOG_IMAGE_END, [this.#position(followed.bucket)], this.subject.now)
    followed.image = null
    followed.isWhole = true
  }

  finish(index: number): void {
    while (this.buckets[index]!.image !== null) this.step(index, 1000)
  }

  /** The connection is lost: what happens now is not heard of. */
  lose(index: number): void {
    const followed = this.buckets[index]!
    this.#keepContent(followed)
    followed.isFollowed = false
    followed.image = null
  }

  /** Another master goes on with the same content. */
  raise(index: number): void {
    this.#drain(this.buckets[index]!)
    const {bucket, isFollowed, isWhole} = this.buckets[index]!
    if (!isFollowed || !isWhole) return
    this.subject.engine.effects.epoch[bucket]!++
    this.log.lines(LOG_EPOCH, [this.#position(bucket)], this.subject.now)
  }

  note(): void {
    this.drain()
    this.log.append(LOG_NOTE, Buffer.from('{}'), this.subject.now)
  }

  /** What the log should give now, by bucket. */
  expected(): Map<number, Buffer | null> {
    for (const followed of this.buckets) this.#keepContent(followed)
    return new Map(this.buckets.map(({bucket, content}) => [bucket, content]))
  }

  #position(bucket: number): {bucket: number; epoch: number; seq: number} {
    const {epoch, seq} = this.subject.engine.effects
    return {bucket, epoch: epoch[bucket]!, seq: seq[bucket]!}
  }

  #content(bucket: number): Buffer {
    return canonicalImage(this.subject.engine.keyspace, this.subject.engine.maps, bucket)
  }
}

export function contentOf(store: BucketStore, bucket: number): Buffer {
  return canonicalImage(store.effects.keyspace, store.effects.maps, bucket)
}

/** What may happen to the log of one of so many buckets. */
export type LogStep =
  | {readonly kind: 'begin' | 'lose' | 'raise' | 'finish'; readonly index: number}
  | {readonly kind: 'step'; readonly index: number; readonly budget: number}

export function logSteps(buckets: number): fc.Arbitrary<LogStep> {
  const index = fc.integer({min: 0, max: buckets - 1})
  return fc.oneof(
    fc.record({kind: fc.constantFrom('begin' as const, 'finish' as const, 'finish' as const, 'lose' as const), index}),
    fc.record({kind: fc.constant('raise' as const), index}),
    fc.record({kind: fc.constant('step' as const), index, budget: fc.integer({min: 1, max: 20})}),
  )
}

export function takeLogStep(recorder: Recorder, step: LogStep): void {
  if (step.kind === 'step') recorder.step(step.index, step.budget)
  else recorder[step.kind](step.index)
}
