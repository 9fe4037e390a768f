/**
 * The simulated clients: each has one operation in flight, never repeats one, follows MOVED itself, and writes down what it knows of the
 * outcome: done, certainly not done, or unknown. Registers with unique values.
 */
import {keyBucket} from '../base/crc16.ts'
import type {Prng} from '../base/prng.ts'
import type {RegisterOperation} from '../checker/registers.ts'
import type {Schedule} from './schedule.ts'
import type {SimNode} from './sim-node.ts'

const TIMEOUT_MS = 3_000
const REDIRECTS_MAX = 6
const NETWORK_MS = 0.2

export interface WorkloadCounts {
  ok: number
  failed: number
  unknown: number
  reads: number
}

export class Workload {
  readonly history: RegisterOperation[] = []
  readonly counts: WorkloadCounts = {ok: 0, failed: 0, unknown: 0, reads: 0}
  readonly keys: readonly string[]
  readonly buckets: readonly number[]
  readonly #schedule: Schedule
  readonly #random: Prng
  readonly #nodes: () => readonly SimNode[]
  /** Where each key was answered last. */
  readonly #routes = new Map<string, number>()
  #stamp = 0
  #value = 0
  #isStopped = false
  /** Ms between a client's operations. */
  readonly pace: number

  constructor(schedule: Schedule, random: Prng, nodes: () => readonly SimNode[], keys: number, pace: number) {
    this.#schedule = schedule
    this.#random = random
    this.#nodes = nodes
    this.pace = pace
    this.keys = Array.from({length: keys}, (_, i) => `key:${i}`)
    this.buckets = [...new Set(this.keys.map((key) => keyBucket(Buffer.from(key), 0, key.length)))]
  }

  start(clients: number): void {
    for (let i = 0; i < clients; i++) this.#next()
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Reads every key once; calls `done` with those that could not be read. */
  readAll(done: (unread: readonly string[]) => void): void {
    const unread: string[] = []
    let left = this.keys.length
    for (const key of this.keys) {
      this.#operate(key, 'read', null, (isOk) => {
        if (!isOk) unread.push(key)
        if (--left === 0) done(unread)
      })
    }
  }

  #next(): void {
    if (this.#isStopped) return
    this.#schedule.after(this.pace * (0.2 + 1.6 * this.#unit()), () => {
      if (this.#isStopped) return
      const key = this.keys[this.#random.below(this.keys.length)]!
      const kind = this.#unit() < 0.5 ? 'write' : 'read'
      this.#operate(key, kind, kind === 'write' ? `v${++this.#value}` : null, () => this.#next())
    })
  }

  #operate(key: string, kind: 'read' | 'write', value: string | null, then: (isOk: boolean) => void): void {
    const start = ++this.#stamp
    let isOver = false
    const finish = (outcome: 'ok' | 'failed' | 'unknown', seen: string | null): void => {
      if (isOver) return
      isOver = true
      this.counts[outcome]++
      if (kind === 'read' && outcome === 'ok') this.counts.reads++
      if (kind === 'write' || outcome === 'ok') {
        const end = outcome === 'unknown' ? Infinity : ++this.#stamp
        this.history.push({
          key,
          kind,
          value: kind === 'write' ? value : seen,
          start,
          end,
          hasFailed: outcome === 'failed',
        })
      }
      then(outcome === 'ok')
    }
    this.#schedule.after(TIMEOUT_MS, () => finish('unknown', null))
    const request = kind === 'write' ? encode('SET', key, value!) : encode('GET', key)
    this.#send(key, request, REDIRECTS_MAX, finish)
  }

  #send(
    key: string,
    request: Buffer,
    redirects: number,
    finish: (outcome: 'ok' | 'failed' | 'unknown', seen: string | null) => void,
  ): void {
    const nodes = this.#nodes()
    const known = nodes.find((node) => node.cluster.self.port === this.#routes.get(key))
    const node = known ?? nodes[this.#random.below(nodes.length)]
    if (!node) return finish('failed', null)
    this.#schedule.after(this.#delay(), () => {
      // Nothing listens there.
      if (node.isDead) {
        this.#routes.delete(key)
        return finish('failed', null)
      }
      node.request(request, (reply) => {
        this.#schedule.after(this.#delay(), () => {
          if (reply === null) {
            this.#routes.delete(key)
            return finish('unknown', null)
          }
          const text = reply.toString('latin1')
          const moved = /^-MOVED \d+ .*:(\d+)\r\n$/.exec(text)
          if (moved && redirects > 0) {
            this.#routes.set(key, Number(moved[1]))
            return this.#send(key, request, redirects - 1, finish)
          }
          if (text.startsWith('-')) {
            this.#routes.delete(key)
            return finish('failed', null)
          }
          this.#routes.set(key, node.cluster.self.port)
          finish('ok', text.startsWith('$-1') ? null : text.slice(text.indexOf('\r\n') + 2, -2))
        })
      })
    })
  }

  #delay(): number {
    return NETWORK_MS * (0.5 + this.#unit())
  }

  #unit(): number {
    return this.#random.next32() / 2 ** 32
  }
}

function encode(...args: readonly string[]): Buffer {
  return Buffer.from(`*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`)
}
