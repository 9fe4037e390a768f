/**
 * The cluster map: who is a member, and for each bucket `{epoch, master, inSync[], syncing, target}`. A deterministic state machine over the
 * agreed log: every node applies the same entries in the same order and has the same map. An entry whose condition no longer
 * holds is refused, bucket by bucket where it names many: proposals may come late, twice or never.
 *
 *   epoch    +1 whenever the master changes         master   a slot; NO_NODE = the bucket is lost
 *   inSync   the copies that have every acknowledged change; the master first, then the others ascending
 *   syncing  who is being given a copy              target   who shall become master, once in sync
 *   assignment   which order to make that copy: the revision that it led to, 0 = none; a copy made for an older one does not count
 *
 * A slot is a member's small number, kept as long as it is a member. How failing nodes leave their buckets is in map-strike.ts; the map as
 * text in map-snapshot.ts.
 */
import {BUCKET_COUNT, MEMBERS_MAX} from '../../constants.ts'
import {parseBuckets} from './bucket-ranges.ts'
import {COPIES_MAX, NO_NODE} from './map-layout.ts'
import {readSnapshot, writeSnapshot} from './map-snapshot.ts'
import {strike} from './map-strike.ts'
import type {EpochBuckets, MapEntry} from './map-entry.ts'

export {COPIES_MAX, NO_NODE}

export type LogMode = 'async' | 'sync'

export interface MemberInfo {
  /** 40 hex digits. */
  readonly id: string
  /** Hex digits, others at each start of the process. */
  readonly incarnation: string
  readonly host: string
  readonly port: number
  readonly peerHost: string
  readonly peerPort: number
  /** Holds no buckets. */
  readonly isVoterOnly: boolean
  /** A data-log node: is it to be waited for? Absent: it is none. */
  readonly log?: LogMode
}

export interface Member extends MemberInfo {
  readonly slot: number
  isDown: boolean
  isLeaving: boolean
  /** A synchronous data-log node that every master waits for. */
  isLogOn?: boolean
}

export interface ApplyResult {
  readonly changed: boolean
  /** Why it was refused, for a person; null if it was not. */
  readonly error: string | null
  /** Whose line changed. */
  readonly buckets: readonly number[]
  readonly membersChanged: boolean
}

/** The entries that may have one of these types. */
type Entry<T extends MapEntry['type'], E = MapEntry> = E extends {readonly type: infer U}
  ? Extract<U, T> extends never
    ? never
    : E
  : never

export class ClusterMap {
  clusterId = ''
  /** Copies besides the master that are wished for. */
  replicas = 0
  /** +1 for each entry that changed something. */
  revision = 0
  /** Members came or went since the planner last found everything in balance. */
  isBalancing = false
  readonly members: (Member | null)[] = []
  readonly epoch = new Uint32Array(BUCKET_COUNT)
  readonly master = new Uint8Array(BUCKET_COUNT).fill(NO_NODE)
  readonly inSync = new Uint8Array(BUCKET_COUNT * COPIES_MAX).fill(NO_NODE)
  readonly syncing = new Uint8Array(BUCKET_COUNT).fill(NO_NODE)
  readonly assignment = new Float64Array(BUCKET_COUNT)
  readonly target = new Uint8Array(BUCKET_COUNT).fill(NO_NODE)
  /** Planted bug `keep-seat`. */
  keepsSeats = false
  #changed: number[] = []

  static fromSnapshot(text: string): ClusterMap {
    const map = new ClusterMap()
    readSnapshot(map, text)
    return map
  }

  toSnapshot(): string {
    return writeSnapshot(this)
  }

  member(id: string): Member | null {
    for (const member of this.members) if (member?.id === id) return member
    return null
  }

  isInSync(bucket: number, slot: number): boolean {
    const end = (bucket + 1) * COPIES_MAX
    for (let i = bucket * COPIES_MAX; i < end; i++) if (this.inSync[i] === slot) return true
    return false
  }

  copyCount(bucket: number): number {
    const start = bucket * COPIES_MAX
    let count = 0
    while (count < COPIES_MAX && this.inSync[start + count] !== NO_NODE) count++
    return count
  }

  /** Members that may hold buckets: there, and staying. If all are leaving, one keeps everything: the last one saves it. */
  isUsable(slot: number): boolean {
    const member = this.members[slot]
    if (!member || member.isDown || member.isVoterOnly) return false
    return !member.isLeaving || this.#keeper() === slot
  }

