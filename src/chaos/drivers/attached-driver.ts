/**
 * The driver of a cluster that somebody else runs. It looks at it as any client does, and the user's own command does the faults:
 *
 *   CMD stop|kill|pause begin|end HOST:PORT
 *
 * `begin` makes it so and returns, `end` undoes it and returns; an exit code other than 0 says that it could not. Of its processes nothing is known, so the
 * fault budget goes by what the cluster says of its copies.
 */
import {spawn} from 'node:child_process'
import {once} from 'node:events'
import {formatAddress, type Address} from '../../base/address.ts'
import {Connection} from '../../client/connection.ts'
import {isError, replyText} from '../../client/reply.ts'
import {BUCKET_COUNT, LEASE_MS} from '../../constants.ts'
import {KvError} from '../../errors.ts'
import {attachedState, type AttachedNode} from './attached-state.ts'
import {whyNotLose, type BudgetFacts} from '../budget.ts'
import {drawTime, FAULT_MS_MAX, FAULT_MS_MIN, pick} from './draws.ts'
import {FaultBook, type FaultPlan} from './fault-book.ts'
import type {Prng} from '../../base/prng.ts'
import type {Driver, DriverOptions, FaultKind, FaultRecord, Place} from '../driver.ts'

export interface AttachedDriverOptions extends DriverOptions {
  /** Any node of the cluster. */
  readonly attach: Address
  /** The user's command, run by the shell with three more arguments. */
  readonly onFault: string
}

export const ATTACHED_FAULTS: readonly FaultKind[] = ['stop', 'kill', 'pause']
const COMMAND_TIMEOUT_MS = 120_000
const PAUSE_LEASES = [0.5, 1, 3]
/** How long the cluster may need to be done with a fault that is over. */
const CALM_MS = 3_000

interface AttachedPlace extends Place {
  state: Place['state']
  disturbedMs: number
}

export class AttachedDriver implements Driver {
  readonly name = 'attached'
  readonly faultKinds = ATTACHED_FAULTS
  readonly #options: AttachedDriverOptions
  readonly #book: FaultBook
  readonly #places: AttachedPlace[] = []
  /** Faults whose `end` was not called yet. */
  readonly #open = new Map<AttachedPlace, FaultKind>()
  #version = ''

  /** Errors: E_USAGE if there is nothing to attach to, or no command. */
  static from(options: DriverOptions & Partial<Pick<AttachedDriverOptions, 'attach' | 'onFault'>>): AttachedDriver {
    const {attach, onFault} = options
    if (!attach)
      throw new KvError('E_USAGE', 'There is no cluster to attach to.', 'Name one of its nodes with --attach.')
    if (!onFault?.trim()) {
      const how = 'Add --on-fault CMD; it is called as CMD stop|kill|pause begin|end HOST:PORT.'
      throw new KvError('E_USAGE', 'Nobody could stop and start the nodes of that cluster.', how)
    }
    return new AttachedDriver({...options, attach, onFault})
  }

  constructor(options: AttachedDriverOptions) {
    this.#options = options
    this.#book = new FaultBook(() => options.now())
  }

  get version(): string {
    return this.#version
  }

  get places(): readonly Place[] {
    return this.#places
  }

  get faults(): readonly FaultRecord[] {
    return this.#book.records
  }

