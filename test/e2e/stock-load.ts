/**
 * Load from stock clients: ioredis, redis, iovalkey and redis-py, all at once, each writing unique values to keys of its own and reading them
 * back, at once and later. What each was told, and what it read that it must not have read, is counted for each.
 *
 * One operation is one call of a user, however often the client sends it again by itself: an error is one that the user sees.
 */
import {fileURLToPath} from 'node:url'
import {startChild, type Child} from '../support/child.ts'
import {sleep, waitFor} from '../support/wait.ts'
import {KeyBook} from './key-book.ts'
import {openIoredis, openIovalkey, openNodeRedis, type OpenStockClient, type StockClient} from './stock-clients.ts'

/** Operations that one client has in flight at once. */
const LANES = 4
/** Groups of keys of each lane: a string and a map in buckets of their own, two strings and a map in a third one. */
const GROUPS = 25
const PAUSE_MS = 6
/** At the end each key is read once more; for so long it may take until that works. */
const FINAL_READ_MS = 10_000
const PYTHON = '/usr/bin/python3'
const PYTHON_END_MS = 60_000

export interface StockReport {
  readonly client: string
  /** Operations without an error. */
  readonly ok: number
  /** Errors that the user of the client sees, by their text. */
  readonly errors: Readonly<Record<string, number>>
  readonly wrongReads: readonly string[]
}

interface Worker {
  readonly client: string
  readonly ok: number
  end(): Promise<StockReport>
}

/** Stock clients at work on a cluster. */
export class StockLoad {
  readonly #workers: readonly Worker[]

  private constructor(workers: readonly Worker[]) {
    this.#workers = workers
  }

  /** Starts all clients; resolves when each of them has done something. `ports`: nodes that they are told of. */
  static async start(ports: readonly number[]): Promise<StockLoad> {
    const load = new StockLoad([
      await NodeWorker.start('ioredis', openIoredis, ports),
      await NodeWorker.start('redis', openNodeRedis, ports),
      await NodeWorker.start('iovalkey', openIovalkey, ports),
      new PythonWorker(ports),
    ])
    await load.progress(1)
    return load
  }

  /** Resolves when each client has done so many operations more than now. */
  async progress(count: number, timeoutMs = 60_000): Promise<void> {
    const wanted = this.#workers.map(({ok}) => ok + count)
    const isThere = (): boolean => this.#workers.every(({ok}, i) => ok >= wanted[i]!)
    const said = (): string => this.#workers.map(({client, ok}, i) => `${client} ${ok}/${wanted[i]}`).join(', ')
    await waitFor('all clients go on', isThere, {timeoutMs}).catch((error: unknown) => {
      throw new Error(`${String(error)}: ${said()}`)
    })
  }

  /** Ends the load; each key is read once more. */
  async end(): Promise<StockReport[]> {
    return Promise.all(this.#workers.map((worker) => worker.end()))
  }
}

class NodeWorker implements Worker {
  readonly client: string
  readonly #client: StockClient
  readonly #book: KeyBook
  readonly #errors: Record<string, number> = {}
  readonly #lanes: Promise<void>[] = []
  #isStopped = false
  ok = 0

  private constructor(name: string, client: StockClient) {
    this.client = name
    this.#client = client
    this.#book = new KeyBook(name)
    for (let lane = 0; lane < LANES; lane++) this.#lanes.push(this.#work(lane))
  }

  static async start(name: string, open: OpenStockClient, ports: readonly number[]): Promise<NodeWorker> {
    // Events are news about connections, which come and go here. What they cost the user is in the errors of its calls.
    return new NodeWorker(name, await open(ports, () => undefined))
  }

