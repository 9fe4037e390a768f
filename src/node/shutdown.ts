/**
 * The one shutdown event. Whatever asks for the end (a signal, SHUTDOWN, `stop()`), it fires once; the parts then end in order,
 * each in its own time:
 *
 *   give buckets to other nodes -> tell clients for a while where they are -> close clients -> statistics -> lock
 *
 * or, if this is the last node:
 *
 *   serve what has arrived -> refuse new clients, hold writes -> finish jobs -> save -> refuse the held -> close clients
 *   -> statistics -> lock
 *
 * Reads are served to the last. A save that fails calls the stop off: the node opens up again and loses nothing. A second
 * signal means haste: nothing more is waited for or saved, and the reason says what was lost.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {KvError} from '../errors.ts'
import type {ShutdownOptions} from '../core/host.ts'
import type {NodeLog} from './log.ts'
import type {NodeExit} from './options.ts'

/** How long jobs under way, and then clients that have not read their replies, are waited for. */
const DRAIN_MS = 10_000
const CLOSE_MS = 5_000
const POLL_MS = 5
/** How long a node that has left tells clients where their buckets are. */
const LINGER_MS = 2_000
/** Clients that connected and requests that were sent before one could know of the stop lie in the kernel: time to serve them. */
const QUIET_MS = 20
const ARRIVED_MS = 250

const DEFAULT_OPTIONS: ShutdownOptions = {mode: 'default', isNow: false, isForced: false}

export interface ShutdownParts {
  readonly log: NodeLog
  stopListening(): void
  listenAgain(): Promise<void>
  /** Gives all buckets to other nodes and leaves the cluster; false if this is the last node. Absent outside of a cluster. */
  readonly leave?: (isHasty: () => boolean) => Promise<boolean>
  /** The stop was called off. */
  readonly stay?: () => void
  /** Writes wait from now on. */
  hold(): void
  /** Those that wait are executed after all, or, if the node stops, refused. */
  release(isStopping: boolean): void
  /** Grows with each client and each byte that comes. */
  arrivalCount(): number
  /** Requests that were taken and are not answered yet. */
  busyCount(): number
  /** Writes the savefile; absent if none was asked for. */
  readonly save: (() => Promise<void>) | null
  cancelSave(): void
  keyCount(): number
  /** Ends each connection when its replies are sent; `isNow` cuts them. */
  closeClients(isNow: boolean): void
  clientCount(): number
  /** Statistics stop, locks are given back: the last things. `isOver`: in good order; a cluster whose last node this was has ended. */
  finish(isOver: boolean): Promise<void>
}

export class Shutdown {
  readonly #parts: ShutdownParts
  readonly stopped: Promise<NodeExit>
  #settle!: (exit: NodeExit) => void
  #running: Promise<NodeExit> | null = null
  #isHasty = false
  #isOver = false
  /** Why the node could not go on. */
  #failure: string | null = null

