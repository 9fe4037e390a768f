/**
 * The faults of a run: begun one after the other, ended each by itself after its time, or all at once by `heal`. A driver says how a fault begins and how it is
 * undone; here it is written down, timed, and waited for.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import type {FaultKind, FaultRecord} from '../driver.ts'

/** Resolves after so many ms, or at once when all faults are to end. */
export type Wait = (ms: number) => Promise<void>

/** A fault that a driver is ready to do. */
export interface FaultPlan {
  /** Names. */
  readonly places: readonly string[]
  /** For people. */
  readonly note: string
  /** When it returns, or resolves, the fault is on. */
  begin(): Promise<void> | void
  /** Leaves it on for its time and undoes it. What it throws becomes the record's error. */
  finish(wait: Wait): Promise<void>
}

export class FaultBook {
  readonly records: FaultRecord[] = []
  readonly #now: () => number
  readonly #underWay = new Set<Promise<void>>()
  #healing = new AbortController()
  /** Faults begin one after the other, so that none changes what another was judged by. */
  #turn: Promise<unknown> = Promise.resolve()

  /** `now`: monotonic ms since the run began. */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Ends are being waited for, and none may begin. */
  get #isHealing(): boolean {
    return this.#healing.signal.aborted
  }

  /** Begins what `planner` gives when it is its turn; null: it gives nothing, or all are to end. Errors: those of `planner`. */
  attempt(kind: FaultKind, planner: () => Promise<FaultPlan | null>): Promise<FaultRecord | null> {
    const turn = this.#turn.then(async () => {
      const plan = this.#isHealing ? null : await planner()
      return plan && !this.#isHealing ? this.begin(kind, plan) : null
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }

  /** Resolves when it has begun. Never rejects: what went wrong is in the record. */
  async begin(kind: FaultKind, plan: FaultPlan): Promise<FaultRecord> {
    const {places, note} = plan
    const record: FaultRecord = {kind, places, note, beganMs: this.#now(), endedMs: null, error: ''}
    this.records.push(record)
    try {
      await plan.begin()
    } catch (error) {
      return this.#ended(record, error)
    }
    const ending = plan.finish(this.#wait).then(
      () => void this.#ended(record),
      (error: unknown) => void this.#ended(record, error),
    )
    this.#underWay.add(ending)
    void ending.then(() => this.#underWay.delete(ending))
    return record
  }

  /** Cuts all waits short, and resolves when every fault has ended. New ones may begin then. */
  async heal(): Promise<void> {
    await this.#turn
    this.#healing.abort()
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
    this.#healing = new AbortController()
  }

  /** Cuts all waits short, for good. */
  close(): void {
    this.#healing.abort()
  }

  readonly #wait: Wait = async (ms) => {
    await sleep(ms, undefined, {signal: this.#healing.signal}).catch(() => undefined)
  }

  #ended(record: FaultRecord, error?: unknown): FaultRecord {
    record.endedMs = this.#now()
    if (error !== undefined) record.error = error instanceof Error ? error.message : 'it failed'
    return record
  }
}
