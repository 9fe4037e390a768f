/** What a caller can set, its defaults, and what is wrong with a value. */
import {parseAddress, type Address} from '../base/address.ts'
import {
  CLIENT_BACKOFF_BASE_MS,
  CLIENT_BACKOFF_JITTER,
  CLIENT_BACKOFF_MAX_MS,
  CLIENT_CONNECT_TIMEOUT_MS,
  CLIENT_LIBRARY_REPLY_TIMEOUT_MS,
  CLIENT_OPERATION_TIMEOUT_MS,
  DEFAULT_PORT,
} from '../constants.ts'
import {ClientError} from './errors.ts'

/** When a server that failed is tried again. */
export interface BackoffOptions {
  /** Milliseconds after the first failure; doubled with each one that follows. Default 25. */
  readonly baseMs?: number
  /** Milliseconds that no delay exceeds. Default 1,000. */
  readonly maxMs?: number
  /** The part of each delay that is left to chance, 0 to 1. Default 0.5: from half of the delay to all of it. */
  readonly jitter?: number
}

export interface ConnectOptions {
  /** Milliseconds until a TCP connection to a node must be there. Default 2,000. */
  readonly connectTimeoutMs?: number
  /** Milliseconds until a node must have answered a request, from when the request was written; 0 = for ever. Default 5,000. */
  readonly replyTimeoutMs?: number
  /**
   * Milliseconds that an operation may take as a whole: connecting, redirects and retries included; 0 = for ever. Default
   * 15,000. Each call can set its own.
   */
  readonly timeoutMs?: number
  readonly password?: string | undefined
  readonly backoff?: BackoffOptions
  /** Closes the client at once; what is under way fails with E_INTERRUPTED. */
  readonly signal?: AbortSignal | undefined
}

/** What every call takes. */
export interface CallOptions {
  /** Gives the call up; it fails with E_INTERRUPTED, and its outcome says whether the request had left. */
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for this call as a whole; instead of the client's `timeoutMs`. */
  readonly timeoutMs?: number
  /**
   * The caller says that doing it twice is as good as once, so it may be sent again when nobody can tell whether it happened. Reads are always.
   * Take care: a SET that is repeated may overwrite what another client wrote in between.
   */
  readonly idempotent?: boolean
}

/** Options with nothing left open. */
export interface Settings {
  readonly connectTimeoutMs: number
  readonly replyTimeoutMs: number
  /** Infinity = for ever. */
  readonly timeoutMs: number
  readonly password: string | undefined
  readonly backoff: Required<BackoffOptions>
  readonly signal: AbortSignal | undefined
}

/** Errors: E_USAGE, with the name of the option. */
export function readOptions(options: ConnectOptions): Settings {
  const {connectTimeoutMs, replyTimeoutMs, timeoutMs, password, backoff = {}, signal} = options
  if (password !== undefined && typeof password !== 'string') throw wrongOption('password', password, 'a string')
  const baseMs = milliseconds('backoff.baseMs', backoff.baseMs, CLIENT_BACKOFF_BASE_MS, 1)
  const maxMs = milliseconds('backoff.maxMs', backoff.maxMs, Math.max(baseMs, CLIENT_BACKOFF_MAX_MS), baseMs)
  const {jitter = CLIENT_BACKOFF_JITTER} = backoff
  if (!(jitter >= 0 && jitter <= 1)) throw wrongOption('backoff.jitter', jitter, 'a number from 0 to 1')
  return {
    connectTimeoutMs: milliseconds('connectTimeoutMs', connectTimeoutMs, CLIENT_CONNECT_TIMEOUT_MS, 1),
    replyTimeoutMs: milliseconds('replyTimeoutMs', replyTimeoutMs, CLIENT_LIBRARY_REPLY_TIMEOUT_MS, 0),
    timeoutMs: limitMs(milliseconds('timeoutMs', timeoutMs, CLIENT_OPERATION_TIMEOUT_MS, 0)),
    password,
    backoff: {baseMs, maxMs, jitter},
    signal,
  }
}

/** The limit of one call. Errors: E_USAGE. */
export function callLimitMs(options: CallOptions | undefined, settings: Settings): number {
  if (options?.timeoutMs === undefined) return settings.timeoutMs
  return limitMs(milliseconds('timeoutMs', options.timeoutMs, 0, 0))
}

/** Addresses as a caller gives them: one or several, `host:port`, `host` (port 7379) or `{host, port}`. Errors: E_USAGE. */
export function readAddresses(given: string | Address | readonly (string | Address)[]): readonly Address[] {
  const list = Array.isArray(given) ? (given as readonly (string | Address)[]) : [given as string | Address]
  if (list.length === 0) throw new ClientError('E_USAGE', 'none', 'No address is given.', 'Name at least one node.')
  return list.map((one) => {
    const address = typeof one === 'string' ? parseAddress(one, DEFAULT_PORT) : one
    if (typeof address?.host === 'string' && Number.isInteger(address.port)) return address
    throw new ClientError(
      'E_USAGE',
      'none',
      `${JSON.stringify(one)} is not an address.`,
      'Write "host:port", for example "127.0.0.1:7379".',
    )
  })
}

function limitMs(ms: number): number {
  return ms === 0 ? Infinity : ms
}

function milliseconds(name: string, given: number | undefined, standard: number, min: number): number {
  if (given === undefined) return standard
  if (typeof given === 'number' && given >= min && given <= 2 ** 31 - 1) return given
  throw wrongOption(name, given, `a number of milliseconds, ${min} or more`)
}

function wrongOption(name: string, given: unknown, wanted: string): ClientError {
  return new ClientError('E_USAGE', 'none', `${name} is ${String(given)}.`, `It must be ${wanted}.`)
}
