/**
 * What a command sees while it runs: its arguments in place, the keyspace to read, `effects` to write, `out` to answer.
 * One object serves all commands, one after the other; nothing in it outlives the call.
 *
 * The texts of errors that many commands share are here, once.
 */
import {Request} from '../../resp/request-decoder.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'
import {KEY_BYTES_MAX} from '../../constants.ts'
import {FLAG_EXPIRES, FLAG_MAP, WORD_KEY, WORD_USED, expireAt, setWord, word} from '../keyspace/node.ts'
import {EVENT_MISS} from '../events.ts'
import type {Effects} from '../effects.ts'
import type {Engine} from '../engine.ts'
import type {Keyspace} from '../keyspace/keyspace.ts'
import type {MapStore} from '../keyspace/map-store.ts'
import type {Session} from '../session.ts'
import type {Command} from './command.ts'
import {parseInt64, parseSafeInteger} from './numbers.ts'

export const ERR_SYNTAX = 'ERR syntax error'
export const ERR_NOT_INTEGER = 'ERR value is not an integer or out of range'
export const ERR_NOT_FLOAT = 'ERR value is not a valid float'
export const ERR_WRONG_TYPE = 'WRONGTYPE Operation against a key holding the wrong kind of value'
export const ERR_NO_SUCH_KEY = 'ERR no such key'
export const ERR_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)'
export const ERR_OUT_OF_MEMORY = "OOM command not allowed when used memory > 'maxmemory'."
export const ERR_INDEX = 'ERR index out of range'

/** No key, name or option is longer. */
const TEXT_BYTES_MAX = KEY_BYTES_MAX

/** What `execute` says of a request. */
export const DONE = 0
/** Not executed: the bucket is parked; the driver keeps the request and gives it again when it is woken. */
export const PARKED = 1
/** Taken, and answered later through `Host.complete`; the session's next request must wait for that. */
export const WAITING = 2

export class Context {
  readonly engine: Engine
  readonly keyspace: Keyspace
  readonly maps: MapStore
  readonly effects: Effects
  session!: Session
  request: Request = new Request()
  out!: ReplyWriter
  command!: Command
  /** Bucket of the command's keys; -1 without keys. */
  bucket = -1
  /** Room for a short value that a command forms: a number. */
  readonly scratch: Buffer = Buffer.alloc(64)
  /** Hash of the key that `lookup` looked up last. */
  hash = 0
  /** Node of the map that the command works on, 0 = there is none (any more): see map-access.ts. */
  map = 0
  /** Unix ms. */
  now = 0
  /** What the engine answers to the driver; a command that is answered later sets WAITING. */
  verdict = DONE
  /** The command wrote an error: for statistics. */
  hasFailed = false
  /** What the command wrote are pushes, which CLIENT REPLY does not hold back. */
  isConfirmed = false

  constructor(engine: Engine, effects: Effects) {
    this.engine = engine
    this.effects = effects
    this.keyspace = effects.keyspace
    this.maps = effects.maps
  }

  get argc(): number {
    return this.request.argc
  }

  /** The live node of the key that is argument `i`, or 0; a key whose time has come is deleted first. */
  lookup(i: number): number {
    const node = this.peek(i)
    if (node !== 0 && !this.session.isNoTouch) setWord(this.keyspace.memory, node, WORD_USED, this.keyspace.usedClock)
    return node
  }

  /** As `lookup`, but the key does not count as used. */
  peek(i: number): number {
    const request = this.request
    const from = request.off[i]!
    const length = request.len[i]!
    const hash = i === 1 && request.bucket >= 0 ? request.hash : this.keyspace.hash(request.buf, from, length)
    this.hash = hash
    const node = this.keyspace.find(this.bucket, hash, request.buf, from, length)
    if (node === 0) return 0
    const memory = this.keyspace.memory
    if ((word(memory, node, WORD_KEY) & FLAG_EXPIRES) !== 0 && expireAt(memory, node) <= this.now) {
      // A replica hides it; only the master decides that it is gone.
      if (this.engine.roles.isServing(this.bucket)) this.effects.expire(this.bucket, node)
      return 0
    }
    return node
  }

  /** As `lookup`, counted as a hit or a miss. */
  lookupRead(i: number): number {
    const node = this.lookup(i)
    if (node === 0) this.#missed(i)
    else this.engine.stats.keyspaceHits++
    return node
  }

  #missed(i: number): void {
    this.engine.stats.keyspaceMisses++
    if (this.engine.roles.isServing(this.bucket)) this.notify(EVENT_MISS, 'keymiss', i)
  }

  /** Tells who wants to know (events.ts) that this happened to the key that is argument `i`. */
  notify(kind: number, event: string, i = 1): void {
    const {events} = this.effects
    if ((events.mask & kind) === 0) return
    const {buf, off, len} = this.request
    events.emit(event, buf, off[i]!, len[i]!)
  }

  isMap(node: number): boolean {
    return (word(this.keyspace.memory, node, WORD_KEY) & FLAG_MAP) !== 0
  }

  /** Argument `i` as text, the beginning of it if it is huge; keys and values that are shown to nobody stay bytes. */
  text(i: number): string {
    return this.#string('utf8', i)
  }

  /** Argument `i`, byte for byte as Latin-1, the beginning of it if it is huge: for use as a JavaScript map's key. */
  latin1(i: number): string {
    return this.#string('latin1', i)
  }

  /** JavaScript has no strings as long as an argument may be. */
  #string(encoding: BufferEncoding, i: number): string {
    const request = this.request
    const from = request.off[i]!
    return request.buf.toString(encoding, from, from + Math.min(request.len[i]!, TEXT_BYTES_MAX))
  }

  /** A copy of argument `i`. */
  copy(i: number): Buffer {
    const request = this.request
    return Buffer.from(request.buf.subarray(request.off[i], request.off[i]! + request.len[i]!))
  }

  /** True if argument `i` is this upper-case word, in any case. */
  is(i: number, word: string): boolean {
    const request = this.request
    if (request.len[i] !== word.length) return false
    const buf = request.buf
    const from = request.off[i]!
    for (let j = 0; j < word.length; j++) {
      const byte = buf[from + j]!
      if ((byte >= 97 && byte <= 122 ? byte - 32 : byte) !== word.charCodeAt(j)) return false
    }
    return true
  }

  /** Argument `i` as an integer of at most 2^53 in size; NaN if it is none or larger. */
  integer(i: number): number {
    const request = this.request
    return parseSafeInteger(request.buf, request.off[i]!, request.len[i]!)
  }

  /** Argument `i` as a signed 64-bit integer; null if it is none. */
  int64(i: number): bigint | null {
    const request = this.request
    return parseInt64(request.buf, request.off[i]!, request.len[i]!)
  }

  fail(error: string): void {
    this.hasFailed = true
    this.out.error(error)
  }

  wrongArity(): void {
    this.fail(`ERR wrong number of arguments for '${this.command.fullName}' command`)
  }
}
