/**
 * Load generators run in processes of their own, so that they and the one who measures do not hold each other up. A worker is a file that
 * calls `serve` with what it can be asked; `startWorker` starts it and asks. It ends with its parent, whatever happens to that.
 */
import {fork, type ChildProcess} from 'node:child_process'
import {once} from 'node:events'
import {join} from 'node:path'
import {nodeBinary} from '../../support/kv.ts'

interface Question {
  readonly id: number
  readonly name: string
}

/** The first message to a worker. */
interface Beginning {
  readonly options: unknown
}

interface Answer {
  readonly id: number
  readonly value?: unknown
  readonly error?: string
}

const running = new Set<ChildProcess>()
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

export interface Worker {
  readonly pid: number
  /** Errors: what the worker threw, or that it ended. */
  ask<T>(name: string): Promise<T>
  stop(): Promise<void>
}

/** `file`: beside this one; `options` are what its `serve` gets. */
export function startWorker(file: string, options: unknown): Worker {
  const child = fork(join(import.meta.dirname, file), {execPath: nodeBinary(), execArgv: []})
  running.add(child)
  const waiting = new Map<number, (answer: Answer) => void>()
  let lastId = 0
  // As a message: a command line is too short for a list of keys.
  child.send({options} satisfies Beginning)
  child.on('message', (message) => waiting.get((message as Answer).id)?.(message as Answer))
  child.once('exit', (code) => {
    running.delete(child)
    for (const [id, settle] of waiting) settle({id, error: `${file} ended with ${code ?? 'a signal'}`})
  })
  return {
    pid: child.pid!,
    async ask<T>(name: string): Promise<T> {
      const id = ++lastId
      const answered = new Promise<Answer>((resolve) => waiting.set(id, resolve))
      child.send({id, name} satisfies Question)
      const {value, error} = await answered
      waiting.delete(id)
      if (error !== undefined) throw new Error(error)
      return value as T
    },
    async stop() {
      if (!running.has(child)) return
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** The worker's side: answers questions until its parent is gone. `make` gets the options and gives what it can be asked. */
export function serve<O>(make: (options: O) => Readonly<Record<string, () => unknown>>): void {
  process.once('message', (beginning) => {
    const handlers = make((beginning as Beginning).options as O)
    const answer = async ({id, name}: Question): Promise<void> => {
      try {
        process.send!({id, value: await handlers[name]!()} satisfies Answer)
      } catch (error) {
        process.send!({id, error: String(error)} satisfies Answer)
      }
    }
    process.on('message', (question) => void answer(question as Question))
  })
  process.on('disconnect', () => process.exit())
}
