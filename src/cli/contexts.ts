/**
 * Contexts: names for clusters, so that nobody types addresses. They are kept in one file of the user's, readable by nobody else. Passwords are
 * not in it, only the names of the files that hold them.
 *
 * Which node a command asks: --node, --context, KV_NODE, KV_CONTEXT, the current context, 127.0.0.1:7379: what is typed goes before what is set.
 */
import {chmodSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs'
import {homedir} from 'node:os'
import {dirname, join, resolve} from 'node:path'
import {KvError} from '../errors.ts'
import {nodeAddresses} from './addresses.ts'
import {shellQuote} from './shell.ts'

const VERSION = 1
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

export interface Context {
  /** As `--node` takes it. */
  readonly node: string
  /** Absolute. */
  readonly passwordFile?: string
}

export interface Contexts {
  readonly current: string | null
  readonly byName: ReadonlyMap<string, Context>
}

type Env = Readonly<Record<string, string | undefined>>

export function contextsPath(env: Env = process.env): string {
  return join(env['XDG_CONFIG_HOME'] || join(homedir(), '.config'), 'kv', 'contexts.json')
}

/** None, if the file is not there. Errors: E_CONTEXT if it cannot be read, or is none of ours. */
export function readContexts(path = contextsPath()): Contexts {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    if (code === 'ENOENT') return {current: null, byName: new Map()}
    throw new KvError(
      'E_CONTEXT',
      `The contexts in ${path} cannot be read (${code}).`,
      `Look at it with: ls -l ${shellQuote(path)}`,
    )
  }
  const contexts = parseContexts(text)
  if (contexts) return contexts
  const quoted = shellQuote(path)
  throw new KvError(
    'E_CONTEXT',
    `${path} is damaged: it holds no contexts.`,
    `Mend it, or begin anew: mv ${quoted} ${shellQuote(`${path}.damaged`)}`,
  )
}

function parseContexts(text: string): Contexts | null {
  try {
    const value = JSON.parse(text) as {version?: unknown; current?: unknown; contexts?: unknown} | null
    const {version, current, contexts} = value ?? {}
    if (version !== VERSION || typeof contexts !== 'object' || contexts === null || Array.isArray(contexts)) return null
    const entries = Object.entries(contexts as Readonly<Record<string, Context | null>>)
    const isWhole = entries.every(
      ([, one]) => typeof one?.node === 'string' && ['string', 'undefined'].includes(typeof one.passwordFile),
    )
    if (!isWhole || (current !== null && typeof current !== 'string')) return null
    return {current, byName: new Map(entries as [string, Context][])}
  } catch {
    return null
  }
}

/** In one step: whoever reads meanwhile sees the old file or the new one. Errors: E_CONTEXT. */
function writeContexts({current, byName}: Contexts, path = contextsPath()): void {
  const contexts = Object.fromEntries([...byName].sort(([a], [b]) => a.localeCompare(b)))
  const temporary = `${path}.${process.pid}.tmp`
  try {
    mkdirSync(dirname(path), {recursive: true, mode: 0o700})
    writeFileSync(temporary, `${JSON.stringify({version: VERSION, current, contexts}, null, 2)}\n`, {mode: 0o600})
    chmodSync(temporary, 0o600)
    renameSync(temporary, path)
  } catch (error) {
    rmSync(temporary, {force: true})
    const {code} = error as NodeJS.ErrnoException
    throw new KvError(
      'E_CONTEXT',
      `The contexts in ${path} cannot be written (${code}).`,
      'Set XDG_CONFIG_HOME to a folder that you may write.',
    )
  }
}

/** The first one becomes the current one. Errors: E_USAGE for a name or an address that is none, E_CONTEXT. */
export function addContext(name: string, {node, passwordFile}: Context): Contexts {
  if (!NAME.test(name)) {
    throw new KvError(
      'E_USAGE',
      `"${name}" is no name for a context.`,
      'Use letters, digits, and . _ - behind the first.',
    )
  }
  if (nodeAddresses(node).length === 0) throw new KvError('E_USAGE', 'No node is named.', 'Write --node host:port.')
  const {current, byName} = readContexts()
  const context = {node, ...(passwordFile !== undefined && {passwordFile: resolve(passwordFile)})}
  const next = {current: current ?? name, byName: new Map(byName).set(name, context)}
  writeContexts(next)
  return next
}

/** Errors: E_NOT_FOUND, E_CONTEXT. */
export function useContext(name: string): Context {
  const contexts = readContexts()
  const context = requireContext(contexts, name)
  writeContexts({...contexts, current: name})
  return context
}

/** Without it, if it was the current one, no context is. Errors: E_NOT_FOUND, E_CONTEXT. */
export function removeContext(name: string): Contexts {
  const contexts = readContexts()
  requireContext(contexts, name)
  const byName = new Map(contexts.byName)
  byName.delete(name)
  const next = {current: contexts.current === name ? null : contexts.current, byName}
  writeContexts(next)
  return next
}

function requireContext({byName}: Contexts, name: string): Context {
  const context = byName.get(name)
  if (context) return context
  const names = [...byName.keys()].join(', ')
  const hint =
    byName.size === 0
      ? `Make it: \`kv context add ${NAME.test(name) ? name : 'NAME'} --node host:port\`.`
      : `There are: ${names}.`
  throw new KvError('E_NOT_FOUND', `There is no context "${name}".`, hint)
}

/** The context that decides where no node is named: the one of this name, else the current one; null: none. Errors: E_NOT_FOUND, E_CONTEXT. */
export function chosenContext(name: string | undefined): Context | null {
  const contexts = readContexts()
  if (name !== undefined && name !== '') return requireContext(contexts, name)
  return contexts.current === null ? null : requireContext(contexts, contexts.current)
}
