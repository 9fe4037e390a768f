/**
 * Every error that leaves the CLI passes here and becomes one line for a person (what happened, why, what to type
 * next), or one object under `--json`, and an exit code. oclif's own errors are turned into ours, so that a mistyped
 * flag and a dead node look alike.
 */
import {EXIT, KvError, type ErrorCode} from '../errors.ts'
import {personalHint} from './shell.ts'
import {nearest} from './suggest.ts'

export interface Failure {
  readonly code: ErrorCode
  readonly exitCode: number
  readonly message: string
  readonly hint: string | undefined
}

/** The shape of errors that oclif's parser throws, as far as we look at it. */
interface ParserError extends Error {
  readonly oclif?: {readonly exit?: number}
  readonly flags?: readonly string[]
  readonly args?: readonly (string | {readonly name?: string})[]
  readonly parse?: {readonly input?: {readonly flags?: Readonly<Record<string, unknown>>}}
}

/** What a command was called, for "see ... --help". */
export interface Where {
  readonly commandId: string | undefined
}

export function toFailure(error: unknown, where: Where): Failure {
  if (error instanceof KvError) {
    return {
      code: error.code,
      exitCode: error.exitCode,
      message: plain(error.message),
      hint: error.hint && personalHint(error.hint),
    }
  }
  if (isParserError(error)) return usageFailure(error, where)
  const {message, stack} = error instanceof Error ? error : {message: String(error), stack: undefined}
  const place = stack?.split('\n').find((line) => line.trimStart().startsWith('at '))
  return {
    code: 'E_INTERNAL',
    exitCode: EXIT.failed,
    message: `This is a bug in kv: ${plain(message)}${place ? ` (${place.trim()})` : ''}.`,
    hint: 'Run it again with KV_DEBUG=1 for the whole stack.',
  }
}

/** One line, without a line end. */
export function failureLine({message, hint}: Failure): string {
  return hint === undefined ? message : `${asSentence(message)} ${asSentence(hint[0]!.toUpperCase() + hint.slice(1))}`
}

function asSentence(text: string): string {
  return /[.!?]$/.test(text) ? text : `${text}.`
}

export function failureJson(failure: Failure): {readonly error: Failure} {
  return {error: failure}
}

function isParserError(error: unknown): error is ParserError {
  return error instanceof Error && (error as ParserError).oclif?.exit === EXIT.usage
}

function usageFailure(error: ParserError, where: Where): Failure {
  const command = where.commandId === undefined ? 'kv' : `kv ${where.commandId.replaceAll(':', ' ')}`
  return {
    code: 'E_USAGE',
    exitCode: EXIT.usage,
    message: usageMessage(error),
    hint: personalHint(`See \`${command} --help\`.`),
  }
}

function usageMessage(error: ParserError): string {
  if (error.flags && error.flags.length > 0) {
    const flag = error.flags[0]!
    const known = Object.keys(error.parse?.input?.flags ?? {}).map((name) => `--${name}`)
    const near = nearest(flag, known)
    return `Unknown flag ${flag}.${near === undefined ? '' : ` Did you mean ${near}?`}`
  }
  if (error.args && error.message.startsWith('Missing')) {
    const names = error.args.map((arg) => (typeof arg === 'string' ? arg : (arg.name ?? '')).toUpperCase())
    return `Missing argument ${names.join(', ')}.`
  }
  return asSentence(plain(error.message))
}

/** oclif wraps messages in prefixes, colour and line breaks; here they become one clean line again. */
function plain(message: string): string {
  return message
    .replace(/^Parsing (--\S+) \n\t/, '$1: ')
    .replace(/\nSee more help with --help$/, '')
    .replace(/^The following errors? occurred:\s*/, '')
    .replace(/\s*\n\s*/g, ' ')
    .trim()
}
