/**
 * The one shutdown event. Whatever asks for the end (a signal, SHUTDOWN, `stop()`), it fires once; the parts then end in order,
 * each in its own time:
 *
 *   refuse new clients -> hold new requests, finish those under way -> save -> close clients -> statistics -> lock
 *
 * A save that fails calls the stop off: the node opens up again and loses nothing. A second request means haste: nothing
 * more is waited for or saved, and the reason says what was lost.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {KvError} from '../errors.ts'
import type {ShutdownOptions} from '../core/host.ts'
import type {NodeLog} from './log.ts'
import type {NodeExit} from './options.ts'

/** How long jobs under way, and then clients that have not read their replies, are waited for. */
const DRAIN_MS = 10_000
const CLOSE_MS = 2_000
const POLL_MS = 5

export interface ShutdownParts {
  readonly log: NodeLog
  stopListening(): void
  listenAgain(): Promise<void>
  /** Data commands wait from now on (or no more). */
  hold(): void
  release(): void
  /** Requests that were taken and are not answered yet. */
  busyCount(): number
  /** Writes the savefile; absent if none was asked for. */
  readonly save: (() => Promise<void>) | null
  cancelSave(): void
  keyCount(): number
  /** Ends each connection when its replies are sent; `isNow` cuts them. */
  closeClients(isNow: boolean): void
  clientCount(): number
  /** Statistics stop, locks are given back: the last things. */
  finish(): Promise<void>
}

export class Shutdown {
  readonly #parts: ShutdownParts
  readonly stopped: Promise<NodeExit>
  #settle!: (exit: NodeExit) => void
  #running: Promise<NodeExit> | null = null
  #isHasty = false

  constructor(parts: ShutdownParts) {
    this.#parts = parts
    this.stopped = new Promise((resolve) => {
      this.#settle = resolve
    })
  }

  /** Fires the event, or, if it was fired already, asks for haste. Rejects if the save fails and the node goes on. */
  async stop(
    cause: string,
    options: ShutdownOptions = {mode: 'default', isNow: false, isForced: false},
  ): Promise<NodeExit> {
    if (this.#running) {
      this.#makeHaste(cause)
      return this.#running
    }
    this.#parts.log.info({cause}, 'shutting down')
    this.#running = this.#run(cause, options)
    try {
      return await this.#running
    } catch (error) {
      this.#running = null
      throw error
    }
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
    parts.stopListening()
    parts.hold()
    if (!options.isNow) await this.#until(() => parts.busyCount() === 0, DRAIN_MS)
    const keys = parts.keyCount()
    const wantsSave = options.mode !== 'nosave' && parts.save !== null
    const isSaved = wantsSave && !this.#isHasty && (await this.#save(options.isForced))
    parts.closeClients(this.#isHasty)
    await this.#until(() => parts.clientCount() === 0, CLOSE_MS)
    parts.closeClients(true)
    await this.#until(() => parts.clientCount() === 0, CLOSE_MS)
    await parts.finish()
    const lost = isSaved || keys === 0 ? '' : `; ${keys} keys were not saved and are gone`
    const exit = {exitCode: wantsSave && !isSaved && keys > 0 ? 1 : 0, reason: `${cause}${lost}`}
    parts.log.info({cause, keys, saved: isSaved}, 'stopped')
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
      await parts.listenAgain()
      parts.release()
      throw new KvError(
        'E_SAVEFILE',
        `not stopped, because the savefile was not written: ${message}`,
        'mend that and stop again; a second signal while it stops gives the data up',
      )
    }
  }

  async #until(isDone: () => boolean, limitMs: number): Promise<void> {
    for (let waited = 0; waited < limitMs && !isDone() && !this.#isHasty; waited += POLL_MS) await sleep(POLL_MS)
    // In haste sockets that were cut still need a turn to say so.
    if (this.#isHasty) await sleep(POLL_MS)
  }
}
