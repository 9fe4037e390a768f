/**
 * A batch of commands. Calls of one turn leave together anyway (connection.ts), so a pipeline needs no wire of its own: it begins all its commands at once, each
 * goes to its node, and each is redirected and repeated by the rules of every operation. What it adds is one promise for all, and that a
 * failure of one does not hide the answers of the others.
 */
import {typedCommand, usage, type Command} from './command.ts'
import * as commands from './commands.ts'
import {ClientError} from './errors.ts'
import type {KvError} from '../errors.ts'
import type {Entries, SetOptions, Value} from './commands.ts'
import type {Argument} from './encoder.ts'
import type {Key} from './key-bucket.ts'
import type {CallOptions} from './options.ts'
import type {Router} from './router.ts'

/** How one command of a pipeline ended. */
export type PipelineResult<T = unknown> =
  {readonly value: T; readonly error?: undefined} | {readonly value?: undefined; readonly error: ClientError}

/**
 * Commands are added one by one and sent by `run`; the results are in the order of the commands. Commands of one bucket are carried out in their order; if the bucket moves or
 * its node fails in the middle, those that must be repeated come later than others that need not.
 */
export class Pipeline {
  readonly #router: Router
  readonly #commands: Command<unknown>[] = []

  /** Use `client.pipeline()`. */
  constructor(router: Router) {
    this.#router = router
  }

  /** How many commands there are. */
  get length(): number {
    return this.#commands.length
  }

  /** Any command. Errors: E_USAGE at once. */
  send(args: readonly Argument[]): this {
    return this.#add(typedCommand(args, true))
  }

  get(key: Key): this {
    return this.#add(commands.get(key))
  }

  getBuffer(key: Key): this {
    return this.#add(commands.getBuffer(key))
  }

  set(key: Key, value: Value, options?: SetOptions): this {
    return this.#add(commands.set(key, value, options))
  }

  delete(key: Key): this {
    return this.#add(commands.remove([key]))
  }

  expire(key: Key, ttlMs: number): this {
    return this.#add(commands.expire(key, ttlMs))
  }

  increment(key: Key, by: number | bigint = 1): this {
    return this.#add(commands.increment(key, by))
  }

  mapGet(key: Key, field: Key): this {
    return this.#add(commands.mapGet(key, field))
  }

  mapGetAll(key: Key): this {
    return this.#add(commands.mapGetAll(key))
  }

  mapSet(key: Key, entries: Entries): this {
    return this.#add(commands.mapSet(key, commands.pairsOf(entries)))
  }

  mapDelete(key: Key, field: Key): this {
    return this.#add(commands.mapDelete(key, [field]))
  }

  mapIncrement(key: Key, field: Key, by: number | bigint = 1): this {
    return this.#add(commands.mapIncrement(key, field, by))
  }

  /** Sends everything; resolves when the last answer is there, and never rejects. The pipeline is empty afterwards. */
  run(options?: CallOptions): Promise<PipelineResult[]> {
    const batch = this.#commands.splice(0)
    const results = new Array<PipelineResult>(batch.length)
    let missing = batch.length
    return new Promise((resolve) => {
      if (missing === 0) resolve(results)
      const settle = (index: number, result: PipelineResult): void => {
        results[index] = result
        if (--missing === 0) resolve(results)
      }
      batch.forEach((command, index) =>
        this.#router.begin(
          command,
          options,
          (value) => settle(index, {value}),
          (error) => settle(index, {error: asClientError(error)}),
        ),
      )
    })
  }

  /** As `run`, but the first error is thrown, when all answers are there; the others are in order. */
  async runAll(options?: CallOptions): Promise<unknown[]> {
    const results = await this.run(options)
    const failed = results.find(({error}) => error)
    if (failed?.error) throw failed.error
    return results.map(({value}) => value)
  }

  #add(command: Command<unknown>): this {
    if (this.#router.isClosed) throw usage('The client is closed.', 'Make pipelines before close().')
    this.#commands.push(command)
    return this
  }
}

function asClientError(error: KvError): ClientError {
  return error instanceof ClientError ? error : new ClientError(error.code, 'none', error.message, error.hint)
}
