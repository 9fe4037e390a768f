/**
 * Who decides which fault comes when. Each kind comes once, in random order, before any comes again; what the budget does not allow now stands in line again.
 * Now and then two begin at once, and since faults last longer than the time between two of them, they overlap in combinations that nobody has
 * thought of. When it gets late and some kind has not come yet, they come faster.
 */
import type {Prng} from '../base/prng.ts'
import type {Clock} from '../workload/types.ts'
import type {Driver, FaultKind, FaultRecord} from './driver.ts'

/** One time in so many two faults begin at once. */
const TWO_AT_ONCE = 4
/** What is refused is tried again so soon. */
const RETRY_MS = 1_000

export interface NemesisOptions {
  readonly driver: Driver
  readonly kinds: readonly FaultKind[]
  readonly clock: Clock
  readonly random: Prng
  /** Ms between two faults, on average. */
  readonly everyMs: number
  /** When the run ends. */
  readonly untilMs: number
  event(text: string): void
}

export class Nemesis {
  readonly #o: NemesisOptions
  /** Kinds in the order in which they shall come. */
  #line: FaultKind[] = []
  /** The last attempt at each kind that has not come and worked yet, or the one that did. */
  readonly #tried = new Map<FaultKind, FaultRecord>()
  #isStopped = false
  #busy: Promise<void> = Promise.resolve()

  constructor(options: NemesisOptions) {
    this.#o = options
  }

  /** Kinds that have come and worked. */
  get fired(): ReadonlySet<FaultKind> {
    return new Set([...this.#tried.values()].filter(({error}) => error === '').map(({kind}) => kind))
  }

  start(): void {
    if (this.#o.kinds.length > 0) this.#wait(this.#o.everyMs / 2)
  }

  /** No fault begins any more; resolves when the one that is just beginning has begun. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#busy
  }

  #wait(ms: number): void {
    this.#o.clock.after(ms, () => {
      if (this.#isStopped) return
      this.#busy = this.#strike().then((hasFired) => {
        if (!this.#isStopped) this.#wait(hasFired ? this.#pause() : Math.min(RETRY_MS, this.#pause()))
      })
    })
  }

  /** Half to one and a half times the usual; no longer than lets those come that have not come yet. */
  #pause(): number {
    const {everyMs, random, clock, untilMs, kinds} = this.#o
    const missing = kinds.length - this.fired.size
    const roomMs = missing === 0 ? Infinity : (untilMs - clock.now()) / (2 * missing)
    return Math.max(RETRY_MS, Math.min(everyMs * (0.5 + random.next32() / 2 ** 32), roomMs))
  }

  /** One fault, or two. */
  async #strike(): Promise<boolean> {
    const hasFired = await this.#one()
    if (hasFired && !this.#isStopped && this.#o.random.below(TWO_AT_ONCE) === 0) await this.#one()
    return hasFired
  }

  /** The first kind in line that is allowed now. */
  async #one(): Promise<boolean> {
    if (this.#line.length === 0) this.#line = this.#shuffle(this.#o.kinds)
    // Whether a fault works is known only when it is over: what did not work is tried again before all others.
    const again = [...this.#tried.values()].filter(({error}) => error !== '').map(({kind}) => kind)
    for (const kind of new Set([...again, ...this.#line])) {
      if (this.#isStopped) return false
      if (!(await this.#inject(kind))) continue
      this.#line = this.#line.filter((other) => other !== kind)
      return true
    }
    return false
  }

  async #inject(kind: FaultKind): Promise<boolean> {
    const {driver, random} = this.#o
    try {
      const record = await driver.inject(kind, random)
      if (record === null) return false
      this.#o.event(`${kind}: ${record.note === '' ? record.places.join(', ') : record.note}`)
      if (this.#tried.get(kind)?.error !== '') this.#tried.set(kind, record)
      return true
    } catch (error) {
      this.#o.event(`${kind} could not be begun: ${(error as Error).message}`)
      return false
    }
  }

  #shuffle(kinds: readonly FaultKind[]): FaultKind[] {
    const left = [...kinds]
    const line: FaultKind[] = []
    while (left.length > 0) line.push(...left.splice(this.#o.random.below(left.length), 1))
    return line
  }
}
