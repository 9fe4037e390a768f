/** One place of a cluster of kv processes: a node that is started, stopped, killed and paused there, always at the same address. */
import {mkdirSync, rmSync} from 'node:fs'
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {formatAddress, type Address} from '../../base/address.ts'
import {KvError} from '../../errors.ts'
import {launcher, type Processes, type Running} from './processes.ts'
import type {NodeEvent} from '../../cli/run-node.ts'
import type {Place} from '../driver.ts'

const HOST = '127.0.0.1'
const RETRY_MS = 200
/** A node that cannot come up for so long is given up. */
const START_TIMEOUT_MS = 180_000

export interface KvPlaceOptions {
  readonly name: string
  /** 'log': the data-log node. */
  readonly role: 'data' | 'log'
  /** Not started at the beginning. */
  readonly isSpare: boolean
  readonly port: number
  readonly peerPort: number
  /** Of the run; the place has its own beneath. */
  readonly folder: string
  readonly replicas: number
  readonly env: Readonly<Record<string, string>>
  /** Monotonic ms. */
  now(): number
  /** The process ended though nobody asked it to. */
  crashed(place: KvPlace, how: string): void
}

export class KvPlace implements Place {
  readonly name: string
  readonly role: 'data' | 'log'
  readonly isSpare: boolean
  readonly address: Address
  readonly peerAddress: Address
  readonly dataDir: string
  state: Place['state'] = 'off'
  /** Of the node that is, or was, there last. */
  nodeId = ''
  /** A fault is being done to its process. */
  isBusy = false
  /** When it came up, or was disturbed last; monotonic ms. */
  disturbedMs = 0
  readonly #options: KvPlaceOptions
  readonly #processes: Processes
  #running: Running | null = null
  #isEndAsked = false

  constructor(options: KvPlaceOptions, processes: Processes) {
    this.#options = options
    this.#processes = processes
    this.name = options.name
    this.role = options.role
    this.isSpare = options.isSpare
    this.address = {host: HOST, port: options.port}
    this.peerAddress = {host: HOST, port: options.peerPort}
    this.dataDir = join(options.folder, options.name)
  }

  get pid(): number | null {
    return this.#running && this.#running.exit === null ? this.#running.pid : null
  }

  /**
   * Starts a process and resolves when it serves, or is at least let in. `findOthers`: where nodes of its cluster are now; none: it founds one, or returns
   * alone. One that is not let in is started again. Errors: what the node said, E_TIMEOUT, E_INTERRUPTED.
   */
  async start(findOthers: () => readonly Address[]): Promise<void> {
    const until = this.#options.now() + START_TIMEOUT_MS
    this.state = 'starting'
    for (;;) {
      const problem = await this.#startOnce(findOthers())
      if (problem === null) return
      const isPassing = problem.code === 'E_JOIN' || problem.code === 'E_PORT_IN_USE'
      if (!isPassing || this.#options.now() > until) {
        this.state = 'down'
        throw new KvError(problem.code === 'E_JOIN' ? 'E_TIMEOUT' : 'E_INTERNAL', `${this.name}: ${problem.message}`)
      }
      await sleep(RETRY_MS)
    }
  }

  async #startOnce(others: readonly Address[]): Promise<{readonly code: string; readonly message: string} | null> {
    mkdirSync(this.dataDir, {recursive: true})
    const launch = {name: this.name, command: process.execPath, args: [launcher(), ...this.#args(others)]}
    const running = this.#processes.start({...launch, env: this.#options.env, hasChannel: true})
    this.#running = running
    this.#isEndAsked = false
    void running.exited.then(() => this.#ended(running))
    const said = await running.line(firstEvent)
    if (said === undefined) {
      const see = this.#processes.logFile(this.name)
      return {code: '', message: `ended before it was ready (code ${running.exit?.code ?? 'none'}); see ${see}`}
    }
    if ('error' in said) {
      await running.exited
      return said.error
    }
    this.nodeId = said.nodeId
    this.disturbedMs = this.#options.now()
    this.state = 'up'
    return null
  }

  #args(others: readonly Address[]): string[] {
    const {role, port, peerPort, replicas} = this.#options
    const {dataDir} = this
    const own =
      role === 'log'
        ? ['log', 'start', '--dir', dataDir, '--log-ack', 'sync']
        : ['node', 'start', '--data-dir', dataDir, '--save-file', this.saveFile, '--replicas', String(replicas)]
    const joining = others.length > 0 ? ['--join', others.map(formatAddress).join(',')] : []
    const ports = ['--host', HOST, '--port', String(port), '--peer-port', String(peerPort)]
    return [...own, ...ports, ...joining, '--log-level', 'info', '--json', '--stop-with-parent']
  }

  get saveFile(): string {
    return join(this.dataDir, 'kv.save')
  }

  /** SIGTERM, and waits for the end; resolves to the exit code, null if it was killed meanwhile. */
  async stop(): Promise<number | null> {
    this.beginStop()
    return this.exited()
  }

  /** SIGTERM. */
  beginStop(): void {
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
    if (this.#isEndAsked || wasStarting) return
    const {code, signal} = running.exit!
    this.#options.crashed(this, signal === null ? `with exit code ${code ?? 'none'}` : `by ${signal}`)
  }
}

type Started = NodeEvent & {readonly event: 'started'}
type Failed = {readonly error: {readonly code: string; readonly message: string}}

/** The line that says that it serves, or why it does not. */
function firstEvent(line: string): Started | Failed | undefined {
  let said: Partial<Started> & Partial<Failed>
  try {
    said = JSON.parse(line) as typeof said
  } catch {
    return undefined
  }
  if (said.error) return {error: said.error}
  return said.event === 'started' ? (said as Started) : undefined
}
