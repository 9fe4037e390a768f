/**
 * Runs a section on one server and gives back one comparable text per step. Consecutive commands of a connection
 * leave as one batch, in the way the delivery says: at once (pipelined), byte by byte, or in random chunks.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {MalformedReply, parseReply} from '../../support/resp-split.ts'
import {encodeCommand, rawConnection, type Chunker, type RawConnection} from '../../support/raw-connection.ts'
import {seededRandom, type Random} from '../../support/random.ts'
import type {TestServer} from '../../support/server.ts'
import {normalise, payload} from './normalise.ts'
import type {CommandStep, RawStep, ScanStep, ScriptArg, Section, Step} from './script.ts'

export type Protocol = 2 | 3
export type Delivery = 'whole' | 'bytes' | 'chunks'
export interface RunMode {
  readonly protocol: Protocol
  readonly delivery: Delivery
  /** Draws chunk sizes. */
  readonly seed: number
  readonly replyTimeoutMs?: number
}

/** How an outcome begins when no reply came. */
export const NO_REPLY = '(no reply'
const REPLY_TIMEOUT_MS = 5_000
const AFTER_SILENCE_MS = 50
/** Long enough for a stray reply to arrive over loopback. */
const SILENCE_MS = 5
/** Batches larger than this are not worth a packet per byte. */
const BYTE_BY_BYTE_MAX = 20_000
const CHUNK_BYTES_MAX = 40

type Sent = CommandStep | RawStep

class Runner {
  readonly #server: TestServer
  readonly #mode: RunMode
  readonly #random: Random
  readonly #connections = new Map<number, RawConnection>()
  readonly #stored = new Map<string, Buffer>()
  readonly #timeoutMs: number
  #patienceMs: number

  constructor(server: TestServer, mode: RunMode) {
    this.#server = server
    this.#mode = mode
    this.#random = seededRandom(mode.seed)
    this.#timeoutMs = mode.replyTimeoutMs ?? REPLY_TIMEOUT_MS
    this.#patienceMs = this.#timeoutMs
  }

