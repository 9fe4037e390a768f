/**
 * The driver of clusters of real redis-server (or valkey-server) processes. What such a cluster cannot do is not among its faults: there is no leader to isolate,
 * no log node, and nodes join, leave and give slots away only by hand.
 */
import {execFileSync} from 'node:child_process'
import {basename} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {KvError} from '../../errors.ts'
import {FaultBook} from './fault-book.ts'
import {NETWORK_FAULTS} from './network-faults.ts'
import {PROCESS_FAULTS} from './process-faults.ts'
import {LINK_KINDS, RedisCluster} from './redis-cluster.ts'
import type {Address} from '../../base/address.ts'
import type {Prng} from '../../base/prng.ts'
import type {Driver, DriverOptions, FaultKind, FaultRecord, Place} from '../driver.ts'
import type {FaultTools, Planner} from './cluster.ts'
import type {ProcessPlace} from './place.ts'

export interface RedisDriverOptions extends DriverOptions {
  /** Path or name of the program. */
  readonly server: string
  /** cluster-node-timeout, ms; undefined: the program's default. */
  readonly nodeTimeoutMs?: number
}

const READY_TIMEOUT_MS = 60_000
const POLL_MS = 200

const FAULTS: Readonly<Partial<Record<FaultKind, Planner>>> = {
  ...PROCESS_FAULTS,
  ...Object.fromEntries(LINK_KINDS.map((kind) => [kind, NETWORK_FAULTS[kind as keyof typeof NETWORK_FAULTS]])),
}

export const REDIS_FAULTS = Object.keys(FAULTS) as readonly FaultKind[]

export class RedisDriver implements Driver {
  readonly name = 'redis'
  readonly version: string
  readonly faultKinds = REDIS_FAULTS
  readonly #cluster: RedisCluster
  readonly #book: FaultBook
  readonly #options: RedisDriverOptions
  #turn: Promise<unknown> = Promise.resolve()

  /** Errors: E_NOT_FOUND if there is no such program. */
  constructor(options: RedisDriverOptions) {
    this.#options = options
    this.version = programVersion(options.server)
    this.#cluster = new RedisCluster(options)
    this.#book = new FaultBook(() => options.now())
  }

  get places(): readonly Place[] {
    return this.#cluster.places
  }

  get faults(): readonly FaultRecord[] {
    return this.#book.records
  }

  get crashes(): readonly string[] {
    return this.#cluster.crashes
  }

  async start(): Promise<void> {
    await this.#cluster.begin()
    const until = this.#options.now() + READY_TIMEOUT_MS
    for (;;) {
      const ailments = await this.ailments()
      if (ailments.length === 0) return
      if (this.#options.now() > until) {
        throw new KvError('E_TIMEOUT', `The cluster did not come up: ${ailments.join(' ')}`)
      }
      await sleep(POLL_MS)
    }
  }

  addresses(): Address[] {
    return this.#cluster.places.filter(({state}) => state === 'up').map(({address}) => address)
  }

  inject(kind: FaultKind, prng: Prng): Promise<FaultRecord | null> {
    const turn = this.#turn.then(async () => {
      const planner = FAULTS[kind]
      if (this.#book.isHealing || !planner) return null
      const plan = await planner(this.#tools(prng))
      return plan && !this.#book.isHealing ? this.#book.begin(kind, plan) : null
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  #tools(prng: Prng): FaultTools {
    const {replicas} = this.#options
    const {places} = this.#cluster
    return {
      ...{cluster: this.#cluster, prng, replicas, nodes: places.length},
      event: (text) => this.#options.event(text),
    }
  }

  async heal(): Promise<void> {
    await this.#turn
    await this.#book.heal()
    this.#cluster.network.clear()
    const gone = this.#cluster.places.filter(({state}) => state === 'down')
    await Promise.all(gone.map((place) => this.#startAgain(place)))
  }

  /** One that cannot be started is an ailment from then on. */
  async #startAgain(place: ProcessPlace): Promise<void> {
    try {
      await this.#cluster.start(place)
    } catch (error) {
      this.#options.event(error instanceof Error ? error.message : `${place.name} does not start`)
    }
  }

  ailments(): Promise<string[]> {
    return this.#cluster.ailments()
  }

  /** Redis cannot tell. */
  async hashes(): Promise<null> {
    return null
  }

  async describe(): Promise<unknown> {
    const describing = this.#cluster.places.map(async (place) => {
      const {name, state, nodeId, address, pid} = place
      const says = state === 'up' ? await place.ask('CLUSTER', 'NODES').catch(() => null) : null
      return {name, state, nodeId, address, pid, says: says?.trim().split('\n') ?? null}
    })
    return Promise.all(describing)
  }

  freeze(): void {
    this.#cluster.processes.freeze()
  }

  async end(): Promise<void> {
    this.#book.close()
    await this.#cluster.end()
  }
}

/** "redis-server 7.0.15". Errors: E_NOT_FOUND. */
function programVersion(server: string): string {
  try {
    const text = execFileSync(server, ['--version'], {encoding: 'utf8', timeout: 5_000})
    return `${basename(server)} ${/v=(\S+)/.exec(text)?.[1] ?? text.trim()}`
  } catch {
    throw new KvError('E_NOT_FOUND', `There is no program ${server}.`, 'Name one with --server PATH.')
  }
}
