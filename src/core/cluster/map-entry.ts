/**
 * Entries of the agreed log, as JSON: one change of the cluster map each, with the conditions under which it holds. What each does is in
 * cluster-map.ts. They come from disk and from peers, so every field is checked before one is believed.
 */
import {REPLICAS_MAX} from '../../constants.ts'
import {parseBuckets} from './bucket-ranges.ts'
import type {MemberInfo} from './cluster-map.ts'

/** Buckets and the epoch that the proposer knows of them: if it is another by now, the proposal is void for them. */
export interface EpochBuckets {
  readonly epoch: number
  readonly buckets: string
}

/** ... and the number of the order by which their copies were made (`ClusterMap.assignment`). */
export interface AssignedBuckets extends EpochBuckets {
  readonly assignment: number
}

interface FromMaster {
  readonly from: string
  readonly incarnation: string
  readonly groups: readonly EpochBuckets[]
}

export type MapEntry =
  | {
      readonly type: 'genesis'
      readonly clusterId: string
      readonly replicas: number
      readonly member: MemberInfo
      /** Only these have a master; the others are lost from the start. The simulator's: a cluster with few buckets costs little. */
      readonly buckets?: string
    }
  | {readonly type: 'joined'; readonly member: MemberInfo}
  | {
      readonly type: 'down'
      readonly node: string
      readonly incarnation: string
      /** Who is silent as well: down in the same step, so that none of them inherits from another. */
      readonly also?: readonly {readonly node: string; readonly incarnation: string}[]
    }
  | {readonly type: 'up'; readonly node: string; readonly incarnation: string}
  | {readonly type: 'leaving'; readonly node: string; readonly incarnation: string; readonly isLeaving: boolean}
  /** With an incarnation: only if that process is still leaving. One that was killed meanwhile and has come back, or stays after all, is not removed. */
  | {readonly type: 'removed'; readonly node: string; readonly incarnation?: string}
  | {readonly type: 'log-sync'; readonly node: string; readonly incarnation: string; readonly isOn: boolean}
  | {
      readonly type: 'assign' | 'unassign' | 'target' | 'drop' | 'accept-loss'
      readonly node: string
      readonly buckets: string
    }
  | {readonly type: 'untarget'; readonly buckets: string}
  | {readonly type: 'restore'; readonly node: string; readonly incarnation: string; readonly buckets: string}
  | ({readonly type: 'in-sync'; readonly add: string; readonly groups: readonly AssignedBuckets[]} & FromMaster)
  | ({readonly type: 'out-of-sync'; readonly remove: string} & FromMaster)
  | ({readonly type: 'move'; readonly to: string} & FromMaster)
  | {readonly type: 'replicas'; readonly count: number}
  | {readonly type: 'rebalance'}
  | {readonly type: 'balanced'; readonly revision: number}

const PORT_MAX = 65_535
const HOST_CHARS_MAX = 255

type Fields = Readonly<Record<string, unknown>>

const isId = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{40}$/.test(value)
const isIncarnation = (value: unknown): boolean => typeof value === 'string' && /^[0-9a-f]{8,40}$/.test(value)
const isBuckets = (value: unknown): boolean => typeof value === 'string' && parseBuckets(value) !== null
const isCount = (value: unknown): boolean =>
  Number.isInteger(value) && Number(value) >= 0 && Number(value) <= REPLICAS_MAX
const isRevision = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) > 0
const isBoolean = (value: unknown): boolean => typeof value === 'boolean'
const isPort = (value: unknown): boolean => Number.isInteger(value) && Number(value) > 0 && Number(value) <= PORT_MAX
const isHost = (value: unknown): boolean => typeof value === 'string' && value !== '' && value.length <= HOST_CHARS_MAX

/** A data-log node holds no buckets. */
function isLog(log: unknown, isVoterOnly: unknown): boolean {
  return log === undefined || ((log === 'async' || log === 'sync') && isVoterOnly === true)
}

function isMember(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  const member = value as Fields
  return (
    isId(member['id']) &&
    isIncarnation(member['incarnation']) &&
    isHost(member['host']) &&
    isPort(member['port']) &&
    isHost(member['peerHost']) &&
    isPort(member['peerPort']) &&
    isBoolean(member['isVoterOnly']) &&
    isLog(member['log'], member['isVoterOnly'])
  )
}

function isProcesses(value: unknown): boolean {
  if (!Array.isArray(value)) return false
  return value.every((process: unknown) => {
    if (typeof process !== 'object' || process === null) return false
    const {node, incarnation} = process as Fields
    return isId(node) && isIncarnation(incarnation)
  })
}

function isGroups(value: unknown): boolean {
  if (!Array.isArray(value)) return false
  return value.every((group: unknown) => {
    if (typeof group !== 'object' || group === null) return false
    const {epoch, buckets} = group as Fields
    return Number.isInteger(epoch) && Number(epoch) > 0 && isBuckets(buckets)
  })
}

function isAssignedGroups(value: unknown): boolean {
  return isGroups(value) && (value as Fields[]).every(({assignment}) => isRevision(assignment))
}

const NODE_BUCKETS = {node: isId, buckets: isBuckets}
const NODE_INCARNATION = {node: isId, incarnation: isIncarnation}
const FROM = {from: isId, incarnation: isIncarnation, groups: isGroups}

/** What each type must have. Total: a new type does not compile until it is here. */
const SHAPES: Readonly<Record<MapEntry['type'], Readonly<Record<string, (value: unknown) => boolean>>>> = {
  genesis: {
    clusterId: isId,
    replicas: isCount,
    member: isMember,
    buckets: (value) => value === undefined || isBuckets(value),
  },
  joined: {member: isMember},
  down: {...NODE_INCARNATION, also: (value) => value === undefined || isProcesses(value)},
  up: NODE_INCARNATION,
  leaving: {...NODE_INCARNATION, isLeaving: isBoolean},
  removed: {node: isId, incarnation: (value) => value === undefined || isIncarnation(value)},
  'log-sync': {...NODE_INCARNATION, isOn: isBoolean},
  assign: NODE_BUCKETS,
  unassign: NODE_BUCKETS,
  target: NODE_BUCKETS,
  drop: NODE_BUCKETS,
  'accept-loss': NODE_BUCKETS,
  untarget: {buckets: isBuckets},
  restore: {...NODE_INCARNATION, buckets: isBuckets},
  'in-sync': {...FROM, groups: isAssignedGroups, add: isId},
  'out-of-sync': {...FROM, remove: isId},
  move: {...FROM, to: isId},
  replicas: {count: isCount},
  rebalance: {},
  balanced: {revision: isRevision},
}

/** The entry that a text is; null if it is none. */
export function parseEntry(text: string): MapEntry | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return null
  }
  if (typeof value !== 'object' || value === null) return null
  const entry = value as Fields
  const {type} = entry
  if (typeof type !== 'string' || !Object.hasOwn(SHAPES, type)) return null
  const shape = SHAPES[type as MapEntry['type']]
  const isWhole = Object.entries(shape).every(([name, isValid]) => isValid(entry[name]))
  return isWhole ? (value as MapEntry) : null
}
