/** Where the output of one command of the console goes: the screen, a file, or the standard input of a program. */
import {spawn, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {closeSync, openSync, writeSync} from 'node:fs'
import {describeErrno} from '../disk/durable-file.ts'
import {KvError} from '../errors.ts'
import type {Destination} from './words.ts'

export interface Output {
  /** A person looks at it. */
  readonly isScreen: boolean
  /** For the standard output of a child process. */
  readonly stdio: 'inherit' | 'pipe' | number
  write(data: string | Buffer): Promise<void>
  /** Everything is there. Resolves to false if the program at the other end failed. */
  end(): Promise<boolean>
}

/** Opens it before the command runs. Errors: E_USAGE if the file cannot be written. */
export function openOutput(to: Destination, isTerminal: boolean): Output {
  if (to.kind === 'file') return new FileOutput(to.path, to.isAppended)
  return to.kind === 'program' ? new ProgramOutput(to.command) : new ScreenOutput(isTerminal)
}

class ScreenOutput implements Output {
  readonly isScreen: boolean
  readonly stdio = 'inherit'

  constructor(isTerminal: boolean) {
    this.isScreen = isTerminal
  }

  async write(data: string | Buffer): Promise<void> {
    // A reader that is slow makes us wait instead of filling memory.
    if (process.stdout.writable && !process.stdout.write(data)) await nextTurnOf(process.stdout)
  }

  async end(): Promise<boolean> {
    return true
  }
}

/** It takes more, or nobody reads it any more. */
function nextTurnOf(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    const over = (): void => {
      for (const event of ['drain', 'close', 'error']) stream.off(event, over)
      resolve()
    }
    for (const event of ['drain', 'close', 'error']) stream.on(event, over)
  })
}

class FileOutput implements Output {
  readonly isScreen = false
  readonly stdio: number
  readonly #path: string

  constructor(path: string, isAppended: boolean) {
    this.#path = path
    try {
      this.stdio = openSync(path, isAppended ? 'a' : 'w')
    } catch (error) {
      throw fileError(path, error)
    }
  }

  async write(data: string | Buffer): Promise<void> {
    const bytes = Buffer.from(data)
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(this.stdio, bytes, at)
    } catch (error) {
      throw fileError(this.#path, error)
    }
  }

  async end(): Promise<boolean> {
    closeSync(this.stdio)
    return true
  }
}

function fileError(path: string, error: unknown): KvError {
  return new KvError('E_USAGE', `${path} cannot be written: ${describeErrno(error)}.`)
}

class ProgramOutput implements Output {
  readonly isScreen = false
  readonly stdio = 'pipe'
  readonly #child: ChildProcess
  readonly #exited: Promise<boolean>

  constructor(command: string) {
    this.#child = spawn('sh', ['-c', command], {stdio: ['pipe', 'inherit', 'inherit']})
    this.#exited = new Promise((resolve) => {
      this.#child.once('error', () => resolve(false))
      this.#child.once('exit', (code) => resolve(code === 0))
    })
    // It has read enough: `| head -1`.
    this.#child.stdin!.on('error', () => undefined)
  }

  async write(data: string | Buffer): Promise<void> {
    const input = this.#child.stdin!
    if (!input.writable || input.write(data)) return
    await Promise.race([once(input, 'drain'), this.#exited])
  }

  async end(): Promise<boolean> {
    this.#child.stdin!.end()
    return this.#exited
  }
}
