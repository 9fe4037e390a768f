/**
 * The giving half: the life of each bucket of which the agreed map says that this node is master.
 *
 *   map: master = us, new epoch --> WAITING: ask the other in-sync copies whether they are where we are (rule R5)
 *        all agreed, or were taken out of the map --> SERVING
 *   map: syncing = peer --> the copier gives it a copy; in step --> counted from now on (R4), and proposed as in-sync
 *   map: target = peer, in sync --> HANDING: park, drain, propose the move; decided --> MOVED, or SERVING again
 *   a copy is late, refuses, differs --> proposed out-of-sync; counted until the map says so (R3)
 *   map: master = another, or a peer knows a newer epoch --> resigned at once
 *
 * The peers that hold up replies are always at least those of the committed map: a peer that is being added counts before it is proposed, one
 * that is being removed counts until the removal is committed.
 */
import {
  ACK_TIMEOUT_MS,
  BUCKET_COUNT,
  CLOCK_DRIFT,
  HANDOFF_BUCKETS_MAX,
  HANDOFF_LAST_MS,
  HANDOFF_SERVING_MS,
  HANDOFF_TIMEOUT_MS,
  LEASE_MS,
  PROPOSAL_RETRY_MS,
} from '../../constants.ts'
import {COPIES_MAX, NO_NODE} from '../cluster/cluster-map.ts'
import {MESSAGE_AGREE, MESSAGE_SERVING, REFUSED_GAP, encodeEpochs, encodePositions} from '../peer/message.ts'
import {Copier} from './copier.ts'
import {LogFeeds} from './log-feeds.ts'
import {Proposals} from './proposals.ts'
import {ROLE_FOREIGN, ROLE_HANDING, ROLE_SERVING, ROLE_WAITING} from './roles.ts'
import type {ClusterMap} from '../cluster/cluster-map.ts'
import type {Effects} from '../effects.ts'
import type {Link} from '../peer/link.ts'
import type {MapEntry} from '../cluster/map-entry.ts'
import type {Parking} from '../parking.ts'
import type {BucketEpoch, Position, Verdict} from '../peer/message.ts'
import type {Gate} from './gate.ts'
import type {Replica} from './replica.ts'
import type {ReplicaSets} from './replica-sets.ts'
import type {Wish} from './proposals.ts'
import type {Roles} from './roles.ts'

/** What this node shares with its master half. */
export interface MasterContext {
  readonly effects: Effects
  readonly parking: Parking
  readonly roles: Roles
  readonly replica: Replica
  readonly sets: ReplicaSets
  readonly gate: Gate
  readonly selfId: string
  readonly incarnation: string
  map(): ClusterMap
  selfSlot(): number
  linkOf(slot: number): Link | null
  appliedIndex(): number
  now(): number
  propose(entry: MapEntry): void
  requestWork(): void
}

/** A reign that has not begun: who has not agreed yet. */
interface Agreement {
  readonly pending: Set<number>
  /** Those who answered that they are somewhere else: they know of the new epoch. */
  readonly different: Set<number>
  /** Whom to tell when we serve. */
  readonly previous: number
  /** A copy was taken out of the map without a word from it: its lease may run until then. */
  readyAt: number
}

interface Handing {
  readonly to: number
  readonly since: number
}

export class Master {
  readonly #c: MasterContext
  /** The epoch in which we are master; 0 = we are not. */
  readonly reign = new Uint32Array(BUCKET_COUNT)
  /** A peer that is in step and proposed as in-sync. */
  readonly #adding = new Uint8Array(BUCKET_COUNT).fill(NO_NODE)
  /** ... and the assignment (of the map) by which it was given the copy. */
  readonly #addingBy = new Float64Array(BUCKET_COUNT)
  readonly #agreements = new Map<number, Agreement>()
  readonly #handing = new Map<number, Handing>()
  /** Handed over, parked until the new master serves. */
  readonly #departed = new Map<number, number>()
  /** When a bucket was handed over last. */
  #departedAt = Number.NEGATIVE_INFINITY
  readonly #targeted = new Set<number>()
  readonly copier: Copier
  /** What data-log nodes are given. */
  readonly logs: LogFeeds
  readonly proposals: Proposals
  #asks = new Map<number, Position[]>()
  #notices = new Map<number, BucketEpoch[]>()
  /** The last one who was master before us. */
  readonly #previous = new Uint8Array(BUCKET_COUNT).fill(NO_NODE)
  /** When each late peer was last given up on. */
  readonly #gaveUpAt = new Map<number, number>()
  /** Planted bugs. */
  skipsAgreement = false
  servesAfterHandoff = false
  shrinksEarly = false

