/** DUMP as a job: a value as bytes, in the form of src/record/payload.ts. */
import {NO_EXPIRY, isLargeMap, isMap, pageBytes, valueLength, valueOffset} from '../keyspace/node.ts'
import {RecordWriter} from '../../record/codec.ts'
import {payloadCrc, payloadFoot} from '../../record/payload.ts'
import {LongReply} from './long-reply.ts'
import type {Context} from './context.ts'
import type {Engine} from '../engine.ts'
import type {Job} from '../parking.ts'
import type {FieldVisitor} from '../keyspace/map-store.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'

const NO_KEY = Buffer.alloc(0)
const CRLF = Buffer.from('\r\n')
/** Frames are taken from the writer when they have so many bytes: always at the same records, however the job is stepped. */
const FRAMES_BYTES = 64 * 1024
const SLOT_COST = 0.25
const BYTES_PER_COST = 1024

export class DumpJob implements Job {
  readonly bucket: number
  readonly isReadOnly = true
  isDone = false
  readonly #engine: Engine
  readonly #now: number
  readonly #reply: LongReply
  readonly #writer = new RecordWriter()
  /** The node that is dumped; of a large map its table, because nodes move. */
  readonly #node: number
  readonly #table: number
  #slot = 0
  #cost = 0
  #crc = 0
  #bytes = 0

  constructor(c: Context, node: number) {
    this.bucket = c.bucket
    this.#engine = c.engine
    this.#now = c.now
    this.#reply = new LongReply(c.session.proto)
    this.#node = node
    this.#table = isLargeMap(c.keyspace.memory, node) ? c.maps.table(node) : 0
  }

  step(budget: number): number {
    this.#cost = 0
    if (this.#table === 0) {
      this.#writeSmall()
      this.#end()
      return budget - this.#cost
    }
    const {maps, keyspace} = this.#engine
    const slots = keyspace.dict.slots(this.#table)
    while (this.#slot < slots && this.#cost < budget) {
      maps.eachInSlot(this.#table, this.#slot++, this.#writeField)
      this.#cost += SLOT_COST
    }
    if (this.#slot === slots) this.#end()
    return budget - this.#cost
  }

  reply(out: ReplyWriter): void {
    this.#reply.give(out)
  }

  pieces(): readonly Buffer[] | null {
    return this.#reply.pieces
  }

  #writeSmall(): void {
    const {memory} = this.#engine.keyspace
    const node = this.#node
    if (isMap(memory, node)) return this.#engine.maps.each(node, this.#writeField)
    const length = valueLength(memory, node)
    this.#writer.set(0, 0, 0, 0, NO_KEY, 0, 0, pageBytes(memory, node), valueOffset(memory, node), length, NO_EXPIRY)
    this.#cost += 1 + length / BYTES_PER_COST
  }

  readonly #writeField: FieldVisitor = (...field) => {
    this.#cost += 1 + (field[2] + field[5]) / BYTES_PER_COST
    if (field[6] <= this.#now) return
    this.#writer.mapSet(0, 0, 0, 0, NO_KEY, 0, 0, ...field)
    if (this.#writer.pendingBytes >= FRAMES_BYTES) this.#takeFrames()
  }

  #takeFrames(): void {
    const frames = Buffer.from(this.#writer.frame())
    if (frames.length === 0) return
    this.#crc = payloadCrc(frames, this.#crc)
    this.#bytes += frames.length
    this.#reply.add(frames)
  }

  #end(): void {
    this.isDone = true
    this.#takeFrames()
    const {effects, keyspace} = this.#engine
    if (this.#bytes === 0) {
      // A map that has only fields whose time has come.
      effects.expireMap(this.bucket, keyspace.dict.owner(this.#table))
      return this.#reply.begin((out) => out.null())
    }
    const foot = payloadFoot(this.#crc)
    this.#reply.out.raw(foot)
    this.#reply.out.raw(CRLF)
    this.#reply.begin((out) => out.raw(Buffer.from(`$${this.#bytes + foot.length}\r\n`)))
  }
}