  async end(): Promise<StockReport> {
    this.#isStopped = true
    await Promise.all(this.#lanes)
    for (const name of this.#book.names) await this.#readAtLast(name)
    await this.#client.close()
    return {client: this.client, ok: this.ok, errors: this.#errors, wrongReads: this.#book.wrongReads}
  }

  async #work(lane: number): Promise<void> {
    for (let i = 0; !this.#isStopped; i++) {
      const own = (turn: number): string => `${this.client}:${lane}:${turn % GROUPS}`
      // A read of what was just written, and one of what was written half a round ago.
      await this.#step(() => this.#write(`${own(i)}:s`))
      await this.#step(() => this.#read(`${own(i)}:s`))
      await this.#step(() => this.#write(`${own(i)}:m/f${i % 3}`))
      await this.#step(() => this.#read(`${own(i)}:m/f${i % 3}`))
      await this.#step(() => this.#group(`{${own(i)}}`, i % 2 === 0))
      await this.#step(() => this.#read(`${own(i + 12)}:s`))
      await this.#step(() => this.#read(`${own(i + 12)}:m/f${(i + 2) % 3}`))
    }
  }

  async #step(run: () => Promise<void>): Promise<boolean> {
    try {
      await run()
      this.ok++
      return true
    } catch (error) {
      const text = String(error)
      this.#errors[text] = (this.#errors[text] ?? 0) + 1
      return false
    } finally {
      await sleep(PAUSE_MS)
    }
  }

  /** `key`, or `key/field` for a field of a map. */
  async #write(name: string): Promise<void> {
    const [key, field] = name.split('/')
    const value = this.#book.begin(name)
    if (field === undefined) await this.#client.set(key!, value)
    else await this.#client.hset({key: key!, field, value})
    this.#book.acknowledge(name, value)
  }

  async #read(name: string): Promise<void> {
    const [key, field] = name.split('/')
    const reply = field === undefined ? this.#client.get(key!) : this.#client.hget(key!, field)
    this.#book.read(name, await reply)
  }

  async #group(tag: string, isTransaction: boolean): Promise<void> {
    const names = [`${tag}:a`, `${tag}:b`, `${tag}:m/f`] as const
    const values = names.map((name) => this.#book.begin(name))
    const [a, b, value] = values as [string, string, string]
    const group = {a: [names[0], a], b: [names[1], b], map: {key: `${tag}:m`, field: 'f', value}} as const
    const reads = await (isTransaction ? this.#client.transaction(group) : this.#client.pipeline(group))
    names.forEach((name, i) => {
      this.#book.acknowledge(name, values[i]!)
      this.#book.read(name, reads[i]!)
    })
  }

  /** Faults are over: whatever went wrong before, this must work. */
  async #readAtLast(name: string): Promise<void> {
    const deadline = performance.now() + FINAL_READ_MS
    for (;;) {
      try {
        return await this.#read(name)
      } catch (error) {
        if (performance.now() > deadline)
          throw new Error(`${this.client} cannot read ${name} at the end`, {cause: error})
        await sleep(100)
      }
    }
  }
}

/** redis-py: a process of its own, which says how far it is. */
class PythonWorker implements Worker {
  readonly client = 'redis-py'
  readonly #child: Child

  constructor(ports: readonly number[]) {
    const script = fileURLToPath(new URL('./stock_load.py', import.meta.url))
    this.#child = startChild(PYTHON, [script, this.client, ...ports.map(String)])
  }

  get ok(): number {
    return this.#said()?.ok ?? 0
  }

  async end(): Promise<StockReport> {
    await this.#child.stop(PYTHON_END_MS)
    const said = this.#said()
    if (!said?.isOver) throw new Error(`redis-py ended without a word: ${this.#child.stdout()}${this.#child.stderr()}`)
    return {client: this.client, ok: said.ok, errors: said.errors, wrongReads: said.wrongReads}
  }

  #said(): (StockReport & {isOver?: boolean}) | null {
    const line = this.#child.stdout().trimEnd().split('\n').at(-1)!
    return line.endsWith('}') ? (JSON.parse(line) as StockReport & {isOver?: boolean}) : null
  }
}