  constructor(context: MasterContext) {
    this.#c = context
    const {effects, sets, selfId, incarnation} = context
    this.copier = new Copier(effects, sets, {
      linkOf: (slot) => context.linkOf(slot),
      epochOf: (bucket) => this.reign[bucket]!,
      appliedIndex: () => context.appliedIndex(),
      updatePeers: (bucket) => this.#updatePeers(bucket),
      assignmentOf: (bucket) => context.map().assignment[bucket]!,
      count: (bucket, slot, assignment) => this.#count(bucket, slot, assignment),
      inStep: (bucket, slot, assignment) => this.#inStep(bucket, slot, assignment),
      requestWork: () => context.requestWork(),
      now: () => context.now(),
    })
    this.logs = new LogFeeds({
      ...context,
      reign: this.reign,
      updatePeers: (bucket) => this.#updatePeers(bucket),
    })
    this.proposals = new Proposals({
      epochs: this.reign,
      assignmentOf: (bucket) => this.#addingBy[bucket]!,
      selfId,
      incarnation,
      idOf: (slot) => context.map().members[slot]?.id ?? null,
      propose: (entry) => context.propose(entry),
    })
  }

  /** The map's line of this bucket names us as master. `kind`: of the entry that changed it. */
  reignOver(bucket: number, kind: MapEntry['type'] | 'snapshot'): void {
    const map = this.#c.map()
    const epoch = map.epoch[bucket]!
    this.proposals.settle(bucket, (kind, slot) => this.reign[bucket] === epoch && this.#isOpen(kind, bucket, slot))
    if (this.reign[bucket] !== epoch) this.#become(bucket, epoch)
    else this.#follow(bucket, kind)
    if (map.target[bucket] === NO_NODE) this.#targeted.delete(bucket)
    else this.#targeted.add(bucket)
  }

  /** True if the map's line does not show yet what was proposed. */
  #isOpen(kind: Wish, bucket: number, slot: number): boolean {
    const map = this.#c.map()
    if (kind === 'in-sync') return this.#isAdding(bucket, slot)
    if (kind === 'out-of-sync') return map.isInSync(bucket, slot)
    return map.target[bucket] === slot
  }

  /** The peer counts because it was given the copy that the map wants: not one that was assigned to it before. */
  #isAdding(bucket: number, slot: number): boolean {
    const {syncing, assignment} = this.#c.map()
    if (this.#adding[bucket] !== slot || syncing[bucket] !== slot) return false
    return this.#addingBy[bucket] === assignment[bucket]
  }

  /** The map's line names another, or a peer has told us of a newer epoch. */
  resign(bucket: number, isHandedOver: boolean): void {
    if (this.reign[bucket] === 0) return
    const {sets, gate, effects} = this.#c
    gate.fail(bucket, sets.isClean(bucket, effects.ticketOf[bucket]!))
    effects.ticketOf[bucket] = 0
    this.reign[bucket] = 0
    this.#adding[bucket] = NO_NODE
    this.#agreements.delete(bucket)
    this.#targeted.delete(bucket)
    this.copier.cancel(bucket)
    this.logs.resign(bucket)
    this.proposals.settle(bucket, () => false)
    sets.release(bucket)
    const wasHanding = this.#handing.delete(bucket)
    if (wasHanding && isHandedOver) {
      this.#departedAt = this.#c.now()
      this.#departed.set(bucket, this.#departedAt + HANDOFF_SERVING_MS)
    }
  }

  /** True while requests for a bucket that was handed over wait for its new master. */
  isDeparted(bucket: number): boolean {
    return this.#departed.has(bucket)
  }

