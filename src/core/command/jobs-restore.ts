/**
 * RESTORE as a job: all of the payload is checked first, then the value is built, then it takes its place. All or
 * nothing, and nothing is seen before the end.
 */
import {SHARED_READ_BYTES} from '../../constants.ts'
import {EVENT_GENERIC} from '../events.ts'
import {NO_EXPIRY, WORD_USED, isMap, setWord} from '../keyspace/node.ts'
import {PACKED_FIELDS_MAX} from '../keyspace/map-store.ts'
import {RecordCursor, readFrame} from '../../record/codec.ts'
import {OP_MAP_SET, OP_SET} from '../../record/op.ts'
import {isPayloadFoot, payloadCrc, payloadFramesEnd} from '../../record/payload.ts'
import type {Context} from './context.ts'
import type {Engine} from '../engine.ts'
import type {Job} from '../parking.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'

const ERR_PAYLOAD = 'ERR DUMP payload version or checksum are wrong'
/** To check a record costs less than to build a field from it; so many bytes cost as much to check as a field to build. */
const CHECK_COST = 0.25
const CHECK_BYTES_PER_COST = 16 * 1024
const BYTES_PER_COST = 1024

export interface RestoreOptions {
  /** When the key expires; NO_EXPIRY, or a time that is past: then it is not made at all. */
  readonly until: number
  /** Seconds since it was used; -1 = not given. */
  readonly idle: number
}

const CHECK = 0
const BUILD = 1

export class RestoreJob implements Job {
  readonly bucket: number
  readonly isReadOnly = false
  isDone = false
  readonly #engine: Engine
  readonly #now: number
  readonly #options: RestoreOptions
  readonly #key: Buffer
  readonly #hash: number
  readonly #payload: Buffer
  readonly #framesEnd: number
  readonly #cursor = new RecordCursor()
  #phase = CHECK
  /** Where the next frame begins. */
  #at = 0
  #crc = 0
  #strings = 0
  #fields = 0
  #hasLive = false
  /** The large map that is being built. */
  #map = 0
  #error: string | null = null

