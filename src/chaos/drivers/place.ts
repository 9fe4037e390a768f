/**
 * One place of a cluster of processes: what is started, stopped, killed and paused there, always at the same address. How a process of its kind is started, and
 * when it is ready, its subclasses know.
 */
import {rmSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {KvError} from '../../errors.ts'
import type {Address} from '../../base/address.ts'
import type {Place} from '../driver.ts'
import type {Processes, Running} from './processes.ts'

const RETRY_MS = 200
/** A node that cannot come up for so long is given up. */
const START_TIMEOUT_MS = 90_000

export interface PlaceOptions {
  readonly name: string
  /** 'log': the data-log node. */
  readonly role: 'data' | 'log'
  /** Not started at the beginning. */
  readonly isSpare: boolean
  /** Where clients find it, and where its process listens, if that is not the same. */
  readonly port: number
  /** Of the run; the place has its own beneath. */
  readonly folder: string
  /** Monotonic ms. */
  now(): number
  /** The process ended though nobody asked it to. */
  crashed(place: ProcessPlace, how: string): void
}

/** Why a start did not succeed; one that is passing is tried again. */
export interface StartProblem {
  readonly message: string
  readonly isPassing: boolean
}

export abstract class ProcessPlace implements Place {
  readonly name: string
  readonly role: 'data' | 'log'
  readonly isSpare: boolean
  readonly address: Address
  readonly dataDir: string
  state: Place['state'] = 'off'
  /** Of the node that is, or was, there last. */
  nodeId = ''
  /** A fault is being done to its process. */
  isBusy = false
  /** When it came up, or was disturbed last; monotonic ms. */
  disturbedMs = 0
  readonly #options: PlaceOptions
  readonly processes: Processes
  #running: Running | null = null
  #isEndAsked = false

  constructor(options: PlaceOptions, processes: Processes) {
    this.#options = options
    this.processes = processes
    this.name = options.name
    this.role = options.role
    this.isSpare = options.isSpare
    this.address = {host: '127.0.0.1', port: options.port}
    this.dataDir = join(options.folder, options.name)
  }

  get pid(): number | null {
    return this.#running && this.#running.exit === null ? this.#running.pid : null
  }

  /** Starts a process. `others`: where nodes of its cluster are now. */
  protected abstract launch(others: readonly Address[]): Running
  /** Resolves when it serves, to null, or to what went wrong; it has ended then, or is ended. */
  protected abstract ready(running: Running): Promise<StartProblem | null>

  /**
   * Starts a process and resolves when it serves, or is at least let in. `findOthers`: where nodes of its cluster are now; none: it founds one, or returns
   * alone. Where it may help it is started again. Errors: E_INTERNAL with what the node said, E_INTERRUPTED if the run ends.
   */
  async start(findOthers: () => readonly Address[]): Promise<void> {
    const until = this.#options.now() + START_TIMEOUT_MS
    this.state = 'starting'
    for (;;) {
      const problem = await this.#startOnce(findOthers())
      if (problem === null) return
      if (!problem.isPassing || this.#options.now() > until) {
        this.state = 'down'
        throw new KvError('E_INTERNAL', `${this.name}: ${problem.message}`)
      }
      await sleep(RETRY_MS)
    }
  }

  async #startOnce(others: readonly Address[]): Promise<StartProblem | null> {
    const running = this.launch(others)
    this.#running = running
    this.#isEndAsked = false
    void running.exited.then(() => this.#ended(running))
    const problem = await this.ready(running)
    if (problem) {
      running.signal('SIGKILL')
      await running.exited
      return problem
    }
    this.disturbedMs = this.#options.now()
    this.state = 'up'
    return null
  }

  /** What is said of one that ended, or did not get ready. */
  protected endedEarly(running: Running): StartProblem {
    const code = running.exit?.code ?? 'none'
    const message = `ended before it was ready (exit code ${code}); see ${this.processes.logFile(this.name)}`
    return {message, isPassing: false}
  }

  /** SIGTERM, and waits for the end; resolves to the exit code, null if it was killed meanwhile. */
  async stop(): Promise<number | null> {
    this.beginStop()
    return this.exited()
  }

  /** SIGTERM, once: a second one would ask for haste, and lose what the node has. */
  beginStop(): void {
    if (this.state === 'stopping') return
    this.state = 'stopping'
    this.#isEndAsked = true
    this.#running?.signal('SIGTERM')
  }

  /** Waits for the end of its process; resolves to the exit code, null if it was killed. */
  async exited(): Promise<number | null> {
    const exit = await this.#running?.exited
    return exit?.code ?? null
  }

  /** SIGKILL; when it resolves nothing of the process is left. */
  async kill(): Promise<void> {
    this.#isEndAsked = true
    this.#running?.signal('SIGKILL')
    await this.#running?.exited
    this.state = 'down'
  }

  pause(): void {
    this.state = 'paused'
    this.#running?.signal('SIGSTOP')
  }

  resume(): void {
    this.#running?.signal('SIGCONT')
    if (this.state === 'paused') this.state = 'up'
    this.disturbedMs = this.#options.now()
  }

  /** Empties its data dir: what starts there next is another node. Not while it runs. Errors: those of the disk. */
  wipe(): void {
    rmSync(this.dataDir, {recursive: true, force: true})
  }

  #ended(running: Running): void {
    if (this.#running !== running) return
    const wasStarting = this.state === 'starting'
    if (this.state !== 'off' && !wasStarting) this.state = 'down'
    if (this.#isEndAsked || wasStarting || this.processes.isOver) return
    const {code, signal} = running.exit!
    this.#options.crashed(this, signal === null ? `with exit code ${code ?? 'none'}` : `by ${signal}`)
  }
}
