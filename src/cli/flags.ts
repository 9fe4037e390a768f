/**
 * Flags that more than one command has. Amounts stay the text that was typed until `amountOf` reads them: so `--help`
 * shows their defaults as a person would type them (`10s`, `512mb`).
 */
import {Flags} from '@oclif/core'
import {DEFAULT_PORT} from '../constants.ts'
import {KvError} from '../errors.ts'
import {parseBytes, parseCount, parseDurationMs} from './units.ts'

const AMOUNTS = {
  bytes: {parse: parseBytes, what: 'a size', example: '512mb or 2gb'},
  count: {parse: parseCount, what: 'a number', example: '1000 or 100k'},
  milliseconds: {parse: parseDurationMs, what: 'a time', example: '5s or 250ms'},
} as const

/** Reads the amount typed for a flag, in the unit that is asked for. Errors: E_USAGE. */
export function amountOf(unit: keyof typeof AMOUNTS, flag: string, text: string): number {
  const {parse, what, example} = AMOUNTS[unit]
  const value = parse(text)
  if (value !== undefined) return value
  throw new KvError('E_USAGE', `--${flag} wants ${what} such as ${example}, not "${text}".`)
}

/** How a command reaches the cluster: any node will do. */
export const connectFlags = {
  node: Flags.string({
    char: 'n',
    env: 'KV_NODE',
    default: `127.0.0.1:${DEFAULT_PORT}`,
    helpValue: 'host:port',
    description: 'Any node of the cluster.',
  }),
  context: Flags.string({
    env: 'KV_CONTEXT',
    helpValue: 'name',
    description: 'Named cluster to ask if no node is named (kv context list).',
  }),
  'password-file': Flags.string({
    helpValue: 'file',
    description: 'File that holds the password (first line). KV_PASSWORD does the same.',
  }),
}