  /** Of nodes that all want to leave the one that must be the last; NO_NODE if somebody stays. */
  #keeper(): number {
    let keeper = NO_NODE
    for (const member of this.members) {
      if (!member || member.isDown || member.isVoterOnly) continue
      if (!member.isLeaving) return NO_NODE
      if (keeper === NO_NODE) keeper = member.slot
    }
    return keeper
  }

  /** Copies that each bucket should have: as many as are wished for and there are members to hold them. */
  wantedCopies(): number {
    return Math.min(this.replicas + 1, this.members.filter((_member, slot) => this.isUsable(slot)).length)
  }

  apply(entry: MapEntry): ApplyResult {
    this.#changed = []
    if ((entry.type === 'genesis') !== (this.revision === 0))
      return this.#refuse('the cluster exists already, or not yet')
    const error = this.#dispatch(entry)
    if (error !== null) return this.#refuse(error)
    const isOfMembers = MEMBER_ENTRIES.has(entry.type)
    if (!isOfMembers && !SETTING_ENTRIES.has(entry.type) && this.#changed.length === 0) {
      return this.#refuse(`${entry.type}: the condition holds for none of its buckets any more`)
    }
    this.revision++
    return {changed: true, error: null, buckets: this.#changed, membersChanged: isOfMembers}
  }

  /** Marks a bucket's line as changed; for map-strike.ts. */
  touch(bucket: number): void {
    this.#changed.push(bucket)
  }

  /** Sets a bucket's in-sync copies: the master first, then the others ascending. For map-strike.ts and this file. */
  setCopies(bucket: number, master: number, others: readonly number[]): void {
    const start = bucket * COPIES_MAX
    this.inSync.fill(NO_NODE, start, start + COPIES_MAX)
    this.master[bucket] = master
    let at = start
    if (master !== NO_NODE) this.inSync[at++] = master
    for (const slot of [...others].sort((a, b) => a - b)) if (slot !== master) this.inSync[at++] = slot
  }

  copies(bucket: number): number[] {
    const start = bucket * COPIES_MAX
    const copies: number[] = []
    for (let i = start; i < start + COPIES_MAX && this.inSync[i] !== NO_NODE; i++) copies.push(this.inSync[i]!)
    return copies
  }

  #refuse(error: string): ApplyResult {
    return {changed: false, error, buckets: [], membersChanged: false}
  }

  #dispatch(entry: MapEntry): string | null {
    switch (entry.type) {
      case 'genesis':
        return this.#genesis(entry)
      case 'joined':
        return this.#joined(entry)
      case 'down':
      case 'up':
        return this.#reachable(entry)
      case 'leaving':
        return this.#leaving(entry)
      case 'removed':
        return this.#removed(entry)
      case 'log-sync':
        return this.#logSync(entry)
      case 'in-sync':
      case 'out-of-sync':
      case 'move':
        return this.#fromMaster(entry)
      case 'untarget':
        return this.#each(entry.buckets, (bucket) => this.#setTarget(bucket, NO_NODE))
      case 'restore':
      case 'accept-loss':
        return this.#refill(entry)
      case 'replicas':
        if (this.replicas === entry.count) return 'it is so already'
        this.replicas = entry.count
        return null
      case 'rebalance':
      case 'balanced':
        return this.#setBalancing(entry)
      default:
        return this.#order(entry)
    }
  }

  #setBalancing(entry: Entry<'rebalance'> | Entry<'balanced'>): string | null {
    if (this.isBalancing === (entry.type === 'rebalance')) return 'it is so already'
    // Proposed while a node joined: the planner had not seen it, and without this it would stay empty.
    if (entry.type === 'balanced' && entry.revision !== this.revision) return 'the map has changed since'
    this.isBalancing = entry.type === 'rebalance'
    return null
  }

  #genesis({clusterId, replicas, member, buckets}: Entry<'genesis'>): null {
    this.clusterId = clusterId
    this.replicas = replicas
    this.members[0] = {...member, slot: 0, isDown: false, isLeaving: false}
    this.epoch.fill(1)
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.touch(bucket)
    if (member.isVoterOnly) return null
    const held = buckets === undefined ? this.#changed : (parseBuckets(buckets) ?? [])
    for (const bucket of held) this.setCopies(bucket, 0, [])
    return null
  }

  #joined({member}: Entry<'joined'>): string | null {
    const known = this.member(member.id)
    if (known) {
      this.#joinedAgain(known, member)
      return null
    }
    let slot = this.members.findIndex((other) => other === null)
    if (slot < 0) slot = this.members.length
    if (slot >= MEMBERS_MAX) return `a cluster has at most ${MEMBERS_MAX} members`
    this.members[slot] = {...member, slot, isDown: false, isLeaving: false}
    this.isBalancing = true
    return null
  }

  #joinedAgain(known: Member, member: MemberInfo): void {
    const {slot, isDown} = known
    if (known.incarnation !== member.incarnation && !this.keepsSeats) {
      // A new process: what the old one had in memory is gone.
      strike(this, slot, true)
      this.isBalancing = true
      this.members[slot] = {...member, slot, isDown: false, isLeaving: false}
      return
    }
    // The same process: it has another address, or its request came twice. What it is and does stays as it is.
    if (isDown) this.isBalancing = true
    const {isLeaving, isVoterOnly} = known
    this.members[slot] = {
      ...member,
      slot,
      isDown: false,
      isLeaving,
      isVoterOnly,
      ...(known.log ? {log: known.log} : {}),
    }
    if (known.isLogOn && !isDown) this.members[slot].isLogOn = true
  }

  /** A log node that is in step is waited for from now on; one that is late not any more: never without this entry, or its being down. */
  #logSync({node, incarnation, isOn}: Entry<'log-sync'>): string | null {
    const member = this.member(node)
    if (member?.incarnation !== incarnation || member.log !== 'sync') return 'no such member any more'
    if (isOn && (member.isDown || member.isLeaving)) return 'it is down, or leaving'
    if ((member.isLogOn ?? false) === isOn) return 'it is so already'
    member.isLogOn = isOn
    return null
  }

  #alsoDown(node: string, incarnation: string): void {
    const member = this.member(node)
    if (member?.incarnation !== incarnation) return
    member.isDown = true
    if (member.isLogOn) member.isLogOn = false
  }

  #reachable(entry: Entry<'down'> | Entry<'up'>): string | null {
    const {type, node, incarnation} = entry
    const also = entry.type === 'down' ? entry.also : undefined
    const member = this.member(node)
    if (member?.incarnation !== incarnation) return 'no such member any more'
    if (member.isDown === (type === 'down')) return 'it is so already'
    member.isDown = type === 'down'
    if (member.isDown) {
      if (member.isLogOn) member.isLogOn = false
      for (const {node: id, incarnation: its} of also ?? []) this.#alsoDown(id, its)
    } else this.isBalancing = true
    // One that is back is the heir of those that are not: before, nobody was there to be it.
    for (const other of this.members) if (other?.isDown) strike(this, other.slot, false)
    return null
  }

  #leaving({node, incarnation, isLeaving}: Entry<'leaving'>): string | null {
    const member = this.member(node)
    if (member?.incarnation !== incarnation) return 'no such member any more'
    if (member.isLeaving === isLeaving) return 'it is so already'
    member.isLeaving = isLeaving
    if (isLeaving && member.isLogOn) member.isLogOn = false
    this.isBalancing = true
    return null
  }

  #removed({node, incarnation}: Entry<'removed'>): string | null {
    const member = this.member(node)
    if (!member) return 'no such member'
    // It left, was killed before it was out, and has come back as a new process: what was meant for the old one must not hit that.
    if (incarnation !== undefined && (member.incarnation !== incarnation || !member.isLeaving)) return 'it stays'
    if (!member.isDown && this.#holdsCopies(member.slot)) return 'it is alive and holds buckets: stop it first'
    strike(this, member.slot, true)
    this.members[member.slot] = null
    while (this.members.length > 0 && this.members[this.members.length - 1] === null) this.members.pop()
    this.isBalancing = true
    return null
  }

  #holdsCopies(slot: number): boolean {
    for (let i = 0; i < this.inSync.length; i++) if (this.inSync[i] === slot) return true
    return false
  }

  #refill(entry: Entry<'accept-loss'> | Entry<'restore'>): string | null {
    const member = this.member(entry.node)
    if (!member || member.isDown || member.isVoterOnly) return 'no such member that could hold buckets'
    if (entry.type === 'restore' && member.incarnation !== entry.incarnation) return 'another process by now'
    return this.#each(entry.buckets, (bucket) => {
      if (this.master[bucket] !== NO_NODE) return false
      this.epoch[bucket]!++
      this.setCopies(bucket, member.slot, [])
      return true
    })
  }

  /** Orders of the planner and of operators. */
  #order({type, node, buckets}: Entry<'assign' | 'unassign' | 'target' | 'drop'>): string | null {
    const member = this.member(node)
    if (!member) return 'no such member'
    const {slot} = member
    if (type === 'unassign') return this.#each(buckets, (bucket) => this.#unassign(bucket, slot))
    if (type === 'drop') {
      const wanted = this.wantedCopies()
      return this.#each(buckets, (bucket) => this.#aliveCopies(bucket) > wanted && this.#drop(bucket, slot))
    }
    if (!this.isUsable(slot)) return 'that member is down, leaving, or holds no buckets'
    if (type === 'assign') return this.#each(buckets, (bucket) => this.#assign(bucket, slot))
    return this.#each(buckets, (bucket) => {
      const isCandidate = this.isInSync(bucket, slot) || this.syncing[bucket] === slot
      return isCandidate && this.master[bucket] !== slot && this.#setTarget(bucket, slot)
    })
  }

  #assign(bucket: number, slot: number): boolean {
    if (this.master[bucket] === NO_NODE || this.syncing[bucket] !== NO_NODE) return false
    if (this.isInSync(bucket, slot) || this.copyCount(bucket) >= COPIES_MAX) return false
    this.syncing[bucket] = slot
    this.assignment[bucket] = this.revision + 1
    return true
  }

  #unassign(bucket: number, slot: number): boolean {
    if (this.syncing[bucket] !== slot) return false
    this.endSyncing(bucket)
    if (this.target[bucket] === slot) this.target[bucket] = NO_NODE
    return true
  }

  /** Nobody is being given a copy any more. For map-strike.ts and this file. */
  endSyncing(bucket: number): void {
    this.syncing[bucket] = NO_NODE
    this.assignment[bucket] = 0
  }

  /** An order to drop that comes late, after another copy went, would leave fewer than there should be. */
  #aliveCopies(bucket: number): number {
    return this.copies(bucket).filter((slot) => !this.members[slot]!.isDown).length
  }

  #drop(bucket: number, slot: number): boolean {
    if (this.master[bucket] === slot || !this.isInSync(bucket, slot)) return false
    this.removeCopy(bucket, slot)
    return true
  }

  /** Takes a copy out that is not the master's. For map-strike.ts and this file. */
  removeCopy(bucket: number, slot: number): void {
    const others = this.copies(bucket).filter((copy) => copy !== slot)
    this.setCopies(bucket, this.master[bucket]!, others)
    if (this.target[bucket] === slot) this.target[bucket] = NO_NODE
  }

  #setTarget(bucket: number, slot: number): boolean {
    if (this.target[bucket] === slot) return false
    this.target[bucket] = slot
    return true
  }

  #fromMaster(entry: Entry<'in-sync' | 'out-of-sync' | 'move'>): string | null {
    const from = this.member(entry.from)
    if (from?.incarnation !== entry.incarnation) return 'its proposer is no member any more'
    const other = this.member(entry.type === 'in-sync' ? entry.add : entry.type === 'move' ? entry.to : entry.remove)
    if (!other) return 'no such member'
    if (entry.type === 'in-sync') return this.#addCopies(entry, from, other)
    const act =
      entry.type === 'move'
        ? (bucket: number) => this.#move(bucket, other)
        : (bucket: number) => this.#drop(bucket, other.slot)
    return this.#eachOf(entry.groups, from.slot, act)
  }

  #addCopies({groups}: Entry<'in-sync'>, from: Member, other: Member): null {
    for (const group of groups) {
      this.#eachOf([group], from.slot, (bucket) => this.#addCopy(bucket, other, group.assignment))
    }
    // A word of one who is down by now: its new copies need not wait for it.
    if (from.isDown) strike(this, from.slot, false)
    return null
  }

  #addCopy(bucket: number, member: Member, assignment: number): boolean {
    if (this.syncing[bucket] !== member.slot || this.assignment[bucket] !== assignment || member.isDown) return false
    this.endSyncing(bucket)
    this.setCopies(bucket, this.master[bucket]!, [...this.copies(bucket), member.slot])
    return true
  }

  #move(bucket: number, member: Member): boolean {
    const {slot} = member
    if (this.target[bucket] !== slot || member.isDown || !this.isInSync(bucket, slot)) return false
    this.epoch[bucket]!++
    this.target[bucket] = NO_NODE
    this.setCopies(bucket, slot, this.copies(bucket))
    return true
  }

  #eachOf(groups: readonly EpochBuckets[], master: number, act: (bucket: number) => boolean): null {
    for (const {epoch, buckets} of groups) {
      this.#each(buckets, (bucket) => this.master[bucket] === master && this.epoch[bucket] === epoch && act(bucket))
    }
    return null
  }

  #each(buckets: string, act: (bucket: number) => boolean): null {
    for (const bucket of parseBuckets(buckets) ?? []) if (act(bucket)) this.touch(bucket)
    return null
  }
}

const MEMBER_ENTRIES: ReadonlySet<MapEntry['type']> = new Set([
  'genesis',
  'joined',
  'down',
  'up',
  'leaving',
  'removed',
  'log-sync',
])
const SETTING_ENTRIES: ReadonlySet<MapEntry['type']> = new Set(['replicas', 'rebalance', 'balanced'])