  async open(number: number): Promise<RawConnection> {
    this.#connections.get(number)?.close()
    const connection = await rawConnection(this.#server.port)
    if (this.#mode.protocol === 3) await connection.call('HELLO', '3')
    this.#connections.set(number, connection)
    return connection
  }

  async #connection(number: number): Promise<RawConnection> {
    return this.#connections.get(number) ?? (await this.open(number))
  }

  closeAll(): void {
    for (const connection of this.#connections.values()) connection.close()
  }

  #chunker(size: number): Chunker | undefined {
    if (this.#mode.delivery === 'whole') return undefined
    const most = Math.max(1, Math.ceil(size / BYTE_BY_BYTE_MAX))
    if (this.#mode.delivery === 'bytes') return () => most
    return () => 1 + this.#random.below(CHUNK_BYTES_MAX * most)
  }

  #resolve(arg: ScriptArg): Buffer {
    if (Buffer.isBuffer(arg)) return arg
    return this.#stored.get(arg.variable) ?? Buffer.from(`(nothing stored as ${arg.variable})`)
  }

  #bytes(step: Sent): Buffer {
    if (step.kind === 'raw') return step.bytes
    return step.args.length === 0 ? Buffer.alloc(0) : encodeCommand(step.args.map((arg) => this.#resolve(arg)))
  }

  /** Sends a batch, then reads its replies; one text per step. */
  async batch(steps: readonly Sent[]): Promise<string[]> {
    const connection = await this.#connection(steps[0]!.connection)
    const bytes = Buffer.concat(steps.map((step) => this.#bytes(step)))
    const atOnce = steps.some((step) => step.kind === 'raw' && step.atOnce)
    const chunker = atOnce ? undefined : this.#chunker(bytes.length)
    if (chunker === undefined) connection.write(bytes)
    else await connection.writeChunked(bytes, chunker)

    this.#patienceMs = this.#timeoutMs
    const outcomes: string[] = []
    for (const step of steps) outcomes.push(await this.#outcome(connection, step))
    // Whatever went missing, the next batch starts clean: late replies must not be taken for its own.
    if (outcomes.some((text) => text.includes(NO_REPLY)) && !connection.closed) await this.open(steps[0]!.connection)
    return outcomes
  }

  async #outcome(connection: RawConnection, step: Sent): Promise<string> {
    if (step.kind === 'raw') {
      const texts: string[] = []
      for (let i = 0; i < step.replies; i++) texts.push(await this.#read(connection, (raw) => raw.toString('latin1')))
      return texts.join('')
    }
    // Silence is proved by the next reply being the right one; only at the end of a batch a short wait is needed.
    if (step.normaliser === 'silent') return ''
    return this.#read(connection, (raw) => {
      if (step.normaliser === 'store') {
        this.#stored.set(step.normaliserArgs[0]!, payload(raw))
        return `stored ${parseReply(raw).type}`
      }
      return normalise(raw, step.normaliser, step.normaliserArgs, Date.now())
    })
  }

  async #read(connection: RawConnection, use: (raw: Buffer) => string): Promise<string> {
    try {
      const raw = await connection.tryReply(this.#patienceMs)
      if (raw !== undefined) return use(raw)
      // What follows in this batch is late as well; one full wait is enough.
      this.#patienceMs = AFTER_SILENCE_MS
      return `${NO_REPLY}${connection.closed ? ': closed' : ''})`
    } catch (error) {
      if (!(error instanceof MalformedReply)) throw error
      return `${NO_REPLY}: malformed, ${error.message})`
    }
  }

  async closed(number: number): Promise<string> {
    const connection = await this.#connection(number)
    try {
      const rest = await connection.untilClosed(this.#timeoutMs)
      return `closed ${rest.toString('latin1')}`
    } catch {
      return 'still open'
    }
  }

  /** Nothing unasked may have come on any connection. */
  async leftovers(): Promise<string> {
    await sleep(SILENCE_MS)
    return [...this.#connections.values()].map((connection) => connection.takeAll().toString('latin1')).join('')
  }

  async scan(step: ScanStep): Promise<string> {
    const connection = await this.#connection(step.connection)
    const seen = new Set<string>()
    let cursor = '0'
    for (let turns = 0; turns < 10_000; turns++) {
      connection.write(encodeCommand(step.args.map((arg) => (arg === 'cursor' ? cursor : arg))))
      const raw = await connection.tryReply(this.#timeoutMs)
      if (raw === undefined) return `${NO_REPLY})`
      const reply = parseReply(raw)
      if (!('items' in reply)) return raw.toString('latin1')
      const [next, elements] = reply.items
      if (next === undefined || !('bytes' in next) || elements === undefined || !('items' in elements))
        return raw.toString('latin1')
      for (const element of elements.items) if ('bytes' in element) seen.add(element.bytes.toString('latin1'))
      cursor = next.bytes.toString('latin1')
      if (cursor === '0') return [...seen].sort().join(' ')
    }
    return '(the cursor never comes back to 0)'
  }
}

function needsStored(step: Step): boolean {
  return step.kind === 'command' && step.args.some((arg) => !Buffer.isBuffer(arg))
}

/** Steps from `at` that may leave in one batch. */
function batchAt(steps: readonly Step[], at: number): Sent[] {
  const batch: Sent[] = []
  for (let i = at; i < steps.length; i++) {
    const step = steps[i]!
    if (step.kind !== 'command' && step.kind !== 'raw') break
    if (batch.length > 0 && (step.connection !== batch[0]!.connection || needsStored(step))) break
    batch.push(step)
  }
  return batch
}

async function runStep(runner: Runner, step: Exclude<Step, Sent>): Promise<string> {
  switch (step.kind) {
    case 'sleep':
      await sleep(step.ms)
      return ''
    case 'closed':
      return runner.closed(step.connection)
    case 'open':
      await runner.open(step.connection)
      return ''
    case 'scan':
      return runner.scan(step)
  }
}

/** One comparable text per step, and a last one: what came that nobody asked for. */
export async function runSection(server: TestServer, section: Section, mode: RunMode): Promise<string[]> {
  const runner = new Runner(server, mode)
  try {
    const first = await runner.open(1)
    await first.call('FLUSHALL')
    const outcomes: string[] = []
    while (outcomes.length < section.steps.length) {
      const step = section.steps[outcomes.length]!
      if (step.kind === 'command' || step.kind === 'raw') {
        outcomes.push(...(await runner.batch(batchAt(section.steps, outcomes.length))))
      } else {
        outcomes.push(await runStep(runner, step))
      }
    }
    outcomes.push(await runner.leftovers())
    return outcomes
  } finally {
    runner.closeAll()
  }
}
