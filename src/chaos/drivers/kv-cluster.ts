/**
 * A cluster of real kv processes on this machine, with the tester's network between them: all places are known from the start, those of nodes that join later
 * too, so every link has its proxy before the first process runs. What faults need to know and do is here; which, when and how long is in
 * kv-faults.ts.
 */
import {join} from 'node:path'
import {formatAddress, type Address} from '../../base/address.ts'
import {removeNode} from '../../cli/remove-node.ts'
import {ClusterLink} from '../../cli/cluster-link.ts'
import {LEASE_MS} from '../../constants.ts'
import {calmPlaces, type BudgetFacts} from '../budget.ts'
import {Disturbances} from './disturbances.ts'
import {KvPlace} from './kv-place.ts'
import {newestOf, stateOf, statesOf} from './kv-states.ts'
import type {ProcessPlace} from './place.ts'
import {Ports} from './ports.ts'
import {Processes} from './processes.ts'
import {Network, type LinkEffect, type LinkName} from './proxy.ts'
import type {ClusterState} from '../../cli/cluster-state.ts'
import type {FaultyCluster} from './cluster.ts'
import type {KvDriverOptions} from './kv-driver.ts'

/** Nodes that may join beside those of the beginning. */
const SPARES = 2
/** Ports for peers lie so far above those for clients. */
const PEER_OFFSET = 100
/** How long the cluster may need to be done with a disturbance that is over: late copies are taken out after 1 s. */
const CALM_MS = 2 * LEASE_MS
const REMOVE_TIMEOUT_MS = 60_000

export class KvCluster implements FaultyCluster {
  readonly processes: Processes
  readonly network = new Network()
  readonly places: KvPlace[] = []
  /** It stays 2 s longer to tell clients where its buckets are; what matters comes first. */
  readonly stopping = {isHandover: true, ms: 1_500}
  /** Ends of processes that nobody asked for, one sentence each. */
  readonly crashes: string[] = []
  readonly #options: KvDriverOptions
  readonly #disturbances: Disturbances
  readonly #abort = new AbortController()
  #hasFounded = false

  constructor(options: KvDriverOptions) {
    this.#options = options
    this.processes = new Processes(options.folder)
    this.#disturbances = new Disturbances(this.network, () => options.now(), CALM_MS)
  }

  /** Takes ports, opens the proxies, starts the guardian; no node runs yet. Errors: E_PORT_IN_USE, those of the disk. */
  async prepare(): Promise<void> {
    const {nodes, hasLogNode, replicas, folder, plants} = this.#options
    await this.processes.begin()
    const ports = new Ports()
    const names = Array.from({length: nodes + SPARES}, (_, i) => `n${i + 1}`)
    if (hasLogNode) names.push('log')
    const plan: {name: string; port: number}[] = []
    for (const name of names) plan.push({name, port: await ports.take(PEER_OFFSET)})
    for (const [i, {name, port}] of plan.entries()) {
      const via: string[] = []
      for (const other of plan) {
        if (other.name === name) continue
        const target = {host: '127.0.0.1', port: other.port + PEER_OFFSET}
        const viaPort = await this.network.open(name, other.name, target)
        via.push(`${formatAddress(target)}=${formatAddress({host: '127.0.0.1', port: viaPort})}`)
      }
      // Also when there are none: those of the tester's own environment are not the nodes'.
      const planting = {KV_PLANT: plants.join(','), KV_ALLOW_PLANTS: plants.length > 0 ? '1' : ''}
      this.places.push(
        new KvPlace(
          {
            ...{name, role: name === 'log' ? 'log' : 'data', isSpare: name !== 'log' && i >= nodes},
            ...{port, peerPort: port + PEER_OFFSET, folder, replicas},
            env: {...planting, KV_PEER_VIA: via.join(',')},
            now: () => this.#options.now(),
            crashed: (place, how) => {
              const text = `${place.name} ended ${how} though nobody ended it; see ${this.processes.logFile(place.name)}`
              this.crashes.push(text)
              this.#options.event(text)
            },
          },
          this.processes,
        ),
      )
    }
  }

  /** Starts a node there: the first one founds the cluster, the others join it. Errors: as `KvPlace.start`. */
  async start(place: ProcessPlace): Promise<void> {
    const isFounder = !this.#hasFounded
    this.#hasFounded = true
    await place.start(() => (isFounder ? [] : this.joinable(place)))
  }

