/**
 * What each fault is, for people and for the drivers: the one table from which help texts, reports, the check of "enough nodes" and the fault budget are
 * made. How a fault is done is the driver's business.
 */
import type {FaultKind} from './driver.ts'

export interface FaultTraits {
  /** For people: what is done. */
  readonly does: string
  /** The memory of a process goes with it: the budget allows it only while every bucket has another in-sync copy. */
  readonly losesMemory: boolean
  /** Data nodes that are needed for it to make sense, and for the cluster to go on. */
  readonly nodesMin: number
  /** It needs a second copy of each bucket. */
  readonly needsReplica: boolean
  readonly needsLogNode: boolean
}

const PLAIN = {losesMemory: false, nodesMin: 2, needsReplica: false, needsLogNode: false}
const CRASH = {losesMemory: true, nodesMin: 3, needsReplica: true, needsLogNode: false}
const CUT = {...PLAIN, nodesMin: 3}
const LOG = {...PLAIN, nodesMin: 1, needsLogNode: true}

export const FAULTS: Readonly<Record<FaultKind, FaultTraits>> = {
  stop: {...PLAIN, does: 'SIGTERM; after its orderly end it is started again with its data dir'},
  kill: {...CRASH, does: 'SIGKILL; after a while it is started again'},
  'kill-in-stop': {...CRASH, does: 'SIGTERM, and SIGKILL before its orderly end; after a while it is started again'},
  bounce: {...CRASH, does: 'SIGKILL, and started again at once, within 50 ms'},
  wipe: {...CRASH, does: 'SIGKILL; its data dir is emptied, and it is started again as a new node'},
  pause: {...CUT, does: 'SIGSTOP for 0.5, 1 or 3 times the lease, then SIGCONT'},
  partition: {...CUT, does: 'the nodes fall into two halves, or into a ring in which each hears only its neighbours'},
  'one-way': {...CUT, does: 'nothing that one node sends reaches the others, or nothing of theirs reaches it'},
  'isolate-leader': {...CUT, does: 'the leader is cut off from all others'},
  late: {...PLAIN, does: 'everything to and from a node is held back, then delivered'},
  slow: {...PLAIN, does: 'the links of a node are slow, or deliver a few bytes at a time'},
  join: {...PLAIN, nodesMin: 1, does: 'a new node joins, stays for a while, and leaves again'},
  leave: {...CUT, does: 'a node leaves for good; later one with an empty data dir joins in its place'},
  move: {...PLAIN, does: 'buckets are moved to another node by hand'},
  'log-kill': {...LOG, does: 'SIGKILL of the data-log node; after a while it is started again'},
  'log-pause': {...LOG, does: 'SIGSTOP of the data-log node for 0.5, 1 or 3 times the lease, then SIGCONT'},
  'log-cut': {...LOG, does: 'the data-log node is cut off from all others'},
}

export const FAULT_KINDS = Object.keys(FAULTS) as readonly FaultKind[]

/**
 * One sentence that says why these faults cannot be done to a cluster of this shape, or null if they can. `hasLogNode` undefined: there may be one.
 */
export function requireNodes(
  faults: readonly FaultKind[],
  nodes: number,
  replicas: number,
  hasLogNode?: boolean,
): string | null {
  for (const kind of faults) {
    const {nodesMin, needsReplica, needsLogNode, losesMemory} = FAULTS[kind]
    // A log node votes: with it two data nodes survive the crash of one.
    const needed = losesMemory && hasLogNode === true ? nodesMin - 1 : nodesMin
    if (nodes < needed) return `The fault ${kind} needs at least ${needed} nodes, and there are ${nodes}.`
    if (needsReplica && replicas === 0)
      return `The fault ${kind} loses data without a replica: --replicas must be 1 or more.`
    if (needsLogNode && hasLogNode === false) return `The fault ${kind} needs a data-log node: --log-node.`
  }
  const [first] = faults
  if (first !== undefined && nodes <= replicas)
    return `With ${replicas} replicas there must be more than ${replicas} nodes, and there are ${nodes}.`
  return null
}
