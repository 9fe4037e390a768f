/** From flags to a plan: what is to be run, with words for everything that makes no sense, before anything is started. */
import {parseAddress, type Address} from '../base/address.ts'
import {amountOf} from '../cli/flags.ts'
import {selfCommand, shellQuote} from '../cli/shell.ts'
import {nearest} from '../cli/suggest.ts'
import {DEFAULT_PORT, VALUE_BYTES_MAX} from '../constants.ts'
import {KvError} from '../errors.ts'
import {ATTACHED_FAULTS} from './drivers/attached-driver.ts'
import {REDIS_FAULTS} from './drivers/redis-driver.ts'
import {FAULT_KINDS, FAULTS, requireNodes} from './faults.ts'
import {durationOf, parseFaults, type Settings} from './settings.ts'
import type {FaultKind} from './driver.ts'

export interface ChaosFlags {
  readonly hours?: string | undefined
  readonly minutes?: string | undefined
  readonly seconds?: string | undefined
  readonly nodes: number
  readonly replicas: number
  readonly 'log-node': boolean
  readonly keys: string
  readonly clients: number
  readonly rate: string
  readonly 'value-size': string
  readonly faults: string
  readonly every: string
  readonly seed?: number | undefined
  readonly report: string
  readonly driver: 'kv' | 'sim' | 'redis'
  readonly server?: string | undefined
  readonly attach?: string | undefined
  readonly 'on-fault'?: string | undefined
  readonly seeds?: number | undefined
  readonly 'seed-seconds': number
  readonly plants: readonly string[]
  readonly 'keep-going': boolean
  readonly yes: boolean
}

export type Target =
  | {readonly kind: 'kv'}
  | {readonly kind: 'sim'; readonly seeds: number; readonly seedSeconds: number}
  | {readonly kind: 'redis'; readonly server: string}
  | {readonly kind: 'attached'; readonly attach: Address; readonly onFault: string}

export interface ChaosPlan {
  readonly target: Target
  readonly settings: Settings
  readonly folder: string
  readonly endsLeftovers: boolean
  readonly command: string
  readonly kvVersion: string
}

const DEFAULT_MS = 60_000
const EVERY_MS_MIN = 500
/** Errors: E_USAGE. `random`: for a seed, if none is given. */
export function planChaos(flags: ChaosFlags, kvVersion: string, random: () => number = Math.random): ChaosPlan {
  const target = targetOf(flags)
  const seed = flags.seed ?? Math.floor(random() * 1_000_000)
  const isSim = target.kind === 'sim'
  const settings: Settings = {
    nodes: flags.nodes,
    replicas: flags.replicas,
    hasLogNode: flags['log-node'],
    keys: positive('keys', amountOf('count', 'keys', flags.keys)),
    clients: flags.clients,
    rate: positive('rate', amountOf('count', 'rate', flags.rate)),
    valueBytes: valueBytes(flags['value-size']),
    durationMs: durationOf(
      flags.hours,
      flags.minutes,
      flags.seconds,
      isSim && flags.seeds !== undefined ? Infinity : DEFAULT_MS,
    ),
    everyMs: every(flags.every),
    faults: isSim ? [] : faultsOf(flags, target),
    seed,
    plants: plantsOf(flags.plants, target),
    keepsGoing: flags['keep-going'],
    prefix: target.kind === 'attached' ? `kv-chaos:${seed}:${Date.now()}:` : 'chaos:',
  }
  const {report: folder, yes: endsLeftovers} = flags
  return {target, settings, folder, endsLeftovers, command: commandOf(flags, seed), kvVersion}
}

function targetOf(flags: ChaosFlags): Target {
  const {driver, attach, 'on-fault': onFault, server, seeds} = flags
  if (attach !== undefined) {
    if (onFault === undefined) {
      throw new KvError(
        'E_USAGE',
        '--attach wants --on-fault: the nodes of a cluster that runs already are yours to stop and start.',
        'Give a command; it is called with the fault, begin or end, and host:port.',
      )
    }
    const address = parseAddress(attach, DEFAULT_PORT)
    if (!address) throw new KvError('E_USAGE', `"${attach}" is not an address.`, 'Write host:port.')
    if (driver !== 'kv') throw new KvError('E_USAGE', '--attach and --driver exclude each other.')
    return {kind: 'attached', attach: address, onFault}
  }
  if (onFault !== undefined) throw new KvError('E_USAGE', '--on-fault is for --attach.')
  if (server !== undefined && driver !== 'redis') throw new KvError('E_USAGE', '--server is for --driver redis.')
  if (seeds !== undefined && driver !== 'sim')
    throw new KvError('E_USAGE', '--seeds is for --driver sim.', 'A run of processes has one seed: --seed.')
  if (driver === 'redis') return {kind: 'redis', server: server ?? 'redis-server'}
  return driver === 'sim' ? {kind: 'sim', seeds: seeds ?? Infinity, seedSeconds: flags['seed-seconds']} : {kind: 'kv'}
}