  /** Where one that comes (back) may ask for its cluster. */
  joinable(except: ProcessPlace): Address[] {
    const others = this.places.filter((other) => other !== except && other.role === 'data')
    const usable = others.filter(({state}) => state === 'up')
    // While all others are away it asks those that may be back soon; without anybody to ask it would found a cluster of its own.
    return (usable.length > 0 ? usable : others.filter(({state}) => state !== 'off')).map(({address}) => address)
  }

  get dataPlaces(): KvPlace[] {
    return this.places.filter(({role}) => role === 'data')
  }

  get log(): KvPlace | undefined {
    return this.places.find(({role}) => role === 'log')
  }

  placeOf(id: string | null): KvPlace | undefined {
    return id === null ? undefined : this.places.find(({nodeId}) => nodeId === id)
  }

  /** Lays an effect on these links. Returns what ends it. */
  disturb(effect: LinkEffect, links: readonly LinkName[]): () => void {
    return this.#disturbances.lay(effect, links)
  }

  /**
   * What the budget is judged by, as fresh as can be, or null if too little is known now. `also`: a place that counts as up though something is being
   * done to it.
   */
  async facts(also?: ProcessPlace): Promise<BudgetFacts | null> {
    const now = this.#options.now()
    const settled = (place: KvPlace): boolean => place.state === 'up' && now - place.disturbedMs >= CALM_MS
    const up = this.places.filter((place) => place === also || (!place.isBusy && settled(place)))
    const disturbed = this.#disturbances.links()
    const calm = calmPlaces({up: up.map(({name}) => name), disturbed})
    const asked = up.filter(({name}) => calm.has(name))
    const states = await statesOf(asked)
    // Who is said to be calm and does not answer is not.
    const silent = asked.filter((place) => place !== also && !isSound(states.get(place.name)))
    const newest = newestOf(states.values())
    if (!newest) return null
    const nameOf = (id: string | undefined): string => this.placeOf(id ?? null)?.name ?? ''
    const ids = new Map(newest.members.map(({slot, id}) => [slot, id]))
    const copySets = new Map<string, readonly string[]>()
    for (const [, , master, replicas] of newest.ranges) {
      const slots = [master, ...replicas].filter((slot) => slot >= 0)
      copySets.set(slots.join(), [...new Set(slots.map((slot) => nameOf(ids.get(slot))))])
    }
    return {
      up: up.filter((place) => !silent.includes(place)).map(({name}) => name),
      disturbed,
      leader: nameOf(newest.leader ?? undefined) || null,
      voters: newest.members.filter(({isVoter}) => isVoter).map(({id}) => nameOf(id)),
      copySets: [...copySets.values()],
      hasLeftovers: newest.members.some(({id, isDown, isLeaving}) => isDown || isLeaving || nameOf(id) === ''),
    }
  }

  /** The place of the leader, as the nodes that answer know. */
  async leader(): Promise<KvPlace | undefined> {
    const states = await statesOf(this.places.filter(({state}) => state === 'up'))
    const newest = [...states.values()].sort((a, b) => b.term - a.term)[0]
    return this.placeOf(newest?.leader ?? null)
  }

  /** A link for the operator's commands, to nodes that are up. */
  link(): ClusterLink {
    const up = this.dataPlaces.filter(({state}) => state === 'up')
    return new ClusterLink({node: up.map(({address}) => formatAddress(address)).join(','), 'password-file': undefined})
  }

  /** The cluster forgets the node that will not come back, once it has noticed that it is gone. Errors: E_TIMEOUT. */
  async replace(_: ProcessPlace, id: string): Promise<void> {
    const until = this.#options.now() + REMOVE_TIMEOUT_MS
    for (;;) {
      const link = this.link()
      try {
        return await removeNode(link, id, {timeoutMs: REMOVE_TIMEOUT_MS, signal: this.#abort.signal})
      } catch (error) {
        // As long as it counts as up the cluster refuses; in a partition nobody may answer.
        if (this.#options.now() > until || this.#abort.signal.aborted) throw error
      } finally {
        link.close()
      }
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS / 4))
    }
  }

  /** Aborted when everything ends. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** State as one place sees it. Errors: as `stateOf`. */
  stateAt(place: KvPlace): Promise<ClusterState> {
    return stateOf(place.address)
  }

  logFolder(): string | null {
    return this.log ? join(this.#options.folder, 'log') : null
  }

  async end(): Promise<void> {
    this.#abort.abort()
    this.network.close()
    await this.processes.end()
    for (const place of this.places) if (place.state !== 'off') place.state = 'down'
  }
}

/** It is a member, and knows of a leader. */
function isSound(state: ClusterState | undefined): boolean {
  return state !== undefined && state.isAdmitted && state.leader !== null
}