  /** Of the key that is argument 1, looked up last, and the payload that is argument 3. */
  constructor(c: Context, options: RestoreOptions) {
    this.bucket = c.bucket
    this.#engine = c.engine
    this.#now = c.now
    this.#options = options
    this.#key = c.copy(1)
    this.#hash = c.hash
    const {buf, off, len} = c.request
    const payload = buf.subarray(off[3], off[3]! + len[3]!)
    // A large argument has its buffer for itself, and may be kept.
    this.#payload = payload.length <= SHARED_READ_BYTES ? Buffer.from(payload) : payload
    this.#framesEnd = payloadFramesEnd(this.#payload, 0, this.#payload.length)
    if (this.#framesEnd < 0) this.#refuse()
  }

  step(budget: number): number {
    let left = budget
    while (!this.isDone && left > 0) left -= this.#phase === CHECK ? this.#checkFrame() : this.#buildField()
    this.#engine.effects.stepLong(this.bucket)
    return left
  }

  reply(out: ReplyWriter): void {
    if (this.#error === null) out.ok()
    else out.error(this.#error)
  }

  pieces(): readonly Buffer[] {
    return []
  }

  /** These return what they cost. */
  #refuse(): number {
    this.#error = ERR_PAYLOAD
    this.isDone = true
    return 1
  }

  #checkFrame(): number {
    const verdict = readFrame(this.#payload, this.#at, this.#framesEnd)
    if (verdict.kind !== 'ok') return this.#refuse()
    const {frame} = verdict
    const cursor = this.#cursor
    cursor.openFrame(this.#payload, frame)
    while (cursor.next()) {
      if (cursor.keyLen !== 0 || cursor.bucket !== 0) return this.#refuse()
      if (cursor.op === OP_SET && cursor.expireAt === NO_EXPIRY) this.#strings++
      else if (cursor.op === OP_MAP_SET) this.#fields++
      else return this.#refuse()
      if (cursor.expireAt > this.#now) this.#hasLive = true
    }
    if (cursor.fault !== null) return this.#refuse()
    this.#crc = payloadCrc(this.#payload.subarray(frame.start, frame.end), this.#crc)
    this.#at = frame.end
    if (this.#at === this.#framesEnd) this.#endOfCheck()
    return 1 + frame.count * CHECK_COST + (frame.end - frame.start) / CHECK_BYTES_PER_COST
  }

  #endOfCheck(): void {
    const isOneValue = this.#strings === 0 ? this.#fields > 0 : this.#strings === 1 && this.#fields === 0
    if (!isOneValue || !isPayloadFoot(this.#payload, this.#payload.length, this.#crc)) {
      this.#refuse()
      return
    }
    this.#at = 0
    const isWanted = this.#hasLive && this.#options.until > this.#now
    if (!isWanted || this.#fields <= PACKED_FIELDS_MAX) return this.#buildSmall(isWanted)
    const {effects, maps} = this.#engine
    effects.beginLong(this.bucket)
    if (this.#target() !== 0) effects.recordDelete(this.bucket, this.#key, 0, this.#key.length)
    this.#map = maps.makeDetached(this.#hash, this.#key, 0, this.#key.length, this.#options.until)
    this.#phase = BUILD
    this.#openFrame()
  }

  #target(): number {
    return this.#engine.keyspace.find(this.bucket, this.#hash, this.#key, 0, this.#key.length)
  }

  #openFrame(): void {
    const verdict = readFrame(this.#payload, this.#at, this.#framesEnd)
    if (verdict.kind !== 'ok') throw new Error('the payload was checked')
    this.#cursor.openFrame(this.#payload, verdict.frame)
    this.#at = verdict.frame.end
  }

  /** One field of a large map; expired ones are left out. */
  #buildField(): number {
    const r = this.#cursor
    if (!r.next()) {
      if (this.#at < this.#framesEnd) this.#openFrame()
      else this.#end()
      return 1
    }
    if (r.expireAt <= this.#now) return 1
    const {effects, maps} = this.#engine
    effects.recordField(
      this.bucket,
      this.#key,
      0,
      this.#key.length,
      r.buf,
      r.fieldOff,
      r.fieldLen,
      r.buf,
      r.valueOff,
      r.valueLen,
      r.expireAt,
    )
    maps.setInLarge(this.#map, r.buf, r.fieldOff, r.fieldLen, r.buf, r.valueOff, r.valueLen, r.expireAt)
    return 2 + (r.fieldLen + r.valueLen) / BYTES_PER_COST
  }

  #end(): void {
    const {effects} = this.#engine
    const {until} = this.#options
    if (until !== NO_EXPIRY) effects.recordExpiry(this.bucket, this.#key, 0, this.#key.length, until)
    effects.putMap(this.bucket, this.#target(), this.#map)
    effects.endLong(this.bucket)
    this.#use(this.#map)
    this.#notify('restore')
    this.isDone = true
  }

  /** A string or a small map, or nothing at all if its time is past: in one go. */
  #buildSmall(isWanted: boolean): void {
    const {effects} = this.#engine
    effects.beginGroup()
    const target = this.#target()
    if (target !== 0) effects.delete(this.bucket, target)
    let node = 0
    while (isWanted && this.#at < this.#framesEnd) {
      this.#openFrame()
      while (this.#cursor.next()) node = this.#put(node)
    }
    const {until} = this.#options
    if (node !== 0 && until !== NO_EXPIRY && isMap(this.#engine.keyspace.memory, node)) {
      node = effects.setExpiry(this.bucket, node, until)
    }
    effects.endGroup()
    if (node !== 0) this.#use(node)
    if (node !== 0) this.#notify('restore')
    else if (target !== 0) this.#notify('del')
    this.isDone = true
  }

  #notify(event: string): void {
    const {events} = this.#engine.effects
    if ((events.mask & EVENT_GENERIC) !== 0) events.emit(event, this.#key, 0, this.#key.length)
  }

  #put(node: number): number {
    const r = this.#cursor
    const {effects} = this.#engine
    const key = this.#key
    if (r.op === OP_SET) {
      const {until} = this.#options
      return effects.set(this.bucket, this.#hash, 0, key, 0, key.length, r.buf, r.valueOff, r.valueLen, until)
    }
    if (r.expireAt <= this.#now) return node
    return effects.mapSet(
      this.bucket,
      this.#hash,
      node,
      key,
      0,
      key.length,
      r.buf,
      r.fieldOff,
      r.fieldLen,
      r.buf,
      r.valueOff,
      r.valueLen,
      r.expireAt,
    )
  }

  #use(node: number): void {
    const {keyspace} = this.#engine
    const {idle} = this.#options
    if (idle >= 0) setWord(keyspace.memory, node, WORD_USED, Math.max(0, keyspace.usedClock - idle))
  }
}
