/**
 * What was typed in earlier sessions: a file of the user's own (mode 600), newest first as node:repl keeps it. Lines with
 * passwords are never among them.
 */
import {accessSync, chmodSync, closeSync, constants, mkdirSync, openSync} from 'node:fs'
import {homedir} from 'node:os'
import {dirname, join} from 'node:path'
import {describeErrno} from '../disk/durable-file.ts'

/** `KV_HISTORY` names another one; empty: none is kept. */
export function historyPath(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const named = env['KV_HISTORY']
  if (named !== undefined) return named === '' ? undefined : named
  const state = env['XDG_STATE_HOME'] || join(homedir(), '.local', 'state')
  return join(state, 'kv', 'history')
}

/** Makes it readable and writable for its owner alone. Returns why it cannot be used, or undefined. */
export function prepareHistory(path: string): string | undefined {
  try {
    mkdirSync(dirname(path), {recursive: true, mode: 0o700})
    closeSync(openSync(path, 'a', 0o600))
    chmodSync(path, 0o600)
    accessSync(path, constants.R_OK | constants.W_OK)
    return undefined
  } catch (error) {
    return `The history ${path} cannot be used: ${describeErrno(error)}.`
  }
}

/** A line that must not be kept: it has, or may have, a password in it. */
export function isSecret(line: string): boolean {
  return /^\s*(kv\s+)?("?auth"?\b|hello\b.*\bauth\b|config\s+set\b.*\b(requirepass|masterauth)\b|acl\s+setuser\b|migrate\b.*\bauth2?\b)/i.test(
    line,
  )
}
