/** Clients of a made-up store that is always right, in one thread and without waiting: the checker's input, as fast as it can be made. */
import {Prng} from '../../../src/base/prng.ts'
import type {Operation, Rule} from '../../../src/checker/history.ts'

/** Of 10: registers, cells and so on, roughly as in a run. */
const SHARES: readonly Rule[] = [
  'register',
  'register',
  'register',
  'register',
  'register',
  'ledger',
  'cell',
  'counter',
  'pair',
  'register',
]
/** One write in so many is answered to nobody; half of them happen. */
const UNKNOWN_ONE_IN = 10_000

type Flight = {-readonly [Field in keyof Operation]: Operation[Field]}

export class MadeUpClients {
  readonly #random: Prng
  readonly #keys: number
  readonly #flights: Flight[] = []
  readonly #values = new Map<string, string>()
  readonly #counts = new Map<string, number>()
  #stamp = 0
  #made = 0

  constructor(clients: number, keys: number, seed: number) {
    this.#random = new Prng(seed)
    this.#keys = keys
    for (let i = 0; i < clients; i++) this.#flights.push(this.#begin(i))
  }

  /** Nothing that is still to come starts before this. */
  get floor(): number {
    return Math.min(...this.#flights.map(({start}) => start))
  }

  /** The next operation that ends. */
  next(): Operation {
    const client = this.#random.below(this.#flights.length)
    const flight = this.#flights[client]!
    const isUnknown = flight.kind !== 'read' && this.#random.below(UNKNOWN_ONE_IN) === 0
    const happens = !isUnknown || this.#random.below(2) === 0
    if (happens) this.#happen(flight)
    flight.end = isUnknown ? Infinity : ++this.#stamp
    if (isUnknown && flight.kind === 'increment') flight.value = null
    this.#flights[client] = this.#begin(client)
    return flight
  }

  #begin(client: number): Flight {
    const number = this.#random.below(this.#keys)
    const rule = SHARES[number % SHARES.length]!
    const isSwapped = rule === 'register' && number % 100 === 9
    const key = `${rule}:${number}`
    const start = ++this.#stamp
    const flight: Flight = {rule, key, kind: 'read', value: null, start, end: 0, hasFailed: false, client, node: 'n1'}
    const choice = this.#random.below(10)
    if (rule === 'pair' || choice < 5) return flight
    if (rule === 'ledger' && this.#values.has(key)) return flight
    if (rule === 'ledger') this.#values.set(key, '')
    if (rule === 'counter') flight.kind = 'increment'
    else if (rule === 'cell' && choice === 9) flight.kind = 'delete'
    else flight.kind = isSwapped ? 'swap' : 'write'
    if (flight.kind === 'write' || flight.kind === 'swap') flight.value = `v${++this.#made}`
    return flight
  }

  #happen(flight: Flight): void {
    const {key, kind} = flight
    if (flight.rule === 'counter') {
      const count = (this.#counts.get(key) ?? 0) + (kind === 'increment' ? 1 : 0)
      this.#counts.set(key, count)
      flight.value = count
    } else if (flight.rule === 'pair') {
      flight.value = [-5, 5]
    } else if (kind === 'read') {
      const value = this.#values.get(key) ?? ''
      flight.value = value === '' ? null : value
    } else if (kind === 'delete') {
      this.#values.delete(key)
    } else {
      if (kind === 'swap') flight.expected = this.#values.get(key) ?? null
      this.#values.set(key, flight.value as string)
    }
  }
}
