/**
 * The driver of clusters of real redis-server (or valkey-server) processes. What such a cluster cannot do is not among its faults: there is no leader to isolate,
 * no log node, and nodes join, leave and give slots away only by hand.
 */
import {execFileSync} from 'node:child_process'
import {basename} from 'node:path'
import {KvError} from '../../errors.ts'
import {startAgain, untilWell} from './cluster.ts'
import {FaultBook} from './fault-book.ts'
import {NETWORK_FAULTS} from './network-faults.ts'
import {PROCESS_FAULTS} from './process-faults.ts'
import {LINK_KINDS, RedisCluster} from './redis-cluster.ts'
import type {Address} from '../../base/address.ts'
import type {Prng} from '../../base/prng.ts'
import type {Driver, DriverOptions, FaultKind, FaultRecord, Place} from '../driver.ts'
import type {FaultTools, Planner} from './cluster.ts'

export interface RedisDriverOptions extends DriverOptions {
  /** Path or name of the program. */
  readonly server: string
  /** cluster-node-timeout, ms; undefined: the program's default. */
  readonly nodeTimeoutMs?: number
}

const READY_TIMEOUT_MS = 60_000

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
    await untilWell(
      () => this.ailments(),
      () => this.#options.now(),
      READY_TIMEOUT_MS,
    )
  }

  addresses(): Address[] {
    return this.#cluster.places.filter(({state}) => state === 'up').map(({address}) => address)
  }

  inject(kind: FaultKind, prng: Prng): Promise<FaultRecord | null> {
    return this.#book.attempt(kind, async () => (await FAULTS[kind]?.(this.#tools(prng))) ?? null)
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
    await this.#book.heal()
    this.#cluster.network.clear()
    const gone = this.#cluster.places.filter(({state}) => state === 'down')
    await startAgain(this.#cluster, gone, (text) => this.#options.event(text))
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
