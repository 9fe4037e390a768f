/**
 * One operation of one client: what is asked, and what the answers are to the checker. Who does what and when is decided in workload.ts. Nothing here is sent
 * twice, whatever becomes of it.
 */
import {FIELDS} from './kinds.ts'
import type {Operation} from '../checker/history.ts'
import type {Prng} from '../base/prng.ts'
import type {Kind} from './kinds.ts'
import type {Begun, Recorder, Span} from './recorder.ts'
import type {Clock, Finish, Outcome, Reply, Request, WorkClient} from './types.ts'
import type {Values} from './values.ts'

const TTL_MS_MAX = 1_500
const AMOUNT_MAX = 100

export interface Actor {
  readonly id: number
  readonly client: WorkClient
}

export interface OperationsShape {
  /** Keys beside each key, in its bucket. */
  readonly ballast: number
  /** A node's clock and ours may differ so much about the end of a life. */
  readonly ttlSlackMs: number
}

/** What every operation is told when it ends. */
export interface Ended {
  readonly kind: Kind
  readonly key: string
  readonly outcome: Outcome
  readonly isRead: boolean
  readonly span: Span
}

type Then = (isOk: boolean) => void
type Take = (span: Span, replies: readonly Reply[]) => void

export class Operations {
  readonly #clock: Clock
  readonly #random: Prng
  readonly #recorder: Recorder
  readonly #values: Values
  readonly #shape: OperationsShape
  readonly #onEnd: (ended: Ended) => void
  /** Ends of lives that are not on record yet. */
  readonly #lives = new Set<(end: number) => void>()
  /** Ledger keys whose write was begun. */
  readonly #written = new Set<string>()

  constructor(
    clock: Clock,
    random: Prng,
    recorder: Recorder,
    values: Values,
    shape: OperationsShape,
    onEnd: (ended: Ended) => void,
  ) {
    this.#clock = clock
    this.#random = random
    this.#recorder = recorder
    this.#values = values
    this.#shape = shape
    this.#onEnd = onEnd
  }

  /** After so many ms all expiries of values whose writes were answered are on record. */
  get expiryNotedMs(): number {
    return TTL_MS_MAX + 2 * this.#shape.ttlSlackMs
  }

