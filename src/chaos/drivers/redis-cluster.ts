/**
 * A Redis Cluster of real redis-server processes, made and mended with the commands that an operator has. Where links are to be cut, a proxy stands in front of
 * each node's two ports; nodes announce the proxies, and who calls is known by the address that the call comes from. Clients pass through unharmed.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {BUCKET_COUNT} from '../../constants.ts'
import {KvError} from '../../errors.ts'
import {calmPlaces, type BudgetFacts} from '../budget.ts'
import {Disturbances} from './disturbances.ts'
import {Ports} from './ports.ts'
import {Processes} from './processes.ts'
import {Network, type LinkEffect, type LinkName} from './proxy.ts'
import {RedisPlace} from './redis-place.ts'
import {copiesOf, redisAilments, viewsOf} from './redis-state.ts'
import type {FaultKind} from '../driver.ts'
import type {FaultyCluster} from './cluster.ts'
import type {ProcessPlace} from './place.ts'
import type {RedisDriverOptions} from './redis-driver.ts'

/** Redis refuses to make a cluster of fewer masters. */
const MASTERS_MIN = 3
const BUS_OFFSET = 100
const CALM_MS = 2_000
const MEND_TIMEOUT_MS = 120_000
const POLL_MS = 200
export const LINK_KINDS: readonly FaultKind[] = ['partition', 'one-way', 'late', 'slow']

/** Masters, and processes in all, for so many nodes that were asked for: every master has all its replicas. */
export function redisShape(nodes: number, replicas: number): {readonly masters: number; readonly processes: number} {
  const masters = Math.max(MASTERS_MIN, Math.floor(nodes / (1 + replicas)))
  return {masters, processes: masters * (1 + replicas)}
}

export class RedisCluster implements FaultyCluster {
  readonly processes: Processes
  readonly network = new Network()
  readonly places: RedisPlace[] = []
  /** A master that ends does not hand over: its replica is elected when it is missed. */
  readonly stopping = {isHandover: false, ms: 40}
  readonly crashes: string[] = []
  readonly #options: RedisDriverOptions
  readonly #disturbances: Disturbances
  #isOver = false

  constructor(options: RedisDriverOptions) {
    this.#options = options
    this.processes = new Processes(options.folder)
    this.#disturbances = new Disturbances(this.network, () => options.now(), CALM_MS)
  }

  /** Starts the processes and makes them a cluster. Errors: E_PORT_IN_USE, E_INTERNAL, those of the disk. */
  async begin(): Promise<void> {
    await this.processes.begin()
    const {masters, processes} = redisShape(this.#options.nodes, this.#options.replicas)
    const ports = new Ports()
    for (let i = 1; i <= processes; i++) this.places.push(await this.#makePlace(i, ports))
    await Promise.all(this.places.map((place) => this.start(place)))
    for (const [i, place] of this.places.entries()) {
      await place.ask('CLUSTER', 'SET-CONFIG-EPOCH', String(i + 1))
      if (i < masters) await place.ask('CLUSTER', 'ADDSLOTSRANGE', ...slotRange(i, masters))
    }
    const [first, ...others] = this.places
    for (const other of others) await this.#meet(other, first!)
    for (const [i, replica] of this.places.slice(masters).entries()) {
      const master = this.places[i % masters]!
      await this.#until(() => replica.tell('CLUSTER', 'REPLICATE', master.nodeId), `${replica.name} has no master`)
    }
  }

  async #makePlace(i: number, ports: Ports): Promise<RedisPlace> {
    const {faults, folder, server, nodeTimeoutMs} = this.#options
    const name = `n${i}`
    const ownPort = await ports.take(BUS_OFFSET)
    const hasProxy = faults.some((kind) => LINK_KINDS.includes(kind))
    const port = hasProxy ? await this.#openProxy(name, ownPort, ports) : ownPort
    const busPort = hasProxy ? await this.#openProxy(name, ownPort + BUS_OFFSET, ports) : ownPort + BUS_OFFSET
    return new RedisPlace(
      {
        ...{name, role: 'data', isSpare: false, port, busPort, ownPort, ownBusPort: ownPort + BUS_OFFSET},
        ...{folder, server, nodeTimeoutMs, source: sourceOf(i), now: () => this.#options.now()},
        crashed: (place, how) => {
          const text = `${place.name} ended ${how} though nobody ended it; see ${this.processes.logFile(place.name)}`
          this.crashes.push(text)
          this.#options.event(text)
        },
      },
      this.processes,
    )
  }

  async #openProxy(to: string, target: number, ports: Ports): Promise<number> {
    return this.network.open(nameOfSource, to, {host: '127.0.0.1', port: target}, await ports.take())
  }

  async start(place: ProcessPlace): Promise<void> {
    await place.start(() => [])
  }

  #meet(place: RedisPlace, other: RedisPlace): Promise<string> {
    const {host, port} = other.address
    return place.ask('CLUSTER', 'MEET', host, String(port), String(other.busPort))
  }

