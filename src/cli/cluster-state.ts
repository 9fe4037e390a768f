/**
 * What `CLUSTER STATE` of a node says, checked and given names: the one document that all commands about the cluster are made from. Buckets
 * come as ranges; slots are the members' small numbers in it.
 */
import {formatAddress, parseAddress, type Address} from '../base/address.ts'
import {parseBuckets} from '../base/bucket-ranges.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {KvError} from '../errors.ts'

const VERSION = 1
const LOST = -1
/** Enough of an id to tell nodes apart, for people. */
const SHORT_ID_CHARS = 8

export interface MemberState {
  /** 40 hex digits. */
  readonly id: string
  readonly incarnation: string
  readonly host: string
  readonly port: number
  readonly peerHost: string
  readonly peerPort: number
  readonly slot: number
  readonly isVoterOnly: boolean
  /** A data-log node: is it to be waited for, and is it? */
  readonly log?: 'async' | 'sync'
  readonly isLogOn?: boolean
  readonly isDown: boolean
  readonly isLeaving: boolean
  readonly role: 'leader' | 'voter' | 'learner'
  readonly isVoter: boolean
  /** Buckets of which it is master, has a copy in sync, is being given a copy. */
  readonly masters: number
  readonly copies: number
  readonly syncing: number
  /** Seen from the node that was asked. */
  readonly isConnected: boolean
  readonly unackedBytes: number
}

export interface Move {
  readonly kind: 'copy' | 'master' | 'drop'
  /** Ids; null: nobody. */
  readonly from: string | null
  readonly to: string | null
  readonly buckets: string
  readonly count: number
}

/** First and last bucket, slot of the master (-1: lost), slots of the replicas. */
export type RangeState = readonly [first: number, last: number, master: number, replicas: readonly number[]]

export interface RebalancePlan {
  readonly moves: readonly Move[]
  readonly members: readonly {readonly id: string; readonly masters: number; readonly copies: number}[]
}

export interface LogLagState {
  readonly id: string
  readonly records: number
  readonly bytes: number
  readonly seconds: number
  readonly buckets: number
}

export interface ClusterState {
  readonly version: number
  /** Empty: the node belongs to no cluster. */
  readonly clusterId: string
  /** Id of the node that was asked. */
  readonly self: string
  readonly revision: number
  readonly leader: string | null
  readonly isAdmitted: boolean
  /** Copies besides the master that are wished for, and what so many nodes can give, the master included. */
  readonly replicas: number
  readonly wantedCopies: number
  readonly isBalancing: boolean
  readonly term: number
  readonly hasLease: boolean
  readonly joinProblem: string
  readonly members: readonly MemberState[]
  /** Bucket ranges: the last copy is gone; the master is down; too few copies. */
  readonly lost: string
  readonly down: string
  readonly underReplicated: string
  readonly moves: readonly Move[]
  readonly ranges: readonly RangeState[]
  /** How far data-log nodes are behind the node that was asked. */
  readonly logLags?: readonly LogLagState[]
  readonly plan?: RebalancePlan
}

/** Errors: E_PROTOCOL if it is anything else. */
export function parseState(text: string, from: Address): ClusterState {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    value = null
  }
  const state = value as ClusterState | null
  const isWhole = Array.isArray(state?.members) && Array.isArray(state.ranges) && Array.isArray(state.moves)
  if (isWhole && state?.version === VERSION) return state
  const name = formatAddress(from)
  throw new KvError('E_PROTOCOL', `${name} describes its cluster in a way that this kv does not know.`)
}

/** The node is no part of a cluster and never was: it serves everything itself. */
export function isAlone(state: ClusterState): boolean {
  return state.clusterId === '' && state.revision > 0
}

export function addressOf({host, port}: MemberState): string {
  return formatAddress({host, port})
}

export function shortId(id: string): string {
  return id.slice(0, SHORT_ID_CHARS)
}

/** A node as people read it: `10.0.0.1:7379 (ab12cd34)`. */
export function memberName(member: MemberState): string {
  return `${addressOf(member)} (${shortId(member.id)})`
}

export function memberById({members}: ClusterState, id: string | null): MemberState | undefined {
  return members.find((member) => member.id === id)
}

/** A node by its id, its address, or the beginning of its id that no other has. Errors: E_NOT_FOUND, E_USAGE if it fits several. */
export function findMember({members}: ClusterState, text: string): MemberState {
  const address = parseAddress(text)
  const byAddress = members.find(({host, port}) => host === address?.host && port === address.port)
  if (byAddress) return byAddress
  const wanted = text.toLowerCase()
  const found = /^[0-9a-f]{1,40}$/.test(wanted) ? members.filter(({id}) => id.startsWith(wanted)) : []
  if (found.length === 1) return found[0]!
  const see = 'See `kv node list`.'
  if (found.length === 0) throw new KvError('E_NOT_FOUND', `No node of the cluster has the id or address ${text}.`, see)
  throw new KvError('E_USAGE', `${text} is the beginning of ${found.length} node ids.`, 'Type more of it.')
}

/** Buckets as people type them: `0-99,200`, in any order. Ascending, each once. Errors: E_USAGE. */
export function requireBuckets(text: string): number[] {
  const buckets = new Set<number>()
  for (const part of text.split(/[\s,]+/).filter((word) => word !== '')) {
    const some = parseBuckets(part)
    if (!some)
      throw new KvError(
        'E_USAGE',
        `"${part}" is no range of buckets.`,
        'Write for example 0-99,200; the last is 16383.',
      )
    for (const bucket of some) buckets.add(bucket)
  }
  if (buckets.size === 0) throw new KvError('E_USAGE', 'No bucket is named.', 'Write for example 0-99,200.')
  return [...buckets].sort((a, b) => a - b)
}

export function countOf(ranges: string): number {
  return parseBuckets(ranges)?.length ?? 0
}

/** What is known of one bucket. Slots; LOST or NOBODY = -1. */
export class BucketTable {
  readonly master = new Int16Array(BUCKET_COUNT).fill(LOST)
  /** Who is being given a copy, who shall become master. */
  readonly syncing = new Int16Array(BUCKET_COUNT).fill(LOST)
  readonly target = new Int16Array(BUCKET_COUNT).fill(LOST)
  readonly #replicas: (readonly number[])[] = new Array<readonly number[]>(BUCKET_COUNT).fill([])

  constructor(state: ClusterState) {
    for (const [first, last, master, replicas] of state.ranges) {
      this.master.fill(master, first, last + 1)
      this.#replicas.fill(replicas, first, last + 1)
    }
    for (const {kind, to, buckets} of state.moves) {
      const slot = memberById(state, to)?.slot ?? LOST
      const table = kind === 'copy' ? this.syncing : this.target
      for (const bucket of parseBuckets(buckets) ?? []) table[bucket] = slot
    }
  }

  isInSync(bucket: number, slot: number): boolean {
    return this.master[bucket] === slot || this.#replicas[bucket]!.includes(slot)
  }

  copyCount(bucket: number): number {
    return this.master[bucket] === LOST ? 0 : 1 + this.#replicas[bucket]!.length
  }
}
