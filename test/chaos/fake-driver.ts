/** A driver whose cluster is the servers of fake-server.ts: no process, quick faults, and what it says about itself can be chosen. */
import {FakeCluster} from './fake-server.ts'
import type {Address} from '../../src/base/address.ts'
import type {Prng} from '../../src/base/prng.ts'
import type {CopyHash, Driver, FaultKind, FaultRecord, Place} from '../../src/chaos/driver.ts'
import type {Clock} from '../../src/workload/types.ts'

const FAULT_MS = 100

export class FakeDriver implements Driver {
  readonly name = 'fake'
  readonly version = 'fake 1.0'
  readonly faultKinds: readonly FaultKind[] = ['kill', 'pause']
  readonly places: Place[] = []
  readonly faults: FaultRecord[] = []
  readonly cluster = new FakeCluster()
  /** What was called, in order. */
  readonly calls: string[] = []
  /** Kinds that the budget never allows. */
  forbidden: readonly FaultKind[] = []
  copies: readonly CopyHash[] | null = null
  readonly #clock: Clock
  readonly #nodes: number

  constructor(clock: Clock, nodes = 3) {
    this.#clock = clock
    this.#nodes = nodes
  }

  async start(): Promise<void> {
    await this.cluster.start(this.#nodes)
    this.cluster.addresses.forEach((address, i) => {
      this.places.push({name: `n${i + 1}`, address, state: 'up', pid: process.pid})
    })
    this.calls.push('start')
  }

  addresses(): Address[] {
    return this.places.filter(({state}) => state === 'up').map(({address}) => address)
  }

  async inject(kind: FaultKind, prng: Prng): Promise<FaultRecord | null> {
    const i = prng.below(this.places.length)
    if (this.forbidden.includes(kind) || this.places[i]!.state !== 'up') return null
    const place = this.places[i]!
    const fault: FaultRecord = {
      kind,
      places: [place.name],
      beganMs: this.#clock.now(),
      endedMs: null,
      note: '',
      error: '',
    }
    this.faults.push(fault)
    this.places[i] = {...place, state: 'down'}
    this.cluster.setDown(i, true)
    this.#clock.after(FAULT_MS, () => this.#restore(i, fault))
    return fault
  }

  async heal(): Promise<void> {
    this.calls.push('heal')
    this.faults.forEach((fault) =>
      this.#restore(
        this.places.findIndex(({name}) => name === fault.places[0]),
        fault,
      ),
    )
  }

  async ailments(): Promise<string[]> {
    return this.places.filter(({state}) => state !== 'up').map(({name}) => `${name} is down`)
  }

  async hashes(): Promise<readonly CopyHash[] | null> {
    return this.copies
  }

  async describe(): Promise<unknown> {
    return {nodes: this.places.length}
  }

  freeze(): void {
    this.calls.push('freeze')
  }

  async end(): Promise<void> {
    this.calls.push('end')
    this.cluster.stop()
  }

  #restore(i: number, fault: FaultRecord): void {
    if (fault.endedMs !== null) return
    fault.endedMs = this.#clock.now()
    this.places[i] = {...this.places[i]!, state: 'up'}
    this.cluster.setDown(i, false)
  }
}
