/**
 * What the simulated clients do: each has one operation in flight and never repeats one. Every kind of operation has its own keys and its own rule:
 *
 *   register   SET, GET of unique values              zones (checker/registers.ts)
 *   field      HSET, HGET, HGETALL                    each field is a register
 *   cell       SET, SET PX, DEL, GET                  search (checker/cells.ts)
 *   counter    INCR, GET                              checker/counters.ts
 *   pair       MULTI, DECRBY a, INCRBY b, EXEC        the sum of both is always 0
 */
import {keyBucket} from '../base/crc16.ts'
import {checkCells} from '../checker/cells.ts'
import {checkCounters} from '../checker/counters.ts'
import {checkRegisters} from '../checker/registers.ts'
import {SimClient} from './sim-client.ts'
import type {Prng} from '../base/prng.ts'
import type {CellOperation} from '../checker/cells.ts'
import type {CounterOperation} from '../checker/counters.ts'
import type {RegisterOperation} from '../checker/registers.ts'
import type {Outcome, Reply} from './sim-client.ts'
import type {Schedule} from './schedule.ts'
import type {SimNode} from './sim-node.ts'

export const KINDS = ['register', 'field', 'cell', 'counter', 'pair'] as const
export type Kind = (typeof KINDS)[number]

const KEYS: Readonly<Record<Exclude<Kind, 'register'>, number>> = {field: 2, cell: 3, counter: 2, pair: 2}
const FIELDS = ['a', 'b', 'c']
const TTL_MS_MAX = 1_500
/** The node's clock counts whole ms, and deletes what is due with the next look at it. */
const TTL_SLACK_MS = 2
/** All expiries of values whose writes were answered are on record after this. */
export const EXPIRY_NOTED_MS = TTL_MS_MAX + 2 * TTL_SLACK_MS

export interface WorkloadShape {
  /** How many keys are registers. */
  readonly registers: number
  /** Ms between a client's operations. */
  readonly pace: number
  readonly kinds: readonly Kind[]
  /** Keys beside each key, in its bucket. */
  readonly ballast: number
}

export interface WorkloadCounts {
  ok: number
  failed: number
  unknown: number
  reads: number
}

/** When an operation began and ended, and how. */
interface Span {
  readonly start: number
  readonly end: number
  readonly hasFailed: boolean
}

type Then = (isOk: boolean) => void

export class Workload {
  readonly registers: RegisterOperation[] = []
  readonly cells: CellOperation[] = []
  readonly counters: CounterOperation[] = []
  readonly counts: WorkloadCounts = {ok: 0, failed: 0, unknown: 0, reads: 0}
  /** Operations by kind that were answered. */
  readonly kindCounts: Record<Kind, number> = {register: 0, field: 0, cell: 0, counter: 0, pair: 0}
  readonly keys: readonly {readonly kind: Kind; readonly key: string}[]
  readonly buckets: readonly number[]
  /** What was seen to be wrong at once. */
  readonly faults: string[] = []
  readonly #schedule: Schedule
  readonly #random: Prng
  readonly #makeClient: () => SimClient
  #stamp = 0
  #value = 0
  #isStopped = false
  /** Ms between a client's operations. */
  readonly pace: number
  readonly #ballast: number

  constructor(schedule: Schedule, random: Prng, nodes: () => readonly SimNode[], shape: WorkloadShape) {
    const {registers, pace, kinds} = shape
    this.#ballast = shape.ballast
    this.#schedule = schedule
    this.#random = random
    // Each knows for itself where keys are: some still ask the old master while others are at the new one.
    this.#makeClient = () => new SimClient(schedule, random, nodes)
    this.pace = pace
    this.keys = kinds.flatMap((kind) =>
      Array.from({length: kind === 'register' ? registers : KEYS[kind]}, (_, i) => ({kind, key: `${kind}:${i}`})),
    )
    // A pair's two keys share the bucket of what stands in braces.
    this.buckets = [...new Set(this.keys.map(({key}) => keyBucket(Buffer.from(key), 0, key.length)))]
  }

