/**
 * The commands of a page of the manual, run as a person would who types them one after the other: what serves goes on in the background, everything
 * else must end with exit code 0. Only ports are others (those of the page may be taken), and paths: the page's `./` is a folder of the test's own.
 */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {rawConnection} from '../support/raw-connection.ts'
import {run, startChild, type Child} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {waitFor} from '../support/wait.ts'

/** Serve until they are stopped. */
const SERVING = /^kv (node|log) start\b/
/** Show something until Ctrl-C. */
const ENDLESS = /^kv (log tail .*-f|top|repl)\b/
const PORT = /\b7[34]\d\d\b/g
const COMMAND_TIMEOUT_MS = 120_000

export interface Block {
  readonly line: number
  readonly commands: readonly string[]
}

/** Blocks of commands in this language (`` for those that name none), with continuation lines put together. */
export function blocksOf(path: string, language: string): Block[] {
  const blocks: Block[] = []
  let open: {line: number; language: string; lines: string[]} | undefined
  for (const [index, text] of readFileSync(REPO_ROOT + path, 'utf8')
    .split('\n')
    .entries()) {
    if (!text.startsWith('```')) open?.lines.push(text)
    else if (!open) open = {line: index + 1, language: text.slice(3), lines: []}
    else {
      const commands = open.lines.map(commandOf).filter((command) => command !== '')
      if (open.language === language) blocks.push({line: open.line, commands})
      open = undefined
    }
  }
  return blocks
}

/** As it would be typed with kv on the PATH; without a remark at its end. */
function commandOf(line: string): string {
  return line
    .replace(/\s{2,}#.*$/, '')
    .replace(/^#.*$/, '')
    .replaceAll('./bin/kv', 'kv')
    .trim()
}

export class Typist {
  readonly #folder: string
  readonly #ports = new Map<string, number>()
  readonly #serving: Child[] = []

  constructor(folder: string) {
    this.#folder = folder
  }

  /** Runs one line; throws what it printed if it does not do what it should. */
  async type(line: string): Promise<void> {
    const text = await this.#withOurPorts(line)
    if (SERVING.test(line)) return this.#serve(text)
    if (ENDLESS.test(line)) return this.#look(text)
    const {exit, stdout, stderr} = await run('bash', ['-c', text], {...this.#where, timeoutMs: COMMAND_TIMEOUT_MS})
    if (exit !== 0) throw new Error(`"${line}" ended with ${exit}:\n${stdout}${stderr}`)
  }

  async end(): Promise<void> {
    await Promise.all(this.#serving.map((child) => child.stop(1)))
  }

  get #where(): {cwd: string; env: Record<string, string>} {
    const path = `${join(REPO_ROOT, 'bin')}:${process.env['PATH'] ?? ''}`
    // Without --node the page means the port that everybody knows.
    const node = `127.0.0.1:${this.#ports.get('7379') ?? 7379}`
    return {cwd: this.#folder, env: {PATH: path, KV_NODE: node, KV_COMMAND: 'kv', TERM: 'dumb'}}
  }

  async #withOurPorts(line: string): Promise<string> {
    for (const port of line.match(PORT) ?? []) if (!this.#ports.has(port)) this.#ports.set(port, await freePort())
    return line.replace(PORT, (port) => String(this.#ports.get(port)))
  }

  async #serve(text: string): Promise<void> {
    const words = text.includes('--port') ? text : `${text} --port ${await this.#withOurPorts('7379')}`
    const port = Number(/--port (\d+)/.exec(words)![1])
    const child = startChild('bash', ['-c', `exec ${words} --log-level warn`], this.#where)
    this.#serving.push(child)
    await waitFor(`"${text}" serves`, () => {
      if (child.process.exitCode !== null) throw new Error(`"${text}" ended:\n${child.stdout()}${child.stderr()}`)
      return rawConnection(port).then(
        (connection) => {
          connection.close()
          return true
        },
        () => undefined,
      )
    })
  }

  /** It must show something, and end when it is told to. */
  async #look(text: string): Promise<void> {
    const child = startChild('bash', ['-c', `exec ${text}`], this.#where)
    await waitFor(`"${text}" shows something`, () => {
      if (child.process.exitCode !== null && child.process.exitCode !== 0)
        throw new Error(`"${text}" ended:\n${child.stdout()}${child.stderr()}`)
      return child.stdout() !== '' || child.process.exitCode === 0 || undefined
    })
    await child.stop()
  }
}
