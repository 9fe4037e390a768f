/**
 * The processes that a driver starts. Each runs in a process group of its own, so that Ctrl-C in a terminal reaches the tester alone, writes to a log file in
 * the run's folder, and is known to the run's guardian: whatever happens to the tester, none of them survives it.
 */
import {spawn, type ChildProcess} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {once} from 'node:events'
import {closeSync, existsSync, mkdirSync, openSync} from 'node:fs'
import {createInterface} from 'node:readline'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'
import {KvError} from '../../errors.ts'
import {endProcess, forgetPlace, notePlace, processesOf, runVariable} from './leftovers.ts'

const TOKEN_BYTES = 12
const END_POLL_MS = 10

/** `bin/run.js` of this very program, whether it runs from src or from dist. */
export function launcher(): string {
  for (const up of ['../../../', '../../../../']) {
    const path = fileURLToPath(new URL(`${up}bin/run.js`, import.meta.url))
    if (existsSync(path)) return path
  }
  throw new KvError('E_INTERNAL', 'The launcher of kv, bin/run.js, is not where it belongs.')
}

export interface Launch {
  /** Of the place: names its files. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** It understands Node's channel to its parent, and stops when that closes. */
  readonly hasChannel?: boolean
}

export interface Exit {
  /** Null: a signal ended it. */
  readonly code: number | null
  readonly signal: string | null
}

/** One process, from its start to its end. */
export class Running {
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  /** Null while it runs. */
  exit: Exit | null = null
  readonly #lines: string[] = []
  #onLine: (() => void) | null = null

  constructor(child: ChildProcess, ended: () => void) {
    this.child = child
    // Every line is taken, so that the pipe never fills; only the first ones are kept.
    createInterface({input: child.stdout!}).on('line', (line) => {
      if (this.#lines.length < 100) this.#lines.push(line)
      this.#onLine?.()
    })
    this.exited = new Promise((resolve) => {
      const finish = (exit: Exit): void => {
        if (this.exit) return
        this.exit = exit
        ended()
        this.#onLine?.()
        resolve(exit)
      }
      child.once('error', () => finish({code: 1, signal: null}))
      child.once('exit', (code, signal) => finish({code, signal}))
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** One that has ended, or could not be started, is left alone. */
  signal(name: NodeJS.Signals): void {
    if (this.exit === null && this.pid > 0) this.child.kill(name)
  }

  /** The first line on stdout that `find` makes something of; undefined if it ends without one. */
  async line<T>(find: (line: string) => T | undefined): Promise<T | undefined> {
    for (let i = 0; ;) {
      while (i < this.#lines.length) {
        const found = find(this.#lines[i++]!)
        if (found !== undefined) return found
      }
      if (this.exit) return undefined
      await new Promise<void>((resolve) => (this.#onLine = resolve))
    }
  }
}

/** All processes of one run. */
export class Processes {
  readonly token = randomBytes(TOKEN_BYTES).toString('hex')
  readonly #folder: string
  readonly #running = new Set<Running>()
  #guardian: ChildProcess | null = null
  #isOver = false

  /** `folder`: of the run, made if missing. */
  constructor(folder: string) {
    this.#folder = folder
  }

  /** Starts the guardian. Before anything else is started. Errors: E_INTERNAL, those of the disk. */
  async begin(): Promise<void> {
    mkdirSync(this.#folder, {recursive: true})
    const file = import.meta.url.endsWith('.ts') ? './guardian.ts' : './guardian.js'
    const args = [fileURLToPath(new URL(file, import.meta.url)), this.token]
    const guardian = spawn(process.execPath, args, {detached: true, stdio: ['pipe', 'pipe', 'ignore']})
    this.#guardian = guardian
    guardian.stdin.on('error', () => undefined)
    const isReady = once(guardian.stdout, 'data').then(() => true)
    const isGone = once(guardian, 'exit').then(() => false)
    if (!(await Promise.race([isReady, isGone]))) {
      throw new KvError('E_INTERNAL', 'The process that watches over the nodes could not be started.')
    }
    // It ends after us, so it must not keep us from ending.
    guardian.unref()
    for (const pipe of [guardian.stdin, guardian.stdout]) (pipe as unknown as {unref?(): void}).unref?.()
  }

  /** Errors: those of the disk. A program that cannot be started ends at once with code 1. */
  start({name, command, args, env, hasChannel}: Launch): Running {
    if (this.#isOver) throw new KvError('E_INTERRUPTED', `${name} is not started any more: the run is over.`)
    notePlace(this.#folder, name, this.token)
    const log = openSync(this.logFile(name), 'a')
    try {
      const child = spawn(command, args, {
        detached: true,
        env: {...process.env, ...env, ...runVariable(this.token, name)},
        stdio: ['ignore', 'pipe', log, ...(hasChannel ? (['ipc'] as const) : [])],
      })
      const running = new Running(child, () => {
        this.#running.delete(running)
        forgetPlace(this.#folder, name)
      })
      this.#running.add(running)
      return running
    } finally {
      closeSync(log)
    }
  }

  /** Everything is being ended. */
  get isOver(): boolean {
    return this.#isOver
  }

  /** Where a place's processes write what they have to say. */
  logFile(name: string): string {
    return join(this.#folder, `${name}.log`)
  }

  /** Stops all where they are. */
  freeze(): void {
    for (const running of this.#running) running.signal('SIGSTOP')
  }

  /** Kills all, and waits until they are gone; nothing can be started any more. */
  async end(): Promise<void> {
    this.#isOver = true
    for (const running of this.#running) running.signal('SIGKILL')
    await Promise.all([...this.#running].map(({exited}) => exited))
    for (let left = processesOf(this.token); left.length > 0; left = processesOf(this.token)) {
      for (const {pid} of left) endProcess(pid)
      await new Promise((resolve) => setTimeout(resolve, END_POLL_MS))
    }
    this.#guardian?.stdin?.end()
    this.#guardian = null
  }
}