function faultsOf(flags: ChaosFlags, target: Target): FaultKind[] {
  const {nodes, replicas, 'log-node': hasLogNode} = flags
  if (target.kind === 'attached') return parseFaults(flags.faults, ATTACHED_FAULTS, 'a cluster that is attached')
  if (target.kind === 'redis') return parseFaults(flags.faults, REDIS_FAULTS, '--driver redis')
  const isAll = flags.faults.split(',').some((name) => name.trim() === 'all')
  // "All" are those that this cluster can have; what is named must be possible.
  const known = isAll && !hasLogNode ? FAULT_KINDS.filter((kind) => !FAULTS[kind].needsLogNode) : FAULT_KINDS
  const faults = parseFaults(flags.faults, known, 'a kv cluster')
  const problem = requireNodes(faults, nodes, replicas, hasLogNode)
  if (problem !== null) throw new KvError('E_USAGE', problem, 'Change --nodes, --replicas or --faults.')
  return faults
}

/** Names of planted bugs are the nodes' to know; here it is only seen to it that nobody plants them where it has no effect. */
function plantsOf(names: readonly string[], target: Target): readonly string[] {
  if (names.length === 0 || target.kind === 'kv' || target.kind === 'sim') return names
  throw new KvError('E_USAGE', '--plant is for clusters of kv, real or simulated.')
}

function valueBytes(text: string): number {
  const bytes = positive('value-size', amountOf('bytes', 'value-size', text))
  if (bytes <= VALUE_BYTES_MAX) return bytes
  throw new KvError('E_USAGE', `--value-size can be at most ${VALUE_BYTES_MAX} bytes.`)
}

function every(text: string): number {
  const ms = amountOf('milliseconds', 'every', text)
  if (ms >= EVERY_MS_MIN) return ms
  throw new KvError('E_USAGE', `--every must be ${EVERY_MS_MIN} ms or more.`)
}

function positive(flag: string, value: number): number {
  if (value > 0) return value
  throw new KvError('E_USAGE', `--${flag} must be more than 0.`)
}

const REPEATED: readonly (keyof ChaosFlags)[] = [
  ...(['driver', 'server', 'attach', 'on-fault', 'seeds', 'seed-seconds', 'hours', 'minutes', 'seconds'] as const),
  ...(['nodes', 'replicas', 'log-node', 'keys', 'clients', 'rate', 'value-size', 'faults', 'every', 'report'] as const),
  'keep-going',
]
/** Say nothing to simulated clusters, whose seeds decide. */
const ONLY_SIM: ReadonlySet<string> = new Set([
  'driver',
  'seeds',
  'seed-seconds',
  'hours',
  'minutes',
  'seconds',
  'report',
])

/** What to type to have the same again: every flag that was given, defaulted or drawn. */
function commandOf(flags: ChaosFlags, seed: number): string {
  const isSim = flags.driver === 'sim'
  const words = REPEATED.flatMap((name) => {
    const value = flags[name]
    if (value === undefined || value === false || (isSim ? !ONLY_SIM.has(name) : name === 'seed-seconds')) return []
    return value === true ? [`--${name}`] : [`--${name}`, shellQuote(String(value))]
  })
  const plants = flags.plants.flatMap((name) => ['--plant', shellQuote(name)])
  return [selfCommand(), 'chaos', ...words, '--seed', String(seed), ...plants].join(' ')
}

/** For the message about a bug that nobody knows. Errors: E_USAGE. */
export function requirePlants(names: readonly string[], known: readonly string[]): void {
  for (const name of names) {
    if (known.includes(name)) continue
    const near = nearest(name, known)
    throw new KvError(
      'E_USAGE',
      `There is no planted bug "${name}".`,
      near === undefined ? `There are ${known.join(', ')}.` : `Did you mean ${near}?`,
    )
  }
}
