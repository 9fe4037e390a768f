/** Jobs that read a large map: giving all its fields, some of them, or random ones again and again. */
import {LongReply} from './long-reply.ts'
import type {Context} from './context.ts'
import type {Engine} from '../engine.ts'
import type {Job} from '../parking.ts'
import type {FieldPicker} from './field-picker.ts'
import type {FieldVisitor} from '../keyspace/map-store.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'

/** Looking at an empty slot costs less than a field. */
const SLOT_COST = 0.25
/** So many bytes cost as much to copy as a field to find. */
const BYTES_PER_COST = 1024
const PICK_COST = 2

/** Writes one field as an element of the reply. */
export type FieldWriter = (out: ReplyWriter, ...field: Parameters<FieldVisitor>) => void

export interface FieldsOptions {
  readonly write: FieldWriter
  /** Writes what comes before so many fields. */
  readonly head: (out: ReplyWriter, count: number) => void
  /** Different fields to choose at random; Infinity for all. */
  readonly wanted: number
}

/** Walks the slots of a large map's table; the bucket is parked, so they stay as they are. */
export class FieldsJob implements Job {
  readonly bucket: number
  readonly isReadOnly = true
  isDone = false
  readonly #engine: Engine
  readonly #table: number
  readonly #now: number
  readonly #options: FieldsOptions
  readonly #reply: LongReply
  #isCounting: boolean
  #slot = 0
  #cost = 0
  /** Fields that have not expired: as many were counted, so many of them are still to come and to be given. */
  #live = 0
  #left = 0
  #wanted = 0
  #hasLive = false
  #given = 0

  constructor(c: Context, options: FieldsOptions) {
    this.bucket = c.bucket
    this.#engine = c.engine
    this.#table = c.maps.table(c.map)
    this.#now = c.now
    this.#options = options
    this.#reply = new LongReply(c.session.proto)
    this.#isCounting = options.wanted !== Infinity && c.maps.expiring(c.map) > 0
    if (!this.#isCounting) this.#choose(c.maps.count(c.map))
  }

  step(budget: number): number {
    const {maps, keyspace} = this.#engine
    const slots = keyspace.dict.slots(this.#table)
    this.#cost = 0
    const visit = this.#isCounting ? this.#count : this.#give
    while (this.#slot < slots && this.#cost < budget) {
      maps.eachInSlot(this.#table, this.#slot++, visit)
      this.#cost += SLOT_COST
    }
    if (this.#slot === slots) this.#endOfWalk()
    return budget - this.#cost
  }

  reply(out: ReplyWriter): void {
    this.#reply.give(out)
  }

  pieces(): readonly Buffer[] | null {
    return this.#reply.pieces
  }

  #endOfWalk(): void {
    if (this.#isCounting) {
      this.#isCounting = false
      this.#slot = 0
      this.#choose(this.#live)
      return
    }
    this.isDone = true
    const {effects, keyspace} = this.#engine
    if (!this.#hasLive) effects.expireMap(this.bucket, keyspace.dict.owner(this.#table))
    this.#reply.begin((out) => this.#options.head(out, this.#given))
  }

  #choose(live: number): void {
    this.#left = live
    this.#wanted = Math.min(this.#options.wanted, live)
  }

  readonly #count: FieldVisitor = (...field) => {
    this.#cost++
    if (field[6] > this.#now) this.#live++
  }

  /** Takes each field with the chance that leaves exactly enough (Knuth, algorithm S); all of them if all are wanted. */
  readonly #give: FieldVisitor = (...field) => {
    this.#cost += 1 + (field[2] + field[5]) / BYTES_PER_COST
    if (field[6] <= this.#now) return
    this.#hasLive = true
    if (this.#options.wanted !== Infinity && this.#engine.chance() * this.#left-- >= this.#wanted) return
    this.#wanted--
    this.#given++
    this.#options.write(this.#reply.out, ...field)
    this.#reply.flush()
  }
}

/** Gives random fields of a map, which may repeat. */
export class PickJob implements Job {
  readonly bucket: number
  readonly isReadOnly = true
  isDone = false
  readonly #picker: FieldPicker
  readonly #options: FieldsOptions
  readonly #reply: LongReply
  #left: number
  #given = 0

  constructor(c: Context, options: FieldsOptions, picker: FieldPicker) {
    this.bucket = c.bucket
    this.#picker = picker
    this.#options = options
    this.#reply = new LongReply(c.session.proto)
    this.#left = options.wanted
  }

  step(budget: number): number {
    let left = budget
    while (this.#left > 0 && left > 0) {
      // Nothing is left when the last field expired: then the reply ends here.
      this.#left = this.#picker.pick(this.#give) ? this.#left - 1 : 0
      this.#reply.flush()
      left -= PICK_COST
    }
    if (this.#left === 0) {
      this.isDone = true
      this.#reply.begin((out) => this.#options.head(out, this.#given))
    }
    return left
  }

  reply(out: ReplyWriter): void {
    this.#reply.give(out)
  }

  pieces(): readonly Buffer[] | null {
    return this.#reply.pieces
  }

  readonly #give: FieldVisitor = (...field) => {
    this.#given++
    this.#options.write(this.#reply.out, ...field)
  }
}
