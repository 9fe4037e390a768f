/**
 * Changes of the map that this node, as master, wants: gathered by kind and peer, proposed as one entry for many buckets, and
 * proposed again until the map shows that they came true or have become pointless. Of one kind and peer one entry is under way at a time: what
 * comes meanwhile gathers for the next, so that a thousand buckets cost some dozens of entries, each with its fsync, and not a thousand.
 * A proposal may be lost or come late; its conditions (epoch, master, incarnation) make a late one harmless.
 */
import {PROPOSAL_RETRY_MS} from '../../constants.ts'
import {formatBuckets} from '../cluster/bucket-ranges.ts'
import type {AssignedBuckets, EpochBuckets, MapEntry} from '../cluster/map-entry.ts'

export type Wish = 'in-sync' | 'out-of-sync' | 'move' | 'untarget'

interface Wanted {
  readonly kind: Wish
  readonly slot: number
  /** In the entry that is under way. */
  readonly open: Set<number>
  /** For the next one. */
  readonly waiting: Set<number>
  proposedAt: number
}

export interface ProposalContext {
  readonly epochs: Uint32Array
  /** Of the copy that is to be called in sync. */
  assignmentOf(bucket: number): number
  readonly selfId: string
  readonly incarnation: string
  idOf(slot: number): string | null
  propose(entry: MapEntry): void
}

export class Proposals {
  readonly #context: ProposalContext
  readonly #wanted = new Map<string, Wanted>()

  constructor(context: ProposalContext) {
    this.#context = context
  }

  want(kind: Wish, bucket: number, slot: number): void {
    const key = `${kind} ${slot}`
    let wanted = this.#wanted.get(key)
    if (!wanted) {
      wanted = {kind, slot, open: new Set(), waiting: new Set(), proposedAt: Number.NEGATIVE_INFINITY}
      this.#wanted.set(key, wanted)
    }
    if (!wanted.open.has(bucket)) wanted.waiting.add(bucket)
  }

  isWanted(kind: Wish, bucket: number, slot: number): boolean {
    const wanted = this.#wanted.get(`${kind} ${slot}`)
    return wanted !== undefined && (wanted.open.has(bucket) || wanted.waiting.has(bucket))
  }

  /** True if such a change is wanted of any bucket. */
  has(kind: Wish): boolean {
    for (const wanted of this.#wanted.values()) if (wanted.kind === kind) return true
    return false
  }

  /** The bucket's line changed: forgets what came true or became pointless. */
  settle(bucket: number, isOpen: (kind: Wish, slot: number) => boolean): void {
    for (const [key, {kind, slot, open, waiting}] of this.#wanted) {
      if (!(open.has(bucket) || waiting.has(bucket)) || isOpen(kind, slot)) continue
      open.delete(bucket)
      waiting.delete(bucket)
      if (open.size + waiting.size === 0) this.#wanted.delete(key)
    }
  }

  /** Proposes what has not been, or not for a while. */
  pump(now: number): void {
    for (const wanted of this.#wanted.values()) {
      const {open, waiting, proposedAt} = wanted
      if (open.size > 0 && now - proposedAt < PROPOSAL_RETRY_MS) continue
      for (const bucket of waiting) open.add(bucket)
      waiting.clear()
      wanted.proposedAt = now
      this.#propose(wanted, [...open])
    }
  }

  #propose({kind, slot}: Wanted, buckets: number[]): void {
    const {selfId: from, incarnation} = this.#context
    buckets.sort((a, b) => a - b)
    if (kind === 'untarget') return this.#context.propose({type: 'untarget', buckets: formatBuckets(buckets)})
    const id = this.#context.idOf(slot)
    if (id === null) return
    if (kind === 'in-sync') {
      const groups = this.#assignedGroups(buckets)
      return this.#context.propose({type: 'in-sync', from, incarnation, groups, add: id})
    }
    const groups = this.#groups(buckets)
    if (kind === 'out-of-sync') this.#context.propose({type: 'out-of-sync', from, incarnation, groups, remove: id})
    else this.#context.propose({type: 'move', from, incarnation, groups, to: id})
  }

  #groups(buckets: readonly number[]): EpochBuckets[] {
    const epochs = groupBy(buckets, (bucket) => this.#context.epochs[bucket]!)
    return [...epochs].map(([epoch, list]) => ({epoch, buckets: formatBuckets(list)}))
  }

  #assignedGroups(buckets: readonly number[]): AssignedBuckets[] {
    const assignments = groupBy(buckets, (bucket) => this.#context.assignmentOf(bucket))
    return [...assignments].flatMap(([assignment, list]) => this.#groups(list).map((group) => ({...group, assignment})))
  }
}

function groupBy(buckets: readonly number[], keyOf: (bucket: number) => number): Map<number, number[]> {
  const groups = new Map<number, number[]>()
  for (const bucket of buckets) {
    const key = keyOf(bucket)
    const group = groups.get(key)
    if (group) group.push(bucket)
    else groups.set(key, [bucket])
  }
  return groups
}
