/** A program on a real terminal: tmux runs it, types what it is told to, and says what is on the screen. One server for each, gone with the test. */
import {execFileSync} from 'node:child_process'
import {randomBytes} from 'node:crypto'
import {onTestFinished} from 'vitest'
import {waitFor} from './wait.ts'
import {REPO_ROOT} from './kv.ts'

const EXIT = /^\[exit (\d+)\]$/m

export interface Screen {
  /** Types text as it is. */
  type(text: string): void
  /** Presses keys by tmux' names: `Enter`, `Tab`, `C-c`, `Up`. */
  press(...keys: readonly string[]): void
  /** What is on the screen: lines without blanks at their ends, empty ones at the end left out. */
  lines(): string[]
  /** Waits until the screen, or what has scrolled off it, matches; returns it as one text. */
  until(pattern: RegExp): Promise<string>
  /** Waits until what is on the screen now matches; returns it. */
  shows(pattern: RegExp): Promise<string>
  /** Waits until the last line is exactly this. */
  untilLast(line: string | RegExp): Promise<void>
  resize(columns: number, rows: number): void
  /** The program's exit code once it has ended. */
  exitCode(): Promise<number>
}

export interface ScreenOptions {
  readonly columns?: number
  readonly rows?: number
  readonly env?: Readonly<Record<string, string>>
}

/** A shell, whose prompt is `ready:`, for what happens before and after a program. */
export function shellOnScreen(options: ScreenOptions): Screen {
  return onScreen(['sh'], {...options, env: {PS1: 'ready:', ...options.env}})
}

/** Starts a command with its arguments in the folder of the checkout. */
export function onScreen(command: readonly string[], {columns = 100, rows = 30, env = {}}: ScreenOptions = {}): Screen {
  const socket = `kv-test-${process.pid}-${randomBytes(4).toString('hex')}`
  const tmux = (...args: readonly string[]): string =>
    execFileSync('tmux', ['-L', socket, '-f', '/dev/null', ...args], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    })
  const variables = Object.entries({KV_NODE: '', KV_PASSWORD: '', NO_COLOR: '', KV_COMMAND: '', ...env})
  const line = ['env', ...variables.map(([name, value]) => `${name}=${value}`), ...command].map(quoted).join(' ')
  const size = ['-x', String(columns), '-y', String(rows)]
  // tmux sometimes forgets how a program ended; a shell around it does not. It outlives Ctrl-C, and keeps the last screen.
  const wrapped = `trap : INT; ${line}; echo "[exit $?]"; exec sleep 600`
  tmux('new-session', '-d', '-s', 't', ...size, '-c', REPO_ROOT, wrapped)
  onTestFinished(() => void tmux('kill-server'))
  const text = (): string => tmux('capture-pane', '-p', '-S', '-', '-t', 't')
  const lines = (): string[] => trimmed(tmux('capture-pane', '-p', '-t', 't'))
  const seen = (what: string, isThere: () => boolean): Promise<boolean> =>
    waitFor(what, isThere, {timeoutMs: 30_000, intervalMs: 50}).catch((error: unknown) => {
      throw new Error(`${String(error)}\n--- the screen:\n${lines().join('\n')}`)
    })
  return {
    type: (typed) => void tmux('send-keys', '-t', 't', '-l', typed),
    press: (...keys) => void tmux('send-keys', '-t', 't', ...keys),
    lines,
    until: async (pattern) => {
      await seen(String(pattern), () => pattern.test(text()))
      return text()
    },
    shows: async (pattern) => {
      const shown = (): string => tmux('capture-pane', '-p', '-t', 't')
      await seen(`the screen shows ${String(pattern)}`, () => pattern.test(shown()))
      return shown()
    },
    untilLast: async (wanted) => {
      const isWanted = (last: string): boolean => (typeof wanted === 'string' ? last === wanted : wanted.test(last))
      await seen(`the last line is ${String(wanted)}`, () => isWanted(lines().at(-1) ?? ''))
    },
    resize: (toColumns, toRows) => void tmux('resize-window', '-t', 't', '-x', String(toColumns), '-y', String(toRows)),
    exitCode: async () => {
      await seen('it has ended', () => EXIT.test(text()))
      return Number(EXIT.exec(text())![1])
    },
  }
}

function trimmed(screen: string): string[] {
  const lines = screen.split('\n').map((line) => line.trimEnd())
  while (lines.at(-1) === '') lines.pop()
  return lines
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}
