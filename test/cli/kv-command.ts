/** `./bin/kv` as a user runs it: from a shell, with or without a terminal. */
import {startChild, type Child, type ChildOptions, run, type Finished} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'

/** Nothing of the test runner's own environment decides what kv prints. */
const CLEAN = {
  KV_NODE: '',
  KV_CONTEXT: '',
  XDG_CONFIG_HOME: '/nonexistent',
  KV_PASSWORD: '',
  NO_COLOR: '',
  TERM: 'xterm',
  NODE_ENV: '',
  KV_COMMAND: '',
}

export function kv(args: readonly string[], options: ChildOptions = {}): Promise<Finished> {
  return run('./bin/kv', args, {...options, cwd: REPO_ROOT, env: {...CLEAN, ...options.env}})
}

export function startKv(args: readonly string[], options: ChildOptions = {}): Child {
  return startChild('./bin/kv', args, {...options, cwd: REPO_ROOT, env: {...CLEAN, ...options.env}})
}

/** The same on a pseudo-terminal: stdin, stdout and stderr are one, and come back as stdout. */
export function kvOnTerminal(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return shell(`script -qec ${quote(['./bin/kv', ...args].map(quote).join(' '))} /dev/null`, env)
}

/** A line for `sh`, in the folder of the checkout. */
export function shell(line: string, env: Readonly<Record<string, string>> = {}): Promise<Finished> {
  return run('bash', ['-c', line], {cwd: REPO_ROOT, env: {...CLEAN, ...env}})
}

function quote(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`
}

/** True if the text moves the cursor or changes colour. */
export function hasEscapes(text: string): boolean {
  return text.includes('\u001b')
}
