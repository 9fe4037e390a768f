/**
 * Requests that wait, in the order they came, and the jobs they wait for.
 *
 * A job is a command too long for one turn of the loop (copying a map of a million fields): it runs in steps, and meanwhile its
 * bucket is parked, so that nobody sees a half-done change. A request for a parked bucket is not executed; its session
 * waits and is woken when the bucket is free. Expiry and eviction leave a parked bucket alone.
 */
import {BUCKET_COUNT} from '../constants.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Host} from './host.ts'
import type {Session} from './session.ts'

export interface Job {
  /** The bucket that is parked while it runs, or -1. */
  readonly bucket: number
  /** It only reads: if the client leaves, nobody needs it. */
  readonly isReadOnly: boolean
  readonly isDone: boolean
  /** Does about `budget` nodes of work, at least something; returns what is left of the budget. Not called when it is done. */
  step(budget: number): number
  /** Writes the reply, when it is done. */
  reply(out: ReplyWriter): void
  /** A reply too large for `reply`, in pieces; empty if it is not. Null: too large for any client, who loses the connection. */
  pieces(): readonly Buffer[] | null
}

interface Running {
  /** Null if the client left. */
  session: Session | null
  readonly job: Job
}

export class Parking {
  readonly #host: Host
  readonly #parked = new Uint8Array(BUCKET_COUNT)
  #parkedCount = 0
  readonly #waiting = new Map<number, Session[]>()
  readonly #paused: Session[] = []
  #jobs: Running[] = []
  /** Called before a job's reply is written. */
  onAnswer: (job: Job) => void = () => undefined
  /** Called when the reply of a job with a bucket was given to the host. */
  onReply: (bucket: number, bytes: number) => void = () => undefined

  constructor(host: Host) {
    this.#host = host
  }

  isParked(bucket: number): boolean {
    return this.#parked[bucket] !== 0
  }

  /** Some parked bucket, or -1. */
  get parkedBucket(): number {
    return this.#parkedCount === 0 ? -1 : this.#parked.findIndex((count) => count > 0)
  }

  get hasJobs(): boolean {
    return this.#jobs.length > 0
  }

  /** A job of this bucket is under way. */
  hasJob(bucket: number): boolean {
    return this.#jobs.some(({job}) => job.bucket === bucket)
  }

  /** Sessions whose request waits. */
  get waitingCount(): number {
    let count = this.#paused.length + this.#jobs.length
    for (const sessions of this.#waiting.values()) count += sessions.length
    return count
  }

  park(bucket: number): void {
    if (this.#parked[bucket]!++ === 0) this.#parkedCount++
  }

  unpark(bucket: number): void {
    if (--this.#parked[bucket]! > 0) return
    this.#parkedCount--
    this.wake(bucket)
  }

  /** Those who wait for the bucket try again, though it is still parked. */
  wake(bucket: number): void {
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

  /** The session waits for the job's reply. */
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
      if (running.job.isDone) this.#end(running)
    }
    return 0
  }

  /** The session is gone. */
  forget(session: Session): void {
    for (const running of this.#jobs.filter((candidate) => candidate.session === session)) {
      running.session = null
      if (running.job.isReadOnly) this.#end(running)
    }
    for (const sessions of this.#waiting.values()) removeFrom(sessions, session)
    removeFrom(this.#paused, session)
  }

  #end(running: Running): void {
    this.#jobs = this.#jobs.filter((other) => other !== running)
    const {session, job} = running
    if (session) this.#answer(session, job)
    if (job.bucket >= 0) this.unpark(job.bucket)
  }

  #answer(session: Session, job: Job): void {
    const pieces = job.pieces()
    this.onAnswer(job)
    if (pieces === null) this.#host.close(session)
    else if (pieces.length === 0) this.#host.complete(session, (out) => this.#reply(job, out))
    else {
      const bytes = session.isAnswerMuted ? 0 : pieces.reduce((sum, {length}) => sum + length, 0)
      this.#host.completeWith(session, pieces)
      if (job.bucket >= 0) this.onReply(job.bucket, bytes)
    }
  }

  #reply(job: Job, out: ReplyWriter): void {
    const start = out.pos
    job.reply(out)
    if (job.bucket >= 0) this.onReply(job.bucket, out.pos - start)
  }
}

function removeFrom(sessions: Session[], session: Session): void {
  const index = sessions.indexOf(session)
  if (index >= 0) sessions.splice(index, 1)
}
