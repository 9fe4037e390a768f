/** Picks random fields of a map, each with nearly the same chance; those whose time has come are deleted, not given. */
import {isLargeMap} from '../keyspace/node.ts'
import type {Context} from './context.ts'
import type {Engine} from '../engine.ts'
import type {FieldVisitor} from '../keyspace/map-store.ts'

/** Expired fields met before a pick gives up. */
const EXPIRED_MAX = 1000

export class FieldPicker {
  readonly #engine: Engine
  readonly #bucket: number
  readonly #key: Buffer
  readonly #hash: number
  readonly #now: number

  /** Of the map that is key argument 1. */
  constructor(c: Context) {
    this.#engine = c.engine
    this.#bucket = c.bucket
    this.#key = c.copy(1)
    this.#hash = c.hash
    this.#now = c.now
  }

  readonly #chance = (): number => this.#engine.chance()

  /** Visits a field; false if there is none. */
  pick(visit: FieldVisitor): boolean {
    const {keyspace, effects} = this.#engine
    let map = keyspace.find(this.#bucket, this.#hash, this.#key, 0, this.#key.length)
    for (let expired = 0; map !== 0 && expired < EXPIRED_MAX; expired++) {
      const dead = this.#tryPick(map, visit)
      if (dead === null) return true
      map = effects.expireField(this.#bucket, map, dead, 0, dead.length)
    }
    return false
  }

  /** Visits one field of the map, or gives the name of one that has expired. */
  #tryPick(map: number, visit: FieldVisitor): Buffer | null {
    const {maps, keyspace} = this.#engine
    if (!isLargeMap(keyspace.memory, map)) {
      maps.packedField(map, Math.floor(this.#chance() * maps.count(map)), visit)
      return null
    }
    let dead: Buffer | null = null
    const node = keyspace.fairNode(maps.table(map), this.#chance)
    maps.visitField(node, (...field) => {
      const [bytes, from, length] = field
      if (field[6] > this.#now) visit(...field)
      else dead = Buffer.from(bytes.subarray(from, from + length))
    })
    return dead
  }
}
