/**
 * KEYS as a job: bucket by bucket, while other commands go on. A bucket of ordinary size is listed in one go; a very large
 * one by the cursor of its table, which may name a key twice if the bucket shrinks meanwhile.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {WORD_NEXT, keyLength, keyOffset, pageBytes, word} from '../keyspace/node.ts'
import {LongReply} from './long-reply.ts'
import {isMatch} from './scan-options.ts'
import type {Context} from './context.ts'
import type {Engine} from '../engine.ts'
import type {Job} from '../parking.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'

const WHOLE_BUCKET_MAX = 1000
const SLOT_COST = 0.25
/** So many bytes of names cost as much to match as a key to find. */
const BYTES_PER_COST = 64

export class KeysJob implements Job {
  readonly bucket = -1
  readonly isReadOnly = true
  isDone = false
  readonly #engine: Engine
  readonly #pattern: Buffer | null
  readonly #reply: LongReply
  #bucket = 0
  #cursor = 0
  #cost = 0
  #found = 0

  /** `pattern`: null for all keys. */
  constructor(c: Context, pattern: Buffer | null) {
    this.#engine = c.engine
    this.#pattern = pattern
    this.#reply = new LongReply(c.session.proto)
  }

  step(budget: number): number {
    const {keyspace} = this.#engine
    this.#cost = 0
    while (this.#cost < budget) {
      const bucket = this.#bucket < BUCKET_COUNT ? keyspace.nextBucket(this.#bucket) : -1
      if (bucket < 0) {
        this.isDone = true
        this.#reply.begin((out) => out.array(this.#found))
        break
      }
      if (bucket !== this.#bucket) this.#cursor = 0
      if (!this.#engine.roles.isServing(bucket)) {
        this.#bucket = bucket + 1
        this.#cursor = 0
        this.#cost += SLOT_COST
        continue
      }
      this.#bucket = bucket
      this.#cost += 1
      if (this.#cursor === 0 && keyspace.bucketCount(bucket) <= WHOLE_BUCKET_MAX) this.#visitBucket()
      else this.#visitSlot()
    }
    return budget - this.#cost
  }

  reply(out: ReplyWriter): void {
    this.#reply.give(out)
  }

  pieces(): readonly Buffer[] | null {
    return this.#reply.pieces
  }

  #visitBucket(): void {
    const {dict, memory} = this.#engine.keyspace
    const table = this.#engine.keyspace.table(this.#bucket)
    const slots = dict.slots(table)
    for (let slot = 0; slot < slots; slot++) {
      for (let node = dict.head(table, slot); node !== 0; node = word(memory, node, WORD_NEXT)) this.#visit(node)
    }
    this.#cost += slots * SLOT_COST
    this.#bucket++
  }

  #visitSlot(): void {
    const {keyspace} = this.#engine
    this.#cursor = keyspace.dict.scan(keyspace.table(this.#bucket), this.#cursor, this.#visit)
    if (this.#cursor === 0) this.#bucket++
  }

  readonly #visit = (node: number): void => {
    const {keyspace, now} = this.#engine
    const {memory} = keyspace
    const bytes = pageBytes(memory, node)
    const from = keyOffset(memory, node)
    const length = keyLength(memory, node)
    this.#cost += 1 + length / BYTES_PER_COST
    if (keyspace.isExpired(node, now) || !isMatch(this.#pattern, bytes, from, length)) return
    this.#found++
    this.#reply.out.bulk(bytes, from, length)
    this.#reply.flush()
  }
}
