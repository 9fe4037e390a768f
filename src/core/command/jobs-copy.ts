/**
 * Jobs that write a large map under another key: COPY and RENAME. Their records are written while they walk its fields; the
 * change itself comes at once, in the last step. So whoever looks in between (SCAN, an image) sees what was before.
 */
import {EVENT_GENERIC} from '../events.ts'
import {NO_EXPIRY, expireAt, keyLength, keyOffset, pageBytes} from '../keyspace/node.ts'
import type {Context} from './context.ts'
import type {Engine} from '../engine.ts'
import type {Job} from '../parking.ts'
import type {FieldVisitor} from '../keyspace/map-store.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'

const SLOT_COST = 0.25
const BYTES_PER_COST = 1024

/** What both share: a walk over the fields of the map that is key 1, with a record for each under the name of key 2. */
abstract class MapWriteJob implements Job {
  readonly bucket: number
  readonly isReadOnly = false
  isDone = false
  protected readonly engine: Engine
  protected readonly table: number
  protected readonly key: Buffer
  protected readonly hash: number
  /** When the map expires. */
  protected readonly until: number
  #slot = 0
  #cost = 0

  /** `target`: node of key 2 now, or 0. Looked up last: its hash is in the context. */
  constructor(c: Context, source: number, target: number) {
    this.bucket = c.bucket
    this.engine = c.engine
    this.table = c.maps.table(source)
    this.key = c.copy(2)
    this.hash = c.hash
    this.until = expireAt(c.keyspace.memory, source)
    c.effects.beginLong(this.bucket)
    if (target !== 0) c.effects.recordDelete(this.bucket, this.key, 0, this.key.length)
  }

  step(budget: number): number {
    const {maps, keyspace, effects} = this.engine
    const slots = keyspace.dict.slots(this.table)
    this.#cost = 0
    while (this.#slot < slots && this.#cost < budget) {
      maps.eachInSlot(this.table, this.#slot++, this.#visit)
      this.#cost += SLOT_COST
    }
    effects.stepLong(this.bucket)
    if (this.#slot === slots) this.#end()
    return budget - this.#cost
  }

  abstract reply(out: ReplyWriter): void

  pieces(): readonly Buffer[] {
    return []
  }

  protected abstract visitField(...field: Parameters<FieldVisitor>): void
  /** Makes the change; `target` as in the constructor. */
  protected abstract finish(target: number): void

  readonly #visit: FieldVisitor = (...field) => {
    this.#cost += 2 + (field[2] + field[5]) / BYTES_PER_COST
    this.engine.effects.recordField(this.bucket, this.key, 0, this.key.length, ...field)
    this.visitField(...field)
  }

  #end(): void {
    const {effects, keyspace} = this.engine
    if (this.until !== NO_EXPIRY) {
      effects.recordExpiry(this.bucket, this.key, 0, this.key.length, this.until)
    }
    this.finish(keyspace.find(this.bucket, this.hash, this.key, 0, this.key.length))
    effects.endLong(this.bucket)
    this.isDone = true
  }
}

export class CopyJob extends MapWriteJob {
  readonly #copy: number

  constructor(c: Context, source: number, target: number) {
    super(c, source, target)
    this.#copy = c.maps.makeDetached(this.hash, this.key, 0, this.key.length, this.until)
  }

  reply(out: ReplyWriter): void {
    out.integer(1)
  }

  protected visitField(...field: Parameters<FieldVisitor>): void {
    this.engine.maps.setInLarge(this.#copy, ...field)
  }

  protected finish(target: number): void {
    const {effects} = this.engine
    effects.putMap(this.bucket, target, this.#copy)
    if ((effects.events.mask & EVENT_GENERIC) !== 0) effects.events.emit('copy_to', this.key, 0, this.key.length)
  }
}

export class RenameJob extends MapWriteJob {
  readonly #isNew: boolean
  readonly #source: Buffer

  /** `isNew`: RENAMENX, whose reply is a number. */
  constructor(c: Context, source: number, target: number, isNew: boolean) {
    super(c, source, target)
    this.#isNew = isNew
    const {memory} = c.keyspace
    const bytes = pageBytes(memory, source)
    this.#source = c.copy(1)
    c.effects.recordDelete(this.bucket, bytes, keyOffset(memory, source), keyLength(memory, source))
  }

  reply(out: ReplyWriter): void {
    if (this.#isNew) out.integer(1)
    else out.ok()
  }

  protected visitField(): void {
    // The fields move as they are, with their table.
  }

  protected finish(target: number): void {
    const source = this.engine.keyspace.dict.owner(this.table)
    const {effects} = this.engine
    effects.moveKey(this.bucket, source, target, this.key, 0, this.key.length)
    if ((effects.events.mask & EVENT_GENERIC) === 0) return
    effects.events.emit('rename_from', this.#source, 0, this.#source.length)
    effects.events.emit('rename_to', this.key, 0, this.key.length)
  }
}