  /** The new master of these buckets serves: those who waited are sent to it. */
  serving(lines: readonly BucketEpoch[]): void {
    for (const {bucket} of lines) this.#leave(bucket)
  }

  /** Answers of copies to our question. */
  agreed(slot: number, verdicts: readonly Verdict[]): void {
    if (this.logs.isLog(slot)) return this.logs.agreed(slot, verdicts)
    for (const {bucket, epoch, code} of verdicts) {
      const agreement = this.#agreements.get(bucket)
      if (!agreement || this.reign[bucket] !== epoch) continue
      if (code === 1) agreement.pending.delete(slot)
      else {
        // It has another past: out of the map with it, then a new copy.
        agreement.different.add(slot)
        this.proposals.want('out-of-sync', bucket, slot)
      }
      this.#tryReady(bucket)
    }
  }

  /** A peer did not apply our records. Returns what it knows of newer epochs. */
  refused(slot: number, verdicts: readonly Verdict[]): BucketEpoch[] {
    const newer: BucketEpoch[] = []
    for (const {bucket, epoch, code} of verdicts) {
      const reign = this.reign[bucket]!
      if (reign === 0) continue
      if (code !== REFUSED_GAP && epoch > reign) newer.push({bucket, epoch})
      else if (code === REFUSED_GAP && this.logs.isLog(slot)) this.logs.refused(slot, bucket)
      else if (code === REFUSED_GAP) this.#lostCopy(bucket, slot)
    }
    return newer
  }

