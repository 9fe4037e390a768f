/**
 * What clients do to a cluster that is being tested, simulated or real: each has one operation in flight and never repeats one. Who is next, with which
 * key and which operation, is drawn from one generator; with virtual time one seed therefore decides it all. The history goes to a sink
 * (checker/history.ts) as it comes to be; nothing of it is kept here.
 */
import {keyBucket} from '../base/crc16.ts'
import {ALL_KINDS} from './kinds.ts'
import {Operations} from './operations.ts'
import {Recorder} from './recorder.ts'
import {Values} from './values.ts'
import type {Prng} from '../base/prng.ts'
import type {HistorySink} from '../checker/history.ts'
import type {Kind} from './kinds.ts'
import type {Actor, Ended} from './operations.ts'
import type {Clock, WorkClient} from './types.ts'

/** Keys of each kind on which half of its work falls, if the choice is skewed: clients shall meet. */
const HOT_KEYS = 8
/** ... of cells, whose histories are searched: with many operations under way on one key that takes for ever. */
const HOT_CELLS = 64
/** What a client is behind its pace and makes up for, if it is to be steady. */
const BEHIND_MS_MAX = 1_000
/** Operations that load keys at the same time. */
const LOADERS = 32

export interface WorkloadShape {
  /** Keys of each kind; a kind that is not named has none. */
  readonly keys: Readonly<Partial<Record<Kind, number>>>
  /** Stands before each key. */
  readonly prefix?: string
  /** Ms between a client's operations. */
  readonly pace: number
  /** Keeps to the pace however long answers take, as far as one operation after the other can. */
  readonly isSteady?: boolean
  /** Keys beside each key, in its bucket. */
  readonly ballast?: number
  /** Of values; 0: as short as they may be. */
  readonly valueBytes?: number
  /** A node's clock and ours may differ so much about the end of a life. */
  readonly ttlSlackMs: number
  /** `even`: each key is as likely as another. `skewed`: each kind is, and half of its work falls on a few keys. */
  readonly choice: 'even' | 'skewed'
  /** While it is true no operation begins: whoever takes the history is behind. */
  readonly mustWait?: () => boolean
}

export interface WorkloadCounts {
  ok: number
  failed: number
  unknown: number
  reads: number
}

export interface WorkKey {
  readonly kind: Kind
  readonly key: string
}

/** What one client does to one key. */
type Work = (actor: Actor, key: WorkKey, then: () => void) => void

export class Workload {
  readonly counts: WorkloadCounts = {ok: 0, failed: 0, unknown: 0, reads: 0}
  readonly keys: readonly WorkKey[]
  /** Of all keys. */
  readonly buckets: readonly number[]
  /** Ms between a client's operations. */
  readonly pace: number
  readonly #clock: Clock
  readonly #random: Prng
  readonly #shape: WorkloadShape
  readonly #makeClient: () => WorkClient
  readonly #recorder: Recorder
  readonly #operations: Operations
  readonly #onEnd: (ended: Ended) => void
  readonly #byKind: readonly (readonly WorkKey[])[]
  #clients = 0
  #isStopped = false
  /** Operations under way, and who waits for the last of them. */
  #underWay = 0
  #onIdle: (() => void) | null = null