  start(clients: number): void {
    const loader = this.#makeClient()
    for (const {key} of this.#ballast > 0 ? this.keys : []) {
      const requests = Array.from({length: this.#ballast}, (_, i) => ['SET', `{${key}}${i}`, 'ballast'])
      loader.send(key, requests, () => undefined)
    }
    for (let i = 0; i < clients; i++) this.#next(this.#makeClient())
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Reads every key once; calls `done` with those that could not be read. */
  readAll(done: (unread: readonly string[]) => void): void {
    const unread: string[] = []
    let left = this.keys.length
    const client = this.#makeClient()
    for (const {kind, key} of this.keys) {
      this.#read(client, kind, key, (isOk) => {
        if (!isOk) unread.push(key)
        if (--left === 0) done(unread)
      })
    }
  }

  /** What is wrong with all that was answered. */
  check(): string[] {
    const registers = checkRegisters(this.registers).map(({key, reason, operations}) => {
      const lines = operations.map(({kind, value, start, end}) => `${kind} ${value} [${start}, ${end}]`)
      return `${key} is not linearizable: ${reason}: ${lines.join('; ')}`
    })
    const cells = checkCells(this.cells).map(({key, verdict}) => `${key} is ${verdict}`)
    return [...this.faults, ...registers, ...cells, ...checkCounters(this.counters)]
  }

  #next(client: SimClient): void {
    if (this.#isStopped) return
    this.#schedule.after(this.pace * (0.2 + 1.6 * this.#unit()), () => {
      if (this.#isStopped) return
      const {kind, key} = this.keys[this.#random.below(this.keys.length)]!
      if (this.#random.below(2) === 0) this.#read(client, kind, key, () => this.#next(client))
      else this.#write(client, kind, key, () => this.#next(client))
    })
  }

  #read(client: SimClient, kind: Kind, key: string, then: Then): void {
    switch (kind) {
      case 'register':
        return this.#readRegister(client, key, then)
      case 'field':
        return this.#readFields(client, key, then)
      case 'cell':
        return this.#run(client, kind, key, [['GET', key]], then, (span, [value]) => {
          this.cells.push({key, kind: 'read', value: asText(value), ...span})
        })
      case 'counter':
        return this.#run(client, kind, key, [['GET', key]], then, (span, [value]) => {
          if (span.end !== Infinity) this.counters.push({key, kind: 'read', result: Number(value ?? 0), ...span})
        })
      case 'pair':
        return this.#transact(
          client,
          key,
          [
            ['GET', `{${key}}a`],
            ['GET', `{${key}}b`],
          ],
          then,
        )
    }
  }

  #write(client: SimClient, kind: Kind, key: string, then: Then): void {
    const value = `v${++this.#value}`
    switch (kind) {
      case 'register':
        return this.#run(client, kind, key, [['SET', key, value]], then, (span) => {
          this.registers.push({key, kind: 'write', value, ...span})
        })
      case 'field': {
        const field = FIELDS[this.#random.below(FIELDS.length)]!
        return this.#run(client, kind, key, [['HSET', key, field, value]], then, (span) => {
          this.registers.push({key: `${key}.${field}`, kind: 'write', value, ...span})
        })
      }
      case 'cell':
        return this.#writeCell(client, key, value, then)
      case 'counter':
        return this.#run(client, kind, key, [['INCR', key]], then, (span, [result]) => {
          this.counters.push({key, kind: 'increment', result: typeof result === 'number' ? result : null, ...span})
        })
      case 'pair': {
        const amount = String(1 + this.#random.below(100))
        return this.#transact(
          client,
          key,
          [
            ['DECRBY', `{${key}}a`, amount],
            ['INCRBY', `{${key}}b`, amount],
          ],
          then,
        )
      }
    }
  }

  #readRegister(client: SimClient, key: string, then: Then): void {
    this.#run(client, 'register', key, [['GET', key]], then, (span, [value]) => {
      if (span.end !== Infinity && !span.hasFailed) this.#sawRegister(key, asText(value), span)
    })
  }

  /** One field, or all of them: each is a read of a register. */
  #readFields(client: SimClient, key: string, then: Then): void {
    const field = FIELDS[this.#random.below(FIELDS.length)]!
    const isWhole = this.#random.below(2) === 0
    const request = isWhole ? ['HGETALL', key] : ['HGET', key, field]
    this.#run(client, 'field', key, [request], then, (span, [reply]) => {
      if (span.end === Infinity || span.hasFailed) return
      if (!isWhole) return this.#sawRegister(`${key}.${field}`, asText(reply), span)
      const pairs = (reply ?? []) as readonly string[]
      for (const name of FIELDS) {
        const at = pairs.indexOf(name)
        this.#sawRegister(`${key}.${name}`, at < 0 ? null : pairs[at + 1]!, span)
      }
    })
  }

  #sawRegister(key: string, value: string | null, span: Span): void {
    this.registers.push({key, kind: 'read', value, ...span})
  }

  #writeCell(client: SimClient, key: string, value: string, then: Then): void {
    const choice = this.#random.below(3)
    if (choice === 0) {
      return this.#run(client, 'cell', key, [['DEL', key, ...this.#someBallast(key)]], then, (span) => {
        this.cells.push({key, kind: 'delete', value: null, ...span})
      })
    }
    const isMortal = choice === 1
    const ttl = 1 + this.#random.below(TTL_MS_MAX)
    const request = isMortal ? ['SET', key, value, 'PX', String(ttl)] : ['SET', key, value]
    let dueFrom = 0
    if (isMortal) this.#schedule.after(ttl - TTL_SLACK_MS, () => (dueFrom = ++this.#stamp))
    this.#run(client, 'cell', key, [request], then, (span) => {
      this.cells.push({key, kind: 'write', value, ...span})
      if (!isMortal || span.hasFailed) return
      const expire = (end: number): void => {
        // A very short life may be over before the answer is here.
        const start = dueFrom === 0 ? span.start : dueFrom
        this.cells.push({key, kind: 'expire', value, start, end, hasFailed: false})
      }
      if (span.end === Infinity) expire(Infinity)
      else this.#schedule.after(ttl + TTL_SLACK_MS, () => expire(++this.#stamp))
    })
  }

  /** A key that goes with the cell and never comes back: a copy that missed it stays different. */
  #someBallast(key: string): string[] {
    return this.#ballast > 0 ? [`{${key}}${this.#random.below(this.#ballast)}`] : []
  }

  #transact(client: SimClient, key: string, commands: readonly (readonly string[])[], then: Then): void {
    const requests = [['MULTI'], ...commands, ['EXEC']]
    this.#run(client, 'pair', key, requests, then, (span, replies) => {
      const results = replies.at(-1)
      if (span.end === Infinity || span.hasFailed || !Array.isArray(results)) return
      const [a, b] = results.map(Number) as [number, number]
      if (a + b !== 0) this.faults.push(`${key}: a transaction saw ${a} and ${b}, which is half of another`)
    })
  }

  /** Sends the requests; `record` writes down what came of it. */
  #run(
    client: SimClient,
    kind: Kind,
    key: string,
    requests: readonly (readonly string[])[],
    then: Then,
    record: (span: Span, replies: readonly Reply[]) => void,
  ): void {
    const start = ++this.#stamp
    client.send(key, requests, (outcome: Outcome, replies) => {
      this.counts[outcome]++
      const isOk = outcome === 'ok'
      if (isOk) this.kindCounts[kind]++
      if (isOk && /GET/.test(requests.at(-1)![0]!)) this.counts.reads++
      record({start, end: outcome === 'unknown' ? Infinity : ++this.#stamp, hasFailed: outcome === 'failed'}, replies)
      then(isOk)
    })
  }

  #unit(): number {
    return this.#random.next32() / 2 ** 32
  }
}

function asText(reply: Reply | undefined): string | null {
  return typeof reply === 'string' ? reply : null
}
