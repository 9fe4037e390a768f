/** The driver of clusters of real kv processes: what the tester asks of it, answered by kv-cluster.ts and kv-faults.ts. */
import {readFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {KvError} from '../../errors.ts'
import {FAULT_KINDS, FAULTS} from '../faults.ts'
import {startAgain, untilWell} from './cluster.ts'
import {ailmentsOf} from './kv-ailments.ts'
import {FaultBook} from './fault-book.ts'
import {KvCluster} from './kv-cluster.ts'
import {KV_FAULTS, type KvFaultTools} from './kv-faults.ts'
import {hashesOf, newestOf, statesOf} from './kv-states.ts'
import {launcher} from './processes.ts'
import type {Address} from '../../base/address.ts'
import type {Prng} from '../../base/prng.ts'
import type {CopyHash, Driver, DriverOptions, FaultKind, FaultRecord, Place} from '../driver.ts'

export interface KvDriverOptions extends DriverOptions {
  /** Buckets that are used much, for `move`; without it any may be moved. */
  hotBuckets?(): readonly number[]
}

const READY_TIMEOUT_MS = 90_000

export class KvDriver implements Driver {
  readonly name = 'kv'
  readonly version: string
  readonly faultKinds: readonly FaultKind[]
  readonly #cluster: KvCluster
  readonly #book: FaultBook
  readonly #options: KvDriverOptions

  constructor(options: KvDriverOptions) {
    this.#options = options
    this.version = `kv ${productVersion()}`
    this.faultKinds = FAULT_KINDS.filter((kind) => options.hasLogNode || !FAULTS[kind].needsLogNode)
    this.#cluster = new KvCluster(options)
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

  /** Folder of the data log; null without a log node. */
  get logFolder(): string | null {
    return this.#cluster.logFolder()
  }

  async start(): Promise<void> {
    const cluster = this.#cluster
    await cluster.prepare()
    const [first, ...others] = cluster.places.filter(({isSpare}) => !isSpare)
    await cluster.start(first!)
    await Promise.all(others.map((place) => cluster.start(place)))
    await untilWell(
      () => this.ailments(),
      () => this.#options.now(),
      READY_TIMEOUT_MS,
    )
  }

  addresses(): Address[] {
    return this.#cluster.dataPlaces.filter(({state}) => state === 'up').map(({address}) => address)
  }

  inject(kind: FaultKind, prng: Prng): Promise<FaultRecord | null> {
    return this.#book.attempt(kind, () => KV_FAULTS[kind](this.#tools(prng)))
  }

  #tools(prng: Prng): KvFaultTools {
    const {replicas, nodes} = this.#options
    const hotBuckets = (): readonly number[] => this.#options.hotBuckets?.() ?? []
    return {cluster: this.#cluster, prng, replicas, nodes, hotBuckets, event: (text) => this.#options.event(text)}
  }

  async heal(): Promise<void> {
    await this.#book.heal()
    this.#cluster.network.clear()
    // What ended by itself, or could not be started again.
    const gone = this.#cluster.places.filter(({isSpare, state}) => !isSpare && state === 'down')
    await startAgain(this.#cluster, gone, (text) => this.#options.event(text))
  }

  async ailments(): Promise<string[]> {
    return ailmentsOf(this.#cluster)
  }

  async hashes(): Promise<readonly CopyHash[] | null> {
    const states = await statesOf(this.#cluster.places.filter(({state}) => state === 'up'))
    const newest = newestOf(states.values())
    if (!newest) throw new KvError('E_CONNECT', 'No node answers.')
    return hashesOf(newest, (id) => this.#cluster.placeOf(id))
  }

  async describe(): Promise<unknown> {
    const places = this.#cluster.places.filter(({state}) => state !== 'off')
    const states = await statesOf(places.filter(({state}) => state === 'up' || state === 'stopping'))
    return places.map(({name, state, nodeId, address, pid}) => ({
      ...{name, state, nodeId, address, pid, log: this.#cluster.processes.logFile(name)},
      says: states.get(name) ?? null,
    }))
  }

  freeze(): void {
    this.#cluster.processes.freeze()
  }

  async end(): Promise<void> {
    this.#book.close()
    await this.#cluster.end()
  }

  /**
   * Stops one node after the other in good order, the log node first, until none is left; the last one writes its savefile. Resolves to the name of the
   * last. Not while a fault is on. Errors: E_INTERNAL if one does not end in good order.
   */
  async stopAll(): Promise<string> {
    const log = this.#cluster.log
    const data = this.#cluster.dataPlaces.filter(({state}) => state === 'up')
    for (const place of log?.state === 'up' ? [log, ...data] : data) {
      const code = await place.stop()
      if (code !== 0) throw new KvError('E_INTERNAL', `${place.name} ended its stop with exit code ${code ?? 'none'}.`)
    }
    return data.at(-1)!.name
  }

  /** Starts the node that was stopped last, alone: it goes on with what its savefile holds. Errors: as those of a start. */
  async startLast(name: string): Promise<Address> {
    const place = this.#cluster.places.find((other) => other.name === name)
    if (!place) throw new KvError('E_NOT_FOUND', `There is no place ${name}.`)
    await place.start(() => [])
    return place.address
  }
}

/** As package.json has it. */
function productVersion(): string {
  const text = readFileSync(join(dirname(launcher()), '../package.json'), 'utf8')
  return (JSON.parse(text) as {readonly version: string}).version
}
