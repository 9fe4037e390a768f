/**
 * Commands are data: a `CommandSpec` says how a command is called, which arguments are keys, what it does to them, how it
 * is documented, and who executes it. `COMMAND`, `COMMAND DOCS`, `COMMAND GETKEYS`, routing, arity checks and the REPL's
 * hints all read the same table.
 */
import {assert} from '../../base/assert.ts'
import type {Context} from './context.ts'
import type {LatencyHistogram} from '../latency.ts'

/** Flags as Redis names them in `COMMAND`. */
export type CommandFlag =
  | 'write'
  | 'readonly'
  | 'denyoom'
  | 'admin'
  | 'pubsub'
  | 'noscript'
  | 'blocking'
  | 'loading'
  | 'stale'
  | 'skip_monitor'
  | 'skip_slowlog'
  | 'fast'
  | 'no_auth'
  | 'may_replicate'
  | 'no_async_loading'
  | 'no_multi'
  | 'movablekeys'
  | 'allow_busy'

/** How a key is used, as in Redis' key specifications: access class, then what is done. */
export type KeyFlag =
  'RO' | 'RW' | 'OW' | 'RM' | 'access' | 'update' | 'insert' | 'delete' | 'not_key' | 'incomplete' | 'variable_flags'

export type CommandGroup =
  'string' | 'hash' | 'generic' | 'transactions' | 'connection' | 'server' | 'cluster' | 'pubsub'

/** An argument as `COMMAND DOCS` describes it. */
export interface ArgumentSpec {
  readonly name: string
  readonly type: 'key' | 'string' | 'integer' | 'double' | 'pattern' | 'unix-time' | 'pure-token' | 'oneof' | 'block'
  readonly token?: string
  readonly optional?: boolean
  readonly multiple?: boolean
  readonly multipleToken?: boolean
  readonly args?: readonly ArgumentSpec[]
}

export interface KeySpec {
  /** Index of the first key, of the last (negative counts from the end), and the distance between keys. */
  readonly first: number
  readonly last: number
  readonly step: number
  readonly flags: readonly KeyFlag[]
  /** Where keys differ: the flags of each. */
  readonly flagsOfEach?: readonly (readonly KeyFlag[])[]
  /** Flags that depend on the arguments behind the name (upper case), for `variable_flags`. */
  readonly flagsFor?: (words: readonly string[]) => readonly KeyFlag[]
}

export interface CommandSpec {
  /** Lower case. */
  readonly name: string
  /** Arguments with the name; negative: at least so many. */
  readonly arity: number
  readonly flags: readonly CommandFlag[]
  readonly keys?: KeySpec
  readonly group: CommandGroup
  readonly since: string
  readonly summary: string
  readonly complexity?: string
  readonly tips?: readonly string[]
  readonly args?: readonly ArgumentSpec[]
  readonly subcommands?: readonly CommandSpec[]
  /** Missing only where there are subcommands and none means nothing. */
  readonly run?: (context: Context) => void
}

export type Handler = (context: Context) => void

/** A family's specs with the functions that execute them; each spec must have one, and each function a spec. */
export function withHandlers(
  specs: readonly CommandSpec[],
  handlers: Readonly<Record<string, Handler>>,
): readonly CommandSpec[] {
  const names = new Set(specs.map((spec) => spec.name))
  for (const name of Object.keys(handlers)) assert(names.has(name), `no spec for ${name}`)
  return specs.map((spec) => {
    const run = handlers[spec.name]
    assert(run !== undefined, `nobody executes ${spec.name}`)
    return {...spec, run}
  })
}

/** As `withHandlers`, for the subcommands of one command; `run` executes the command without a subcommand. */
export function withSubcommands(
  spec: CommandSpec,
  handlers: Readonly<Record<string, Handler>>,
  run?: Handler,
): CommandSpec {
  const subcommands = withHandlers(spec.subcommands ?? [], handlers)
  return run ? {...spec, subcommands, run} : {...spec, subcommands}
}

export const IS_WRITE = 1
export const IS_DENY_OOM = 2
export const IS_NO_AUTH = 4
export const IS_NO_MULTI = 8
/** Executed at once inside MULTI: EXEC, DISCARD, MULTI, WATCH, QUIT, RESET, GOODBYE. */
export const IS_TRANSACTION_CONTROL = 16
export const IS_SKIP_MONITOR = 32
export const IS_READ_ONLY = 64
export const IS_ADMIN = 128
/** What a session of RESP2 may say while it is subscribed: its replies cannot be taken for messages. */
export const IS_FOR_SUBSCRIBERS = 256

const FOR_SUBSCRIBERS = new Set([
  ...['subscribe', 'psubscribe', 'ssubscribe', 'unsubscribe', 'punsubscribe', 'sunsubscribe'],
  ...['ping', 'quit', 'reset', 'goodbye'],
])
const CONTROL = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset', 'goodbye'])

/** A spec made ready for execution: one shape for all commands, numbers instead of words. */
export class Command {
  readonly spec: CommandSpec
  /** `config|set` for a subcommand. */
  readonly fullName: string
  readonly arity: number
  readonly bits: number
  readonly firstKey: number
  readonly lastKey: number
  readonly keyStep: number
  readonly run: ((context: Context) => void) | null
  readonly subcommands: ReadonlyMap<string, Command> | null
  /** For INFO commandstats. */
  calls = 0
  rejectedCalls = 0
  failedCalls = 0
  /** Time of the chunks in which it was the last command, us, and samples of what one call takes; null: there are none. */
  usec = 0
  latency: LatencyHistogram | null = null

  constructor(spec: CommandSpec, parent?: CommandSpec) {
    this.spec = spec
    this.fullName = parent ? `${parent.name}|${spec.name}` : spec.name
    this.arity = spec.arity
    this.bits = bitsOf(spec, parent)
    this.firstKey = spec.keys?.first ?? 0
    this.lastKey = spec.keys?.last ?? 0
    this.keyStep = spec.keys?.step ?? 0
    this.run = spec.run ?? null
    this.subcommands = spec.subcommands
      ? new Map(spec.subcommands.map((sub) => [sub.name, new Command(sub, spec)]))
      : null
  }

  acceptsArity(argc: number): boolean {
    return this.arity >= 0 ? argc === this.arity : argc >= -this.arity
  }
}

function bitsOf(spec: CommandSpec, parent: CommandSpec | undefined): number {
  const has = (flag: CommandFlag): boolean => spec.flags.includes(flag)
  return (
    (has('write') ? IS_WRITE : 0) |
    (has('readonly') ? IS_READ_ONLY : 0) |
    (has('denyoom') ? IS_DENY_OOM : 0) |
    (has('no_auth') ? IS_NO_AUTH : 0) |
    (has('no_multi') ? IS_NO_MULTI : 0) |
    (has('admin') ? IS_ADMIN : 0) |
    (has('skip_monitor') ? IS_SKIP_MONITOR : 0) |
    (!parent && CONTROL.has(spec.name) ? IS_TRANSACTION_CONTROL : 0) |
    (!parent && FOR_SUBSCRIBERS.has(spec.name) ? IS_FOR_SUBSCRIBERS : 0)
  )
}