  /** Looks at the cluster. Errors: E_CONNECT and its kin; E_REPLY if it is none. */
  async start(): Promise<void> {
    const {nodes, version} = await attachedState(this.#options.attach)
    this.#version = version
    for (const [i, {address}] of nodes.entries()) {
      this.#places.push({name: `n${i + 1}`, address, state: 'up', pid: null, disturbedMs: -CALM_MS})
    }
    const ailments = await this.ailments()
    if (ailments.length > 0) {
      throw new KvError('E_REFUSED', `The cluster is not healthy: ${ailments.join(' ')}`, 'Mend it first.')
    }
  }

  addresses(): Address[] {
    return this.#places.filter(({state}) => state === 'up').map(({address}) => address)
  }

  inject(kind: FaultKind, prng: Prng): Promise<FaultRecord | null> {
    return this.#book.attempt(kind, async () => (ATTACHED_FAULTS.includes(kind) ? this.#plan(kind, prng) : null))
  }

  async #plan(kind: FaultKind, prng: Prng): Promise<FaultPlan | null> {
    const facts = await this.#facts()
    // How orderly the user's stop is, and what a pause does to his cluster, is not known here: each is judged as a crash would be.
    const may = this.#places.filter(
      ({name, state}) => state === 'up' && facts && whyNotLose(facts, name, false) === null,
    )
    const place = pick(prng, may)
    if (!place) return null
    const ms = kind === 'pause' ? pick(prng, PAUSE_LEASES)! * LEASE_MS : drawTime(prng, FAULT_MS_MIN, FAULT_MS_MAX)
    return {
      places: [place.name],
      note: `${kind} of ${formatAddress(place.address)} for ${(ms / 1000).toFixed(1)} s`,
      begin: () => this.#begin(kind, place),
      finish: async (wait) => {
        await wait(ms)
        await this.#end(kind, place)
      },
    }
  }

  async #begin(kind: FaultKind, place: AttachedPlace): Promise<void> {
    place.state = kind === 'pause' ? 'paused' : kind === 'stop' ? 'stopping' : 'down'
    this.#open.set(place, kind)
    try {
      await this.#call(kind, 'begin', place)
    } catch (error) {
      // What it did before it failed nobody knows.
      await this.#end(kind, place).catch(() => undefined)
      throw error
    }
  }

  async #end(kind: FaultKind, place: AttachedPlace): Promise<void> {
    if (!this.#open.delete(place)) return
    try {
      await this.#call(kind, 'end', place)
    } finally {
      place.state = 'up'
      place.disturbedMs = this.#options.now()
    }
  }

  /** Runs the user's command. Errors: E_REPLY with its exit code. */
  async #call(kind: FaultKind, step: 'begin' | 'end', {address}: AttachedPlace): Promise<void> {
    const line = `${this.#options.onFault} ${kind} ${step} ${formatAddress(address)}`
    const child = spawn(line, {shell: true, stdio: 'ignore', timeout: COMMAND_TIMEOUT_MS})
    const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
    if (code !== 0)
      throw new KvError('E_REPLY', `\`${line}\` ended with ${code === null ? signal : `exit code ${code}`}.`)
  }

  async #facts(): Promise<BudgetFacts | null> {
    const now = this.#options.now()
    const nodes = await this.#nodes()
    const calm = this.#places.filter(({state, disturbedMs}) => state === 'up' && now - disturbedMs >= CALM_MS)
    if (!nodes) return null
    const nameOf = (address: Address | null): string => this.#nameOf(address)
    return {
      up: calm.map(({name}) => name),
      disturbed: [],
      leader: calm[0]?.name ?? null,
      voters: nodes.filter(({isVoter}) => isVoter).map(({address}) => nameOf(address)),
      copySets: nodes.flatMap(({copySets}) => copySets.map((copies) => copies.map(nameOf))),
      hasLeftovers: false,
    }
  }

  #nameOf(address: Address | null): string {
    const text = address && formatAddress(address)
    return this.#places.find((place) => formatAddress(place.address) === text)?.name ?? ''
  }

  /** As the first that answers says. */
  async #nodes(): Promise<readonly AttachedNode[] | null> {
    for (const address of this.addresses()) {
      const state = await attachedState(address).catch(() => null)
      if (state) return state.nodes
    }
    return null
  }

  async heal(): Promise<void> {
    await this.#book.heal()
  }

  async ailments(): Promise<string[]> {
    const ailments = this.#places.filter(({state}) => state !== 'up').map(({name, state}) => `${name} is ${state}.`)
    const nodes = await this.#nodes()
    if (!nodes) return [...ailments, 'No node answers.']
    for (const {address, isDown} of nodes) if (isDown) ailments.push(`${formatAddress(address)} counts as down.`)
    const served = nodes.reduce((sum, {served: count}) => sum + count, 0)
    if (served !== BUCKET_COUNT) ailments.push(`${served} of ${BUCKET_COUNT} buckets are served.`)
    const poor = nodes.some(({copySets}) => copySets.some((copies) => copies.length <= this.#options.replicas))
    if (poor) ailments.push('Some buckets have too few copies.')
    for (const {name, address, state} of this.#places) {
      if (state === 'up' && !(await answers(address))) ailments.push(`${name} does not answer.`)
    }
    return ailments
  }

  /** Nobody else's cluster is asked for that. */
  async hashes(): Promise<null> {
    return null
  }

  async describe(): Promise<unknown> {
    return {places: this.#places, says: await this.#nodes().catch(() => null)}
  }

  /** They are not our processes: the evidence is what was heard of them. */
  freeze(): void {}

  /** Undoes what is still on: the cluster is left as it was found. */
  async end(): Promise<void> {
    this.#book.close()
    await Promise.all([...this.#open].map(([place, kind]) => this.#end(kind, place).catch(() => undefined)))
  }
}

async function answers(address: Address): Promise<boolean> {
  try {
    const connection = await Connection.connect(address, {connectTimeoutMs: 1_000, replyTimeoutMs: 3_000})
    const reply = await connection.send(['PING'])
    connection.close()
    return !isError(reply) && replyText(reply) !== undefined
  } catch {
    return false
  }
}