  /** `onEnd` is told of every operation that ends. */
  constructor(
    clock: Clock,
    random: Prng,
    makeClient: () => WorkClient,
    sink: HistorySink,
    shape: WorkloadShape,
    onEnd: (ended: Ended) => void = () => undefined,
  ) {
    const {keys, prefix = '', ballast = 0, valueBytes = 0, ttlSlackMs} = shape
    this.#clock = clock
    this.#random = random
    this.#shape = shape
    this.#makeClient = makeClient
    this.#onEnd = onEnd
    this.pace = shape.pace
    this.#byKind = ALL_KINDS.map((kind) =>
      Array.from({length: keys[kind] ?? 0}, (_, i) => ({kind, key: `${prefix}${kind}:${i}`})),
    ).filter(({length}) => length > 0)
    this.keys = this.#byKind.flat()
    // A pair's two keys share the bucket of what stands in braces.
    this.buckets = [...new Set(this.keys.map(({key}) => bucketOf(key)))]
    this.#recorder = new Recorder(clock, sink)
    const values = new Values(valueBytes)
    this.#operations = new Operations(clock, random, this.#recorder, values, {ballast, ttlSlackMs}, (ended) =>
      this.#ended(ended),
    )
  }

  /** Of the keys on which much of the work falls. */
  get hotBuckets(): readonly number[] {
    const hot = this.#byKind.flatMap((keys) => keys.slice(0, hotCount(keys)))
    return [...new Set(hot.map(({key}) => bucketOf(key)))]
  }

  /** After so many ms without operations the history is complete. */
  get expiryNotedMs(): number {
    return this.#operations.expiryNotedMs
  }

  /** Puts so many clients to work. */
  start(clients: number): void {
    const {ballast = 0} = this.#shape
    const loader = this.#makeClient()
    for (const {key} of ballast > 0 ? this.keys : []) {
      const requests = Array.from({length: ballast}, (_, i) => ['SET', `{${key}}${i}`, 'ballast'])
      loader.send(key, requests, () => undefined)
    }
    for (let i = 0; i < clients; i++) this.#next(this.#newActor())
  }

  /** No operation begins any more. `onIdle` is called when the last one has ended. */
  stop(onIdle: () => void = () => undefined): void {
    this.#isStopped = true
    this.#onIdle = onIdle
    this.#lookIdle()
  }

  /** Writes each of these keys once; calls `done` when all were tried. */
  load(keys: readonly WorkKey[], done: () => void): void {
    const write: Work = (actor, {kind, key}, then) => this.#operations.write(actor, kind, key, then)
    each(this.#newActors(Math.min(LOADERS, keys.length)), keys, write, done)
  }

  /** Reads every key once, one after the other; calls `done` with those that could not be read. */
  readAll(done: (unread: readonly string[]) => void): void {
    const unread: string[] = []
    let left = this.keys.length
    const actor = this.#newActor()
    for (const {kind, key} of this.keys) {
      this.#operations.read(actor, kind, key, (isOk) => {
        if (!isOk) unread.push(key)
        if (--left === 0) done(unread)
      })
    }
  }

  /** Reads these keys, each once, several at a time; calls `done` with those that could not be read. `client`: with this one alone. */
  readKeys(keys: readonly WorkKey[], done: (unread: readonly WorkKey[]) => void, client?: WorkClient): void {
    const unread: WorkKey[] = []
    const read: Work = (actor, one, then) =>
      this.#operations.read(actor, one.kind, one.key, (isOk) => {
        if (!isOk) unread.push(one)
        then()
      })
    const actors = client ? [{id: this.#clients++, client}] : this.#newActors(Math.min(LOADERS, keys.length))
    each(actors, keys, read, () => done(unread))
  }

  /** Nothing more comes to the sink: all clients are closed, so that operations under way have ended. */
  close(): void {
    this.#isStopped = true
    this.#operations.close()
    this.#recorder.close()
  }

  /** The sink is told that what is not in flight may be judged. */
  advance(): void {
    this.#recorder.advance()
  }

  #newActors(count: number): Actor[] {
    return Array.from({length: count}, () => this.#newActor())
  }

  #newActor(): Actor {
    // Each knows for itself where keys are: some still ask the old master while others are at the new one.
    return {id: this.#clients++, client: this.#makeClient()}
  }

  /** `dueMs`: when the operation before this one was to begin. */
  #next(actor: Actor, dueMs = this.#clock.now()): void {
    if (this.#isStopped) return
    const pauseMs = this.pace * (0.2 + 1.6 * this.#unit())
    const now = this.#clock.now()
    // Who could not keep the pace for long does not make up for all of it.
    const nextMs = this.#shape.isSteady ? Math.max(dueMs + pauseMs, now - BEHIND_MS_MAX) : now + pauseMs
    this.#clock.after(this.#shape.isSteady ? Math.max(0, nextMs - now) : pauseMs, () => {
      if (this.#isStopped) return
      if (this.#shape.mustWait?.()) return this.#next(actor, nextMs)
      const {kind, key} = this.#choose()
      this.#underWay++
      const then = (): void => {
        this.#underWay--
        this.#lookIdle()
        this.#next(actor, nextMs)
      }
      if (this.#random.below(2) === 0) this.#operations.read(actor, kind, key, then)
      else this.#operations.write(actor, kind, key, then)
    })
  }

  #choose(): WorkKey {
    if (this.#shape.choice === 'even') return this.keys[this.#random.below(this.keys.length)]!
    const keys = this.#byKind[this.#random.below(this.#byKind.length)]!
    const isHot = this.#random.below(2) === 0
    return keys[this.#random.below(isHot ? Math.min(hotCount(keys), keys.length) : keys.length)]!
  }

  #lookIdle(): void {
    if (!this.#isStopped || this.#underWay > 0 || !this.#onIdle) return
    const onIdle = this.#onIdle
    this.#onIdle = null
    onIdle()
  }

  #ended(ended: Ended): void {
    this.counts[ended.outcome]++
    if (ended.outcome === 'ok' && ended.isRead) this.counts.reads++
    this.#onEnd(ended)
  }

  #unit(): number {
    return this.#random.next32() / 2 ** 32
  }
}

function hotCount([first]: readonly WorkKey[]): number {
  return first?.kind === 'cell' ? HOT_CELLS : HOT_KEYS
}

function bucketOf(key: string): number {
  return keyBucket(Buffer.from(key), 0, Buffer.byteLength(key))
}

/** Deals the keys out to these clients, one at a time to each. */
function each(actors: readonly Actor[], keys: readonly WorkKey[], work: Work, done: () => void): void {
  let at = 0
  let busy = actors.length
  const next = (actor: Actor): void => {
    const key = keys[at++]
    if (key) return work(actor, key, () => next(actor))
    if (--busy === 0) done()
  }
  if (busy === 0) done()
  for (const actor of actors) next(actor)
}
