/**
 * The made-up disk of a data-log node, and the proof of what is on it. An entry is durable some time after it was appended, in order; what is not when the process dies
 * is lost. What is durable is judged as it comes: each record must follow the one before it or an image (a gap is never silent), and at the end the content of
 * every bucket is built from the log alone and compared with what its master has.
 */
import {assert} from '../base/assert.ts'
import {canonicalImage} from '../core/keyspace/canonical.ts'
import {Engine} from '../core/engine.ts'
import {Replay} from '../core/replay.ts'
import {RecordCursor, walkFrames} from '../record/codec.ts'
import {LOG_IMAGE, LOG_IMAGE_BEGIN, LOG_IMAGE_END, LOG_RECORDS, decodeLogLines} from '../record/log-entry.ts'
import {LogPositions} from '../record/log-position.ts'
import type {LogEntry} from '../record/log-entry.ts'
import type {Host} from '../core/host.ts'
import type {LogSink} from '../core/replication/recorder.ts'
import type {Schedule} from './schedule.ts'

export class SimLog {
  readonly #entries: LogEntry[] = []
  /** Where what is durable leads to. */
  readonly positions = new LogPositions()
  readonly #schedule: Schedule
  readonly #violated: (text: string) => void
  readonly #cursor = new RecordCursor()
  /** Processes that have used it. */
  #lives = 0
  #lastAt = 0

  constructor(schedule: Schedule, violated: (text: string) => void) {
    this.#schedule = schedule
    this.#violated = violated
  }

  /** A process begins to write; what the one before it had not made durable is lost. `delay`: of the disk, now, ms. */
  open(delay: () => number, durable: (mark: number) => void): LogSink {
    const life = ++this.#lives
    let count = 0
    return {
      append: (kind, body) => {
        const mark = ++count
        // The sender's buffer may be used again by whoever else has it: a disk keeps what it was given.
        const entry = {kind, body: Buffer.from(body)}
        const at = Math.max(this.#schedule.now + delay(), this.#lastAt)
        this.#lastAt = at
        this.#schedule.after(at - this.#schedule.now, () => {
          if (this.#lives !== life) return
          this.#keep(entry)
          durable(mark)
        })
        return mark
      },
    }
  }

  crash(): void {
    this.#lives++
  }

  /** The bucket's content as the log has it; null if no image of it is whole. */
  image(bucket: number): Buffer | null {
    const from = this.#lastImage(bucket)
    if (from < 0) return null
    const engine = new Engine({nodeId: '', seed: 1, now: 0}, {requestWork: () => undefined} as unknown as Host)
    const replay = new Replay(engine.effects)
    for (const {kind, body} of this.#entries.slice(from)) {
      if (kind !== LOG_RECORDS && kind !== LOG_IMAGE) continue
      this.#each(body, (cursor) => {
        if (cursor.bucket === bucket) replay.apply(cursor)
      })
    }
    return canonicalImage(engine.keyspace, engine.maps, bucket)
  }

  /** Where the last image of the bucket begins that is whole. */
  #lastImage(bucket: number): number {
    let begun = -1
    let whole = -1
    this.#entries.forEach(({kind, body}, i) => {
      if (kind !== LOG_IMAGE_BEGIN && kind !== LOG_IMAGE_END) return
      for (const line of decodeLogLines(body) ?? []) {
        if (line.bucket !== bucket) continue
        if (kind === LOG_IMAGE_BEGIN) begun = i
        else whole = begun
      }
    })
    return whole
  }

  #keep(entry: LogEntry): void {
    this.#entries.push(entry)
    const {kind, body} = entry
    if (kind === LOG_IMAGE) return
    if (kind !== LOG_RECORDS) {
      for (const line of decodeLogLines(body) ?? []) {
        if (!this.positions.line(kind, line))
          this.#violated(`18: the log has a line that does not follow: ${JSON.stringify(line)}`)
      }
      return
    }
    this.#each(body, ({bucket, epoch, seq}) => {
      if (this.positions.record(bucket, epoch, seq)) return
      const at = `${this.positions.epoch[bucket]}.${this.positions.seq[bucket]}`
      this.#violated(`18: the log is silent about a gap: bucket ${bucket} is at ${at}, then ${epoch}.${seq}`)
    })
  }

  #each(body: Buffer, visit: (cursor: RecordCursor) => void): void {
    const fault = walkFrames(body, this.#cursor, visit)
    assert(fault === null, 'the recorder writes whole frames')
  }
}
