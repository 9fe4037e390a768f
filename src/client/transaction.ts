/** What the body of a transaction has in its hands: reads that are made at once, and writes that are gathered for the end. */
import {typedCommand, usage, type Command} from './command.ts'
import * as commands from './commands.ts'
import type {Entries, SetOptions, Value} from './commands.ts'
import type {Argument} from './encoder.ts'
import type {Key} from './key-bucket.ts'
import type {KvReply} from './plain-reply.ts'

/** Asks the node now, on the transaction's connection. */
export type ReadNow = <T>(command: Command<T>) => Promise<T>

/**
 * One try of a transaction. Reads give what is stored (not what this transaction has gathered); writes are applied together at the end, or not at all. Every key must be in
 * the bucket of the keys that were named.
 */
export class Transaction {
  readonly #bucket: number
  readonly #readNow: ReadNow
  readonly #queue: Command<unknown>[] = []
  #isOver = false

  /** Made by `client.transaction`. */
  constructor(bucket: number, readNow: ReadNow) {
    this.#bucket = bucket
    this.#readNow = readNow
  }

  /** What is to be applied. From now on nothing more can be added. */
  finish(): readonly Command<unknown>[] {
    this.#isOver = true
    return this.#queue
  }

  get(key: Key): Promise<string | null> {
    return this.#read(commands.get(key))
  }

  getBuffer(key: Key): Promise<Buffer | null> {
    return this.#read(commands.getBuffer(key))
  }

  exists(key: Key): Promise<number> {
    return this.#read(commands.exists([key]))
  }

  mapGet(key: Key, field: Key): Promise<string | null> {
    return this.#read(commands.mapGet(key, field))
  }

  mapGetAll(key: Key): Promise<Map<string, string>> {
    return this.#read(commands.mapGetAll(key))
  }

  /** Any command that only reads. */
  read(args: readonly Argument[]): Promise<KvReply> {
    const command = typedCommand(args, true)
    if (!command.isRead) throw usage(`${String(args[0])} is not a read.`, 'Use tx.send() for writes.')
    return this.#read(command)
  }

  set(key: Key, value: Value, options?: SetOptions): void {
    this.#write(commands.set(key, value, options))
  }

  delete(key: Key): void {
    this.#write(commands.remove([key]))
  }

  increment(key: Key, by: number | bigint = 1): void {
    this.#write(commands.increment(key, by))
  }

  expire(key: Key, ttlMs: number): void {
    this.#write(commands.expire(key, ttlMs))
  }

  mapSet(key: Key, entries: Entries): void {
    this.#write(commands.mapSet(key, commands.pairsOf(entries)))
  }

  mapDelete(key: Key, field: Key): void {
    this.#write(commands.mapDelete(key, [field]))
  }

  mapIncrement(key: Key, field: Key, by: number | bigint = 1): void {
    this.#write(commands.mapIncrement(key, field, by))
  }

  /** Gathers any command; its answer is in `replies`. */
  send(args: readonly Argument[]): void {
    this.#write(typedCommand(args, true))
  }

  #read<T>(command: Command<T>): Promise<T> {
    this.#check(command)
    return this.#readNow(command)
  }

  #write(command: Command<unknown>): void {
    this.#check(command)
    this.#queue.push(command)
  }

  #check({args, bucket}: Command<unknown>): void {
    if (this.#isOver) throw usage('The transaction is over.', 'Await everything that its body does, inside the body.')
    if (bucket === this.#bucket) return
    throw usage(
      `CROSSSLOT ${String(args[0])} is about another bucket than the transaction.`,
      'Give all keys a common hash tag, as in {user:1}:name and {user:1}:mail.',
    )
  }
}