  constructor(parts: ShutdownParts) {
    this.#parts = parts
    this.stopped = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  get isStopping(): boolean {
    return this.#running !== null
  }

  /** Fires the event, or, if it was fired already, asks for haste. Rejects if the save fails and the node goes on. */
  stop(cause: string): Promise<NodeExit> {
    if (this.#running && !this.#isOver) this.#makeHaste(cause)
    return this.join(cause)
  }

  /** Fires the event, or waits for its end if it was fired already: nothing is lost because two clients send SHUTDOWN. */
  async join(cause: string, options: ShutdownOptions = DEFAULT_OPTIONS): Promise<NodeExit> {
    if (this.#running) return this.#running
    this.#parts.log.info({cause}, 'shutting down')
    this.#running = this.#run(cause, options)
    try {
      return await this.#running
    } catch (error) {
      this.#running = null
      throw error
    }
  }

  /** The node cannot go on: it stops at once, with exit code 1. */
  async fail(reason: string): Promise<void> {
    this.#failure ??= reason
    if (!this.#running) await this.join(reason, {mode: 'default', isNow: true, isForced: true}).catch(() => undefined)
  }

  #makeHaste(cause: string): void {
    if (this.#isHasty) return
    this.#isHasty = true
    this.#parts.log.warn({cause}, 'asked twice: stopping at once')
    this.#parts.cancelSave()
    this.#parts.closeClients(true)
  }

  async #run(cause: string, options: ShutdownOptions): Promise<NodeExit> {
    const parts = this.#parts
    const hasLeft = !options.isNow && parts.leave !== undefined && (await parts.leave(() => this.#isHasty))
    if (hasLeft) return this.#goodbye(cause)
    if (!options.isNow) await this.#untilQuiet()
    parts.stopListening()
    parts.hold()
    if (!options.isNow) await this.#until(() => parts.busyCount() === 0, DRAIN_MS)
    const keys = parts.keyCount()
    const wantsSave = options.mode !== 'nosave' && parts.save !== null
    const isSaved = wantsSave && !this.#isHasty && (await this.#save(options.isForced))
    parts.release(true)
    // Those that were refused still need a turn to be told.
    await sleep(POLL_MS)
    parts.closeClients(this.#isHasty)
    await this.#until(() => parts.clientCount() === 0, CLOSE_MS)
    parts.closeClients(true)
    await this.#until(() => parts.clientCount() === 0, CLOSE_MS)
    await parts.finish(!options.isNow && !this.#isHasty)
    const lost = isSaved || keys === 0 ? '' : `; ${keys} keys were not saved and are gone`
    const hasFailed = this.#failure !== null || (wantsSave && !isSaved && keys > 0)
    const exit = {exitCode: hasFailed ? 1 : 0, reason: `${cause}${lost}`}
    this.#isOver = true
    parts.log.info({cause, keys, saved: isSaved}, 'stopped')
    this.#settle(exit)
    return exit
  }

  /** The buckets are with others. Clients are told so for a while, then sent away; there is nothing to save. */
  async #goodbye(cause: string): Promise<NodeExit> {
    const parts = this.#parts
    await this.#until(() => parts.clientCount() === 0, LINGER_MS)
    parts.stopListening()
    parts.closeClients(this.#isHasty)
    await this.#until(() => parts.clientCount() === 0, CLOSE_MS)
    parts.closeClients(true)
    await this.#until(() => parts.clientCount() === 0, CLOSE_MS)
    await parts.finish(false)
    const exit = {exitCode: 0, reason: `${cause}; all buckets are with other nodes`}
    this.#isOver = true
    parts.log.info({cause}, 'left the cluster and stopped')
    this.#settle(exit)
    return exit
  }

  /** True if the file was written. A failure calls the stop off, unless it is forced or in haste. */
  async #save(isForced: boolean): Promise<boolean> {
    const parts = this.#parts
    try {
      await parts.save!()
      return true
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error)
      parts.log.error({error: message}, 'the savefile was not written')
      if (this.#isHasty || isForced) return false
      parts.release(false)
      parts.stay?.()
      await parts.listenAgain().catch((again: unknown) => {
        parts.log.error({error: String(again)}, 'new clients cannot connect any more')
      })
      throw new KvError(
        'E_SAVEFILE',
        `not stopped, because the savefile was not written: ${message}`,
        'mend that and stop again; a second signal while it stops gives the data up',
      )
    }
  }

  /** Until nothing new has come for a moment, or it never ends. */
  async #untilQuiet(): Promise<void> {
    let seen = -1
    for (let waited = 0; waited < ARRIVED_MS && seen !== this.#parts.arrivalCount(); waited += QUIET_MS) {
      seen = this.#parts.arrivalCount()
      await this.#until(() => false, QUIET_MS)
    }
  }

  async #until(isDone: () => boolean, limitMs: number): Promise<void> {
    for (let waited = 0; waited < limitMs && !isDone() && !this.#isHasty; waited += POLL_MS) await sleep(POLL_MS)
    // In haste sockets that were cut still need a turn to say so.
    if (this.#isHasty) await sleep(POLL_MS)
  }
}
