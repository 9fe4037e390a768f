/** The made-up disks: a write takes a while, and one that was not finished when its process died is lost. What is there survives. */
import {EMPTY_STATE, applyWrite} from '../core/consensus/durable-state.ts'
import type {Prng} from '../base/prng.ts'
import type {RaftState, RaftWrite} from '../core/consensus/types.ts'
import type {Schedule} from './schedule.ts'

export class Disk {
  readonly #schedule: Schedule
  readonly #random: Prng
  readonly #states = new Map<string, RaftState>()
  readonly #lives = new Map<string, number>()
  readonly #lastAt = new Map<string, number>()
  /** Ms. */
  delay = 1

  constructor(schedule: Schedule, random: Prng) {
    this.#schedule = schedule
    this.#random = random
  }

  read(id: string): RaftState | null {
    return this.#states.get(id) ?? null
  }

  wipe(id: string): void {
    this.#states.delete(id)
  }

  /** A new process uses the disk of this node. */
  open(id: string): void {
    this.#lives.set(id, (this.#lives.get(id) ?? 0) + 1)
  }

  set(id: string, state: RaftState): void {
    this.#states.set(id, state)
  }

  write(id: string, write: RaftWrite, done: () => void): void {
    const life = this.#lives.get(id)
    const time = this.delay * (0.5 + this.#random.next32() / 2 ** 32)
    // One after the other.
    const at = Math.max(this.#schedule.now + time, this.#lastAt.get(id) ?? 0)
    this.#lastAt.set(id, at)
    this.#schedule.after(at - this.#schedule.now, () => {
      if (this.#lives.get(id) !== life) return
      this.#states.set(id, applyWrite(this.#states.get(id) ?? EMPTY_STATE, write))
      done()
    })
  }

  /** The process died: its unfinished writes are lost. */
  crash(id: string): void {
    this.open(id)
  }
}
