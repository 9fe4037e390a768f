/**
 * The made-up network: packets between processes that are delayed, lost, doubled and swapped, and directed pairs that are cut. A pair counts as connected until a cut has lasted for a while, as with TCP; cut links
 * may hold what was sent and deliver it late ("blackhole, then deliver"), which is the harshest.
 */
import type {Prng} from '../base/prng.ts'
import type {Schedule} from './schedule.ts'

/** A cut of this length is noticed as a broken connection, ms. */
const BREAK_MS = 150
const CONNECT_MS = 5

export interface Endpoint {
  readonly id: string
  readonly incarnation: string
  /** False: packets for it are lost. */
  isAlive(): boolean
  receive(from: string, incarnation: string, packet: Buffer): void
  connected(id: string, incarnation: string): void
  disconnected(id: string): void
}

/** Node ids. The packet is not to be changed. */
export type Tap = (from: string, to: string, packet: Buffer) => void

export interface NetworkFaults {
  /** Chances, 0..1. */
  readonly loss: number
  readonly duplicate: number
  readonly slow: number
  /** Ms. */
  readonly delay: number
  readonly slowDelay: number
}

export class Network {
  readonly #schedule: Schedule
  readonly #random: Prng
  readonly #endpoints = new Map<string, Endpoint>()
  /** `a>b`: nothing gets from a to b. */
  readonly #cuts = new Set<string>()
  readonly #connected = new Set<string>()
  readonly #held: {readonly from: Endpoint; readonly to: string; readonly packet: Buffer}[] = []
  readonly #lastAt = new Map<string, number>()
  faults: NetworkFaults = {loss: 0, duplicate: 0, slow: 0, delay: 0.3, slowDelay: 0}
  holdsBack = false
  packets = 0
  bytes = 0
  /** Told of every packet that a process sends, and of every one that reaches another. */
  onSend: Tap = () => undefined
  onDeliver: Tap = () => undefined

  constructor(schedule: Schedule, random: Prng) {
    this.#schedule = schedule
    this.#random = random
  }

  /** A process is there; it is connected with all that it can reach. */
  add(endpoint: Endpoint): void {
    this.#endpoints.set(endpoint.id, endpoint)
    for (const other of this.#endpoints.values()) if (other !== endpoint) this.#connectSoon(endpoint.id, other.id)
  }

  remove(endpoint: Endpoint): void {
    if (this.#endpoints.get(endpoint.id) !== endpoint) return
    this.#endpoints.delete(endpoint.id)
    for (const other of this.#endpoints.values()) this.#disconnect(endpoint.id, other.id)
  }

  cut(a: string, b: string): void {
    this.#cuts.add(`${a}>${b}`)
    this.#schedule.after(BREAK_MS, () => {
      if (this.#cuts.has(`${a}>${b}`) && this.#cuts.has(`${b}>${a}`)) this.#disconnect(a, b)
    })
  }

  heal(): void {
    this.#cuts.clear()
    for (const {from, to, packet} of this.#held.splice(0)) this.#deliver(from, to, packet)
    const ids = [...this.#endpoints.keys()]
    for (const a of ids) for (const b of ids) if (a < b) this.#connectSoon(a, b)
  }

  get isCut(): boolean {
    return this.#cuts.size > 0
  }

  send(from: Endpoint, to: string, packet: Buffer): boolean {
    if (!this.#connected.has(pair(from.id, to))) return false
    this.packets++
    this.bytes += packet.length
    this.onSend(from.id, to, packet)
    const {loss, duplicate} = this.faults
    if (this.#cuts.has(`${from.id}>${to}`)) {
      if (this.holdsBack && this.#held.length < 1000) this.#held.push({from, to, packet})
      return true
    }
    if (this.#chance(loss)) return true
    this.#deliver(from, to, packet)
    if (this.#chance(duplicate)) this.#deliver(from, to, packet)
    return true
  }

  #deliver(from: Endpoint, to: string, packet: Buffer): void {
    const {delay, slow, slowDelay} = this.faults
    const isLate = this.#chance(slow)
    const at = this.#schedule.now + delay * (0.5 + this.#unit()) + (isLate ? slowDelay * this.#unit() : 0)
    // In order, as TCP does it, unless this is the time for disorder.
    const key = `${from.id}>${to}`
    const ordered = slow > 0 ? at : Math.max(at, this.#lastAt.get(key) ?? 0)
    this.#lastAt.set(key, ordered)
    const {incarnation} = from
    this.#schedule.after(ordered - this.#schedule.now, () => {
      const endpoint = this.#endpoints.get(to)
      if (!endpoint) return
      endpoint.receive(from.id, incarnation, packet)
      this.onDeliver(from.id, to, packet)
    })
  }

  #connectSoon(a: string, b: string): void {
    this.#schedule.after(CONNECT_MS * (0.5 + this.#unit()), () => {
      const one = this.#endpoints.get(a)
      const other = this.#endpoints.get(b)
      const isCut = this.#cuts.has(`${a}>${b}`) || this.#cuts.has(`${b}>${a}`)
      if (!one?.isAlive() || !other?.isAlive() || isCut || this.#connected.has(pair(a, b))) return
      this.#connected.add(pair(a, b))
      one.connected(other.id, other.incarnation)
      other.connected(one.id, one.incarnation)
    })
  }

  #disconnect(a: string, b: string): void {
    if (!this.#connected.delete(pair(a, b))) return
    this.#endpoints.get(a)?.disconnected(b)
    this.#endpoints.get(b)?.disconnected(a)
  }

  #chance(probability: number): boolean {
    return probability > 0 && this.#unit() < probability
  }

  #unit(): number {
    return this.#random.next32() / 2 ** 32
  }
}

function pair(a: string, b: string): string {
  return a < b ? `${a} ${b}` : `${b} ${a}`
}
