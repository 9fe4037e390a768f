/** One map of the cluster: a key whose value is a set of fields. */
import * as commands from './commands.ts'
import {iterateMap, type IterateOptions} from './map-scan.ts'
import type {Entries, Value} from './commands.ts'
import type {Key} from './key-bucket.ts'
import type {CallOptions} from './options.ts'
import type {Router} from './router.ts'

/**
 * A map: fields and their values under one key (a hash, in Redis' words). It is made by the first field that is set and gone with the last one.
 * The object holds nothing but the name; make as many as you like. Errors of every method: `ClientError`, see there.
 */
export class KvMap {
  /** The key of the map. */
  readonly key: Key
  readonly #router: Router

  /** Use `client.map(key)`. */
  constructor(router: Router, key: Key) {
    this.#router = router
    this.key = key
  }

  /** The value of a field as text; null if it is not there. */
  get(field: Key, options?: CallOptions): Promise<string | null> {
    return this.#router.run(commands.mapGet(this.key, field), options)
  }

  /** The value of a field as bytes; null if it is not there. */
  getBuffer(field: Key, options?: CallOptions): Promise<Buffer | null> {
    return this.#router.run(commands.mapGetBuffer(this.key, field), options)
  }

  /** The values of several fields, in their order; null for each that is not there. */
  getMany(fields: readonly Key[], options?: CallOptions): Promise<(string | null)[]> {
    if (fields.length === 0) return Promise.resolve([])
    return this.#router.run(commands.mapGetMany(this.key, fields), options)
  }

  /** Sets one field. Resolves to the number of fields that are new: 0 or 1. */
  set(field: Key, value: Value, options?: CallOptions): Promise<number>
  /** Sets several fields at once, all or none: an object, a Map or pairs. Resolves to the number of those that are new. */
  set(entries: Entries, options?: CallOptions): Promise<number>
  async set(first: Key | Entries, second?: Value | CallOptions, third?: CallOptions): Promise<number> {
    if (typeof first === 'string' || first instanceof Uint8Array) {
      return this.#router.run(commands.mapSet(this.key, [[first, second as Value]]), third)
    }
    return this.#router.run(commands.mapSet(this.key, commands.pairsOf(first)), second as CallOptions | undefined)
  }

  /** All fields with their values as text, in one answer; for a large map see `iterate`. Empty if there is no map. */
  getAll(options?: CallOptions): Promise<Map<string, string>> {
    return this.#router.run(commands.mapGetAll(this.key), options)
  }

  /** All fields with their values as bytes. */
  getAllBuffers(options?: CallOptions): Promise<Map<string, Buffer>> {
    return this.#router.run(commands.mapGetAllBuffers(this.key), options)
  }

  /** Deletes fields; resolves to how many of them were there. */
  delete(fields: Key | readonly Key[], options?: CallOptions): Promise<number> {
    const list = typeof fields === 'string' || fields instanceof Uint8Array ? [fields] : fields
    if (list.length === 0) return Promise.resolve(0)
    return this.#router.run(commands.mapDelete(this.key, list), options)
  }

  /** Whether the field is there. */
  has(field: Key, options?: CallOptions): Promise<boolean> {
    return this.#router.run(commands.mapHas(this.key, field), options)
  }

  /** How many fields there are. */
  size(options?: CallOptions): Promise<number> {
    return this.#router.run(commands.mapSize(this.key), options)
  }

  /** Adds to the integer in a field, which counts as 0 if it is not there; resolves to the sum. */
  increment(field: Key, by: number | bigint = 1, options?: CallOptions): Promise<number> {
    return this.#router.run(commands.mapIncrement(this.key, field, by), options)
  }

  /** Subtracts from the integer in a field. */
  decrement(field: Key, by: number | bigint = 1, options?: CallOptions): Promise<number> {
    return this.increment(field, -by, options)
  }

  /** The whole map is gone after so many milliseconds. False if there is no map. */
  expire(ttlMs: number, options?: CallOptions): Promise<boolean> {
    return this.#router.run(commands.expire(this.key, ttlMs), options)
  }

  /** One field is gone after so many milliseconds. False if there is no such field. */
  expireField(field: Key, ttlMs: number, options?: CallOptions): Promise<boolean> {
    return this.#router.run(commands.mapExpireField(this.key, field, ttlMs), options)
  }

  /** Milliseconds until the map is gone; Infinity if it stays, null if there is none. */
  ttl(options?: CallOptions): Promise<number | null> {
    return this.#router.run(commands.ttl(this.key), options)
  }

  /** Milliseconds until the field is gone; Infinity if it stays, null if there is none. */
  fieldTtl(field: Key, options?: CallOptions): Promise<number | null> {
    return this.#router.run(commands.mapFieldTtl(this.key, field), options)
  }

  /** Takes the expiry of the whole map away; false if it had none. */
  persist(options?: CallOptions): Promise<boolean> {
    return this.#router.run(commands.persist(this.key), options)
  }

  /** Takes the expiry of one field away; false if it had none. */
  persistField(field: Key, options?: CallOptions): Promise<boolean> {
    return this.#router.run(commands.mapPersistField(this.key, field), options)
  }

  /** The names of all fields, in one answer. */
  keys(options?: CallOptions): Promise<string[]> {
    return this.#router.run(commands.mapKeys(this.key), options)
  }

  /** The values of all fields, in one answer. */
  values(options?: CallOptions): Promise<string[]> {
    return this.#router.run(commands.mapValues(this.key), options)
  }

  /**
   * All fields with their values, some at a time. A field that is there from the beginning to the end comes once, whatever happens to the cluster
   * meanwhile; one that is set or deleted meanwhile comes or not.
   */
  iterate(options: IterateOptions = {}): AsyncGenerator<[string, string], void, void> {
    return iterateMap(this.#router, this.key, options)
  }

  [Symbol.asyncIterator](): AsyncGenerator<[string, string], void, void> {
    return this.iterate()
  }

  /** Deletes the map; false if there was none. */
  async clear(options?: CallOptions): Promise<boolean> {
    return (await this.#router.run(commands.remove([this.key]), options)) > 0
  }
}