  /** Nothing more comes: values whose time is not over yet may vanish at any time. */
  close(): void {
    for (const expire of this.#lives) expire(Infinity)
  }

  read(actor: Actor, kind: Kind, key: string, then: Then): void {
    switch (kind) {
      case 'register':
      case 'swap':
        return this.#readValue(actor, kind, 'register', key, then)
      case 'ledger':
        return this.#readValue(actor, kind, 'ledger', key, then)
      case 'cell':
        return this.#readValue(actor, kind, 'cell', key, then)
      case 'field':
        return this.#readFields(actor, key, then)
      case 'counter':
        return this.#run(actor, kind, key, [['GET', key]], then, (span, [value]) => {
          this.#take({rule: 'counter', key, kind: 'read', value: isOk(span) ? Number(value ?? 0) : null}, span)
        })
      case 'pair':
        return this.#transact(actor, key, [get(`{${key}}a`), get(`{${key}}b`)], then)
    }
  }

  write(actor: Actor, kind: Kind, key: string, then: Then): void {
    const name = this.#values.next()
    switch (kind) {
      case 'register':
        return this.#set(actor, kind, key, name, then)
      case 'ledger':
        // Nobody writes it a second time, also if the first time came to nothing.
        if (this.#written.has(key)) return this.read(actor, kind, key, then)
        this.#written.add(key)
        return this.#set(actor, kind, key, name, then)
      case 'field': {
        const field = this.#field()
        const request = ['HSET', key, field, this.#values.stored(name)]
        return this.#run(actor, kind, key, [request], then, (span) => {
          this.#take({rule: 'register', key: `${key}.${field}`, kind: 'write', value: name}, span)
        })
      }
      case 'cell':
        return this.#writeCell(actor, key, name, then)
      case 'counter':
        return this.#run(actor, kind, key, [['INCR', key]], then, (span, [result]) => {
          const value = typeof result === 'number' ? result : null
          this.#take({rule: 'counter', key, kind: 'increment', value}, span)
        })
      case 'pair': {
        const amount = String(1 + this.#random.below(AMOUNT_MAX))
        return this.#transact(
          actor,
          key,
          [
            ['DECRBY', `{${key}}a`, amount],
            ['INCRBY', `{${key}}b`, amount],
          ],
          then,
        )
      }
      case 'swap':
        return actor.client.sendTwice
          ? this.#swapWatched(actor, key, name, then)
          : this.#swapIfEqual(actor, key, name, then)
    }
  }

  #set(actor: Actor, kind: 'register' | 'ledger', key: string, name: string, then: Then): void {
    this.#run(actor, kind, key, [['SET', key, this.#values.stored(name)]], then, (span) => {
      this.#take({rule: kind, key, kind: 'write', value: name}, span)
    })
  }

  #readValue(actor: Actor, kind: Kind, rule: 'register' | 'ledger' | 'cell', key: string, then: Then): void {
    this.#run(actor, kind, key, [get(key)], then, (span, [value]) => {
      this.#take({rule, key, kind: 'read', value: this.#nameOf(value)}, span)
    })
  }

  /** One field, or all of them: each is a read of a register. */
  #readFields(actor: Actor, key: string, then: Then): void {
    const field = this.#field()
    const isWhole = this.#random.below(2) === 0
    const request = isWhole ? ['HGETALL', key] : ['HGET', key, field]
    const take = (name: string, value: string | null, span: Span): void =>
      this.#take({rule: 'register', key: `${key}.${name}`, kind: 'read', value}, span)
    this.#run(actor, 'field', key, [request], then, (span, [reply]) => {
      if (!isWhole || !isOk(span)) return take(field, this.#nameOf(reply), span)
      const pairs = (reply ?? []) as readonly string[]
      for (const name of FIELDS) {
        const at = pairs.indexOf(name)
        take(name, at < 0 ? null : this.#nameOf(pairs[at + 1]), span)
      }
    })
  }

  #writeCell(actor: Actor, key: string, value: string, then: Then): void {
    const choice = this.#random.below(3)
    if (choice === 0) {
      return this.#run(actor, 'cell', key, [['DEL', key, ...this.#someBallast(key)]], then, (span) => {
        this.#take({rule: 'cell', key, kind: 'delete', value: null}, span)
      })
    }
    const isMortal = choice === 1
    const ttl = 1 + this.#random.below(TTL_MS_MAX)
    const stored = this.#values.stored(value)
    const request = isMortal ? ['SET', key, stored, 'PX', String(ttl)] : ['SET', key, stored]
    const dueFrom = isMortal ? this.#recorder.mark(ttl - this.#shape.ttlSlackMs) : () => 0
    this.#run(actor, 'cell', key, [request], then, (span) => {
      this.#take({rule: 'cell', key, kind: 'write', value}, span)
      if (isMortal && !span.hasFailed) this.#expire(key, value, ttl, span, dueFrom)
    })
  }

  /** The value vanishes when its time is over: some time after it was written, and no later than its time after the answer. */
  #expire(key: string, value: string, ttl: number, span: Span, dueFrom: () => number): void {
    const recorder = this.#recorder
    recorder.hold(span.start)
    const expire = (end: number): void => {
      if (!this.#lives.delete(expire)) return
      // A very short life may be over before the answer is here.
      const start = Math.max(span.start, dueFrom())
      recorder.take({rule: 'cell', key, kind: 'expire', value, start, end, hasFailed: false})
      recorder.letGo(span.start)
    }
    this.#lives.add(expire)
    if (span.end === Infinity) expire(Infinity)
    else this.#clock.after(ttl + this.#shape.ttlSlackMs, () => expire(recorder.stamp()))
  }

  /** A key that goes with the cell and never comes back: a copy that missed it stays different. */
  #someBallast(key: string): string[] {
    const {ballast} = this.#shape
    return ballast > 0 ? [`{${key}}${this.#random.below(ballast)}`] : []
  }

  #transact(actor: Actor, key: string, commands: readonly Request[], then: Then): void {
    this.#run(actor, 'pair', key, [['MULTI'], ...commands, ['EXEC']], then, (span, replies) => {
      const results = replies.at(-1)
      const value = isOk(span) && Array.isArray(results) ? (results.map(Number) as [number, number]) : null
      this.#take({rule: 'pair', key, kind: 'read', value}, span)
    })
  }

  /**
   * WATCH and GET, then MULTI, SET, EXEC on the same connection. The value that was found must still be there when EXEC happens, so the swap begins with
   * the second round; the first is a read of its own.
   */
  #swapWatched({id, client}: Actor, key: string, name: string, then: Then): void {
    const reading = this.#recorder.begin(id)
    let swapping: Begun | null = null
    let expected: string | null = null
    const next = ([, found]: readonly Reply[]): readonly Request[] => {
      expected = this.#nameOf(found)
      this.#finish('swap', key, true, reading, 'ok', undefined, (span) => {
        this.#take({rule: 'register', key, kind: 'read', value: expected}, span)
      })
      swapping = this.#recorder.begin(id)
      return [['MULTI'], ['SET', key, this.#values.stored(name)], ['EXEC']]
    }
    const finish: Finish = (outcome, replies, node) => {
      if (!swapping) {
        this.#finish('swap', key, true, reading, outcome, node, (span) => {
          this.#take({rule: 'register', key, kind: 'read', value: null}, span)
        })
        return then(false)
      }
      // EXEC says nil: somebody else was quicker, and nothing was done.
      this.#swapped({key, name, expected}, swapping, outcome, replies.at(-1), node)
      then(outcome === 'ok')
    }
    client.sendTwice!(key, [['WATCH', key], get(key)], next, finish)
  }

  /** The same in two requests that need no connection; only our server has IFEQ. */
  #swapIfEqual(actor: Actor, key: string, name: string, then: Then): void {
    const {id, client} = actor
    let expected: string | null = null
    this.#run(
      actor,
      'swap',
      key,
      [get(key)],
      (isRead) => {
        if (!isRead) return then(false)
        const swapping = this.#recorder.begin(id)
        const condition = expected === null ? ['NX'] : ['IFEQ', this.#values.stored(expected)]
        client.send(key, [['SET', key, this.#values.stored(name), ...condition]], (outcome, replies, node) => {
          this.#swapped({key, name, expected}, swapping, outcome, replies[0], node)
          then(outcome === 'ok')
        })
      },
      (span, [found]) => {
        expected = this.#nameOf(found)
        this.#take({rule: 'register', key, kind: 'read', value: expected}, span)
      },
    )
  }

  /** `reply`: nil says that something else was there, and nothing was done. */
  #swapped(
    {key, name, expected}: {readonly key: string; readonly name: string; readonly expected: string | null},
    begun: Begun,
    outcome: Outcome,
    reply: Reply | undefined,
    node: string | undefined,
  ): void {
    const isRefused = outcome === 'ok' && reply === null
    const take = (span: Span): void => this.#take({rule: 'register', key, kind: 'swap', value: name, expected}, span)
    this.#finish('swap', key, false, begun, isRefused ? 'failed' : outcome, node, take, outcome)
  }

  /** Sends the requests; `take` writes down what came of it. */
  #run(actor: Actor, kind: Kind, key: string, requests: readonly Request[], then: Then, take: Take): void {
    const begun = this.#recorder.begin(actor.id)
    actor.client.send(key, requests, (outcome, replies, node) => {
      const isRead = /GET/.test(requests.at(-1)![0]!)
      this.#finish(kind, key, isRead, begun, outcome, node, (span) => take(span, replies))
      then(outcome === 'ok')
    })
  }

  /** `outcome` is the checker's; `answered`, if it differs, what the one who waits is told: a swap that was refused was answered. */
  #finish(
    kind: Kind,
    key: string,
    isRead: boolean,
    begun: Begun,
    outcome: Outcome,
    node: string | undefined,
    take: (span: Span) => void,
    answered: Outcome = outcome,
  ): void {
    const span = this.#recorder.end(begun, outcome, node)
    this.#onEnd({kind, key, outcome: answered, isRead, span})
    take(span)
    this.#recorder.letGo(begun.start)
  }

  #take(what: Pick<Operation, 'rule' | 'key' | 'kind' | 'value' | 'expected'>, span: Span): void {
    this.#recorder.take({...what, ...span})
  }

  #field(): string {
    return FIELDS[this.#random.below(FIELDS.length)]!
  }

  #nameOf(reply: Reply | undefined): string | null {
    return typeof reply === 'string' ? this.#values.nameOf(reply) : null
  }
}

function get(key: string): Request {
  return ['GET', key]
}

function isOk({end, hasFailed}: Span): boolean {
  return end !== Infinity && !hasFailed
}