  /** Everything on its way to this peer is lost. */
  linkBroken(slot: number): void {
    this.copier.restart(slot)
    const map = this.#c.map()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (this.reign[bucket] !== 0 && map.isInSync(bucket, slot)) this.proposals.want('out-of-sync', bucket, slot)
    }
  }

  /** True if no bucket of ours counts on this peer. */
  isFreeOf(slot: number): boolean {
    const map = this.#c.map()
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (this.reign[bucket] !== 0 && (map.isInSync(bucket, slot) || this.#adding[bucket] === slot)) return false
    }
    return true
  }

  /** Acknowledgements came, time went by: goes on with what waited for that. */
  pump(now: number): void {
    this.copier.progress()
    this.logs.pump()
    this.#pumpHandoffs(now)
    for (const [bucket, until] of this.#departed) if (now >= until) this.#leave(bucket)
    for (const bucket of this.#agreements.keys()) this.#tryReady(bucket)
    this.proposals.pump(now)
    this.#sendLines()
  }

  /** Takes peers out that owe acknowledgements for too long. */
  tick(now: number): void {
    const map = this.#c.map()
    for (const member of map.members) {
      if (!member || member.slot === this.#c.selfSlot()) continue
      const link = this.#c.linkOf(member.slot)
      if (!link) continue
      if (this.logs.isLog(member.slot)) this.logs.tick(member.slot, link, now)
      else if (link.isBroken && this.isFreeOf(member.slot)) {
        link.restart()
        this.copier.restart(member.slot)
      } else if (link.isBroken || link.lateness(now) > ACK_TIMEOUT_MS) this.#giveUpOn(member.slot)
    }
  }

  get waitingCount(): number {
    return this.#agreements.size + this.#handing.size
  }

  #become(bucket: number, epoch: number): void {
    const {roles, replica, effects} = this.#c
    const map = this.#c.map()
    const self = this.#c.selfSlot()
    const isOurs = this.reign[bucket] !== 0
    if (isOurs) this.resign(bucket, false)
    this.reign[bucket] = epoch
    if (!replica.claim(bucket)) {
      // Not to be served as empty (R8). Only a bug or a damaged map leads here.
      roles.set(bucket, ROLE_WAITING, this.#c.now())
      return
    }
    const position = replica.position(bucket, epoch)
    const pending = new Set<number>()
    for (const slot of this.#others(bucket)) pending.add(slot)
    const previous = this.#previous[bucket]!
    this.#previous[bucket] = self
    effects.epoch[bucket] = epoch
    this.logs.reign(position)
    this.#updatePeers(bucket)
    if (map.syncing[bucket] !== NO_NODE) this.copier.start(bucket, map.syncing[bucket]!)
    roles.set(bucket, ROLE_WAITING, this.#c.now())
    this.#agreements.set(bucket, {...newAgreement(previous), pending: this.skipsAgreement ? new Set() : pending})
    for (const slot of pending) push(this.#asks, slot, position)
    this.#tryReady(bucket)
  }

  /** Remembers who was master, for when it is our turn. */
  noteMaster(bucket: number, slot: number): void {
    this.#previous[bucket] = slot
  }

  #follow(bucket: number, kind: MapEntry['type'] | 'snapshot'): void {
    const map = this.#c.map()
    const agreement = this.#agreements.get(bucket)
    if (agreement) this.#pruneAgreement(bucket, agreement, kind)
    const syncing = map.syncing[bucket]!
    const isAdding = syncing !== NO_NODE && this.#isAdding(bucket, syncing)
    if (!isAdding) this.#adding[bucket] = NO_NODE
    if (syncing === NO_NODE) this.copier.cancel(bucket)
    else if (!isAdding && !this.copier.isCopying(bucket, syncing)) this.copier.start(bucket, syncing)
    this.#updatePeers(bucket)
    const handing = this.#handing.get(bucket)
    if (handing && map.target[bucket] !== handing.to) {
      this.#handing.delete(bucket)
      if (!this.#agreements.has(bucket)) this.#c.roles.set(bucket, ROLE_SERVING, this.#c.now())
    }
    this.#tryReady(bucket)
  }

  /** Copies that the map does not have any more need not agree. */
  #pruneAgreement(bucket: number, agreement: Agreement, kind: MapEntry['type'] | 'snapshot'): void {
    const map = this.#c.map()
    for (const slot of [...agreement.pending]) {
      if (map.isInSync(bucket, slot)) continue
      agreement.pending.delete(slot)
      // Declared down: the leader has waited for its lease. Else it may still answer reads, if it has not heard of the new epoch.
      if (kind !== 'down' && !agreement.different.has(slot)) {
        agreement.readyAt = this.#c.now() + LEASE_MS * (1 + 2 * CLOCK_DRIFT)
      }
    }
  }

  #tryReady(bucket: number): void {
    const agreement = this.#agreements.get(bucket)
    if (!agreement || agreement.pending.size > 0 || this.#c.now() < agreement.readyAt) return
    this.#agreements.delete(bucket)
    this.#c.sets.doubt(bucket, false)
    this.#c.roles.set(bucket, this.#handing.has(bucket) ? ROLE_HANDING : ROLE_SERVING, this.#c.now())
    const epoch = this.reign[bucket]!
    const {previous} = agreement
    if (previous !== NO_NODE && previous !== this.#c.selfSlot()) push(this.#notices, previous, {bucket, epoch})
  }

  #updatePeers(bucket: number): void {
    const required = this.#others(bucket)
    const adding = this.#adding[bucket]!
    if (adding !== NO_NODE && !required.includes(adding)) required.push(adding)
    const receiver = this.copier.receiver(bucket)
    const receiving = receiver < 0 || required.includes(receiver) ? [] : [receiver]
    this.logs.addTo(bucket, required, receiving)
    this.#c.sets.assign(bucket, required, receiving)
  }

  #others(bucket: number): number[] {
    const {inSync} = this.#c.map()
    const self = this.#c.selfSlot()
    const others: number[] = []
    for (let i = bucket * COPIES_MAX; i < (bucket + 1) * COPIES_MAX && inSync[i] !== NO_NODE; i++) {
      if (inSync[i] === self) continue
      if (this.shrinksEarly && this.proposals.isWanted('out-of-sync', bucket, inSync[i]!)) continue
      others.push(inSync[i]!)
    }
    return others
  }

  #count(bucket: number, slot: number, assignment: number): void {
    const map = this.#c.map()
    if (map.syncing[bucket] !== slot || map.assignment[bucket] !== assignment) return
    this.#adding[bucket] = slot
    this.#addingBy[bucket] = assignment
    this.#updatePeers(bucket)
  }

  #inStep(bucket: number, slot: number, assignment: number): void {
    if (this.#isAdding(bucket, slot) && this.#addingBy[bucket] === assignment)
      this.proposals.want('in-sync', bucket, slot)
  }

  /** The peer's copy has a hole. */
  #lostCopy(bucket: number, slot: number): void {
    const map = this.#c.map()
    if (map.isInSync(bucket, slot)) {
      // Its acknowledgements are worth nothing. Who waits for them waits until the map does not have it any more: the others have it all.
      this.#c.sets.doubt(bucket, true)
      const agreement = this.#agreements.get(bucket) ?? newAgreement(NO_NODE)
      agreement.pending.add(slot)
      agreement.different.add(slot)
      this.#agreements.set(bucket, agreement)
      this.#c.roles.set(bucket, ROLE_WAITING, this.#c.now())
      this.proposals.want('out-of-sync', bucket, slot)
    } else if (map.syncing[bucket] === slot) {
      this.#adding[bucket] = NO_NODE
      this.copier.start(bucket, slot)
      this.#updatePeers(bucket)
    }
  }

  #giveUpOn(slot: number): void {
    const map = this.#c.map()
    const now = this.#c.now()
    // What is wanted stays wanted: only buckets that came since are new.
    if (now - (this.#gaveUpAt.get(slot) ?? Number.NEGATIVE_INFINITY) < PROPOSAL_RETRY_MS) return
    this.#gaveUpAt.set(slot, now)
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
      if (this.reign[bucket] === 0 || !map.isInSync(bucket, slot)) continue
      this.proposals.want('out-of-sync', bucket, slot)
      if (this.shrinksEarly) this.#updatePeers(bucket)
    }
  }

  #pumpHandoffs(now: number): void {
    const map = this.#c.map()
    const {roles, sets, gate, effects, parking} = this.#c
    for (const bucket of this.#targeted) {
      if (this.#handing.size >= HANDOFF_BUCKETS_MAX) break
      const to = map.target[bucket]!
      const canBegin =
        roles.role[bucket] === ROLE_SERVING && this.#adding[bucket] === NO_NODE && map.isInSync(bucket, to)
      if (!canBegin || this.#isKeptBack(now) || !this.#c.linkOf(to)?.isConnected) continue
      this.#handing.set(bucket, {to, since: now})
      if (!this.servesAfterHandoff) roles.set(bucket, ROLE_HANDING, now)
    }
    for (const [bucket, {to, since}] of this.#handing) {
      const isDrained =
        !this.#agreements.has(bucket) &&
        sets.isClean(bucket, effects.ticketOf[bucket]!) &&
        !parking.hasJob(bucket) &&
        !sets.isLate(bucket) &&
        !gate.isUnproven(bucket)
      if (now - since > HANDOFF_TIMEOUT_MS) this.proposals.want('untarget', bucket, to)
      else if (isDrained) this.proposals.want('move', bucket, to)
    }
  }

  /**
   * The last bucket of a node goes some time after the others. With it the node leaves the list of masters, and there are clients that cut a
   * connection as soon as they read that, and give up what they have sent on it: by then they shall have nothing to send here any more.
   */
  #isKeptBack(now: number): boolean {
    if (this.#c.roles.servingCount > 1) return false
    return this.#handing.size > 0 || this.#departed.size > 0 || now - this.#departedAt < HANDOFF_LAST_MS
  }

  #leave(bucket: number): void {
    if (!this.#departed.delete(bucket)) return
    if (this.reign[bucket] === 0) this.#c.roles.set(bucket, ROLE_FOREIGN, this.#c.now())
  }

  #sendLines(): void {
    for (const [slot, positions] of this.#asks) this.#c.linkOf(slot)?.append(MESSAGE_AGREE, encodePositions(positions))
    for (const [slot, lines] of this.#notices) this.#c.linkOf(slot)?.append(MESSAGE_SERVING, encodeEpochs(lines))
    this.#asks = new Map()
    this.#notices = new Map()
  }
}

function newAgreement(previous: number): Agreement {
  return {pending: new Set(), different: new Set(), previous, readyAt: 0}
}

function push<T>(lists: Map<number, T[]>, slot: number, item: T): void {
  const list = lists.get(slot)
  if (list) list.push(item)
  else lists.set(slot, [item])
}
