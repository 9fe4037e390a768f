/**
 * Requests that wait, in the order they came, and the jobs they wait for.
 *
 * A job is a command too long for one turn of the loop (copying a map of a million fields): it runs in steps, and meanwhile its
 * bucket is parked, so that nobody sees a half-done change. A request for a parked bucket is not executed; its session
 * waits and is woken when the bucket is free.
 */
import {BUCKET_COUNT} from '../constants.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Host} from './host.ts'
import type {Session} from './session.ts'

export interface Job {
  /** The bucket that is parked while it runs, or -1. */
  readonly bucket: number
  /** Does about `budget` nodes of work; returns what is left of the budget, 0 or less if the job is not done. */
  step(budget: number): number
  /** Writes the reply, when it is done. */
  reply(out: ReplyWriter): void
}

interface Running {
  /** Null if the client left: the job ends all the same, its effects were promised to none but are whole. */
  session: Session | null
  readonly job: Job
}

export class Parking {
  readonly #host: Host
  readonly #parked = new Uint8Array(BUCKET_COUNT)
  readonly #waiting = new Map<number, Session[]>()
  readonly #paused: Session[] = []
  readonly #jobs: Running[] = []

  constructor(host: Host) {
    this.#host = host
  }

  isParked(bucket: number): boolean {
    return this.#parked[bucket] !== 0
  }

  get hasJobs(): boolean {
    return this.#jobs.length > 0
  }

  /** Sessions whose request waits. */
  get waitingCount(): number {
    let count = this.#paused.length + this.#jobs.length
    for (const sessions of this.#waiting.values()) count += sessions.length
    return count
  }

  park(bucket: number): void {
    this.#parked[bucket]!++
  }

  unpark(bucket: number): void {
    if (--this.#parked[bucket]! > 0) return
    const sessions = this.#waiting.get(bucket)
    if (!sessions) return
    this.#waiting.delete(bucket)
    for (const session of sessions) this.#host.wake(session)
  }

  wait(session: Session, bucket: number): void {
    const sessions = this.#waiting.get(bucket)
    if (sessions) sessions.push(session)
    else this.#waiting.set(bucket, [session])
  }

  waitForUnpause(session: Session): void {
    this.#paused.push(session)
  }

  wakePaused(): void {
    for (const session of this.#paused.splice(0)) this.#host.wake(session)
  }

  start(session: Session, job: Job): void {
    if (job.bucket >= 0) this.park(job.bucket)
    this.#jobs.push({session, job})
  }

  /** Steps the oldest job; returns what is left of the budget. */
  work(budget: number): number {
    let left = budget
    while (left > 0) {
      const running = this.#jobs[0]
      if (!running) return left
      left = running.job.step(left)
      if (left <= 0) return 0
      this.#jobs.shift()
      const {session, job} = running
      if (session) this.#host.complete(session, (out) => job.reply(out))
      if (job.bucket >= 0) this.unpark(job.bucket)
    }
    return left
  }

  /** The session is gone. */
  forget(session: Session): void {
    for (const running of this.#jobs) if (running.session === session) running.session = null
    for (const sessions of this.#waiting.values()) removeFrom(sessions, session)
    removeFrom(this.#paused, session)
  }
}

function removeFrom(sessions: Session[], session: Session): void {
  const index = sessions.indexOf(session)
  if (index >= 0) sessions.splice(index, 1)
}