  get #up(): RedisPlace[] {
    return this.places.filter(({state}) => state === 'up')
  }

  async facts(also?: ProcessPlace): Promise<BudgetFacts | null> {
    const now = this.#options.now()
    const isUp = (place: RedisPlace): boolean =>
      place === also || (place.state === 'up' && !place.isBusy && now - place.disturbedMs >= CALM_MS)
    const disturbed = this.#disturbances.links()
    const calm = calmPlaces({up: this.places.filter(isUp).map(({name}) => name), disturbed})
    const views = await viewsOf(this.places.filter(({name}) => calm.has(name)))
    const all = copiesOf(views)
    if (all.length === 0) return null
    const isSound = (name: string): boolean => views.some(({place, isOk}) => place.name === name && isOk)
    const slots = all.reduce((sum, {master}) => sum + master.self.slotCount, 0)
    // Masters with slots of which somebody knows, and that do not answer, vote all the same.
    const silent = views[0]!.nodes.filter(
      ({id, slotCount}) => slotCount > 0 && !all.some((one) => one.master.self.id === id),
    )
    const sets = all.map(({copies}) => copies)
    return {
      up: [...calm].filter((name) => name === also?.name || isSound(name)),
      disturbed,
      leader: all[0]!.master.place.name,
      voters: [...all.map(({master}) => master.place.name), ...silent.map(() => '')],
      copySets: slots + silent.reduce((sum, {slotCount}) => sum + slotCount, 0) < BUCKET_COUNT ? [...sets, []] : sets,
      hasLeftovers: views.some(({nodes}) => nodes.length !== this.places.length),
    }
  }

  /** The new node becomes the replica of a master that has too few. Errors: E_TIMEOUT. */
  async replace(place: ProcessPlace, formerId: string): Promise<void> {
    const fresh = this.places.find((other) => other === place)!
    await this.#until(async () => {
      const views = await viewsOf(this.#up)
      // Its replica takes over first: of a master that was forgotten nobody could.
      if (views.some(({nodes}) => nodes.some(({id, slotCount}) => id === formerId && slotCount > 0))) return false
      // Once more each time: the old node is heard of through others until all have forgotten it.
      for (const other of this.#up) await other.tell('CLUSTER', 'FORGET', formerId)
      const self = views.find((view) => view.place === fresh)
      if (!self || views.some(({nodes}) => nodes.some(({id}) => id === formerId))) return false
      if (self.self.masterId !== '') return self.isLinkUp
      const [poorest] = copiesOf(views).sort((a, b) => a.copies.length - b.copies.length)
      if (!poorest) return false
      await this.#meet(fresh, poorest.master.place).catch(() => undefined)
      await fresh.tell('CLUSTER', 'REPLICATE', poorest.master.self.id)
      return false
    }, `the new node at ${place.name} has not become a replica`)
  }

  async #until(isDone: () => Promise<boolean>, otherwise: string): Promise<void> {
    const until = this.#options.now() + MEND_TIMEOUT_MS
    while (!(await isDone())) {
      if (this.#isOver || this.#options.now() > until) throw new KvError('E_TIMEOUT', `Not in time: ${otherwise}.`)
      await sleep(POLL_MS)
    }
  }

  /** There is none: masters vote. */
  async leader(): Promise<undefined> {
    return undefined
  }

  disturb(effect: LinkEffect, links: readonly LinkName[]): () => void {
    return this.#disturbances.lay(effect, links)
  }

  async ailments(): Promise<string[]> {
    return redisAilments(this.places, await viewsOf(this.#up), this.#options.replicas)
  }

  async end(): Promise<void> {
    this.#isOver = true
    this.network.close()
    await this.processes.end()
    for (const place of this.places) if (place.state !== 'off') place.state = 'down'
  }
}

/** Where the calls of place `i` come from, and whose a call is; the tester's own come from elsewhere. */
function sourceOf(i: number): string {
  return `127.0.1.${i}`
}

function nameOfSource(address: string): string {
  const match = /127\.0\.1\.(\d+)$/.exec(address)
  return match ? `n${match[1]}` : 'client'
}

function slotRange(i: number, masters: number): [string, string] {
  const first = Math.floor((i * BUCKET_COUNT) / masters)
  const last = Math.floor(((i + 1) * BUCKET_COUNT) / masters) - 1
  return [String(first), String(last)]
}
