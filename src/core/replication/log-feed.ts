/**
 * What a master gives to one data-log node: of each of its buckets an image if one is wanted, and then every record.
 *
 *   OFF --we become master, or the log node is there--> ASKED --it is where we are--> FOLLOWING
 *                                                        --it is elsewhere--> COPYING --the image is durable there--> FOLLOWING
 *                                                        --it is behind, and the backlog has the rest, sent with a second question--> RESUMED
 *   RESUMED --the answer to the first question--> ASKED_AGAIN --yes--> SETTLING --what came from the backlog is durable there--> FOLLOWING
 *                                                             --no--> COPYING
 *
 * The bucket's records follow the question in the same stream, so that none is missing when the answer is yes. If the log node cannot keep up, its link
 * breaks (peer/link.ts), and all begins anew: what it missed is in the images.
 */
import {
  ACK_TIMEOUT_MS,
  BUCKET_COUNT,
  LOG_IMAGES_MAX,
  LOG_LAZY_MS,
  LOG_RESEND_MS,
  PROPOSAL_RETRY_MS,
} from '../../constants.ts'
import {MESSAGE_AGREE, MESSAGE_RECORDS, encodePositions} from '../peer/message.ts'
import {Copier} from './copier.ts'
import type {Effects} from '../effects.ts'
import type {MapEntry} from '../cluster/map-entry.ts'
import type {Member} from '../cluster/cluster-map.ts'
import type {Link} from '../peer/link.ts'
import type {Position, Verdict} from '../peer/message.ts'
import type {ReplicaSets} from './replica-sets.ts'

const OFF = 0
const ASKED = 1
const RESUMED = 2
const ASKED_AGAIN = 3
const SETTLING = 4
const COPYING = 5
const FOLLOWING = 6

/** What a feed knows of its master. */
export interface FeedContext {
  readonly effects: Effects
  readonly sets: ReplicaSets
  /** The epoch in which we are master of each bucket; 0 = we are not. */
  readonly reign: Uint32Array
  linkOf(slot: number): Link | null
  appliedIndex(): number
  now(): number
  requestWork(): void
  propose(entry: MapEntry): void
  /** The peers of the bucket changed. */
  updatePeers(bucket: number): void
}

export class LogFeed {
  readonly slot: number
  readonly incarnation: string
  readonly #id: string
  /** It is waited for (`Member.isLogOn`). */
  isOn = false
  readonly #c: FeedContext
  /** The bucket is followed now, or not any more. */
  readonly #changed: (bucket: number) => void
  readonly #state = new Uint8Array(BUCKET_COUNT)
  readonly #copier: Copier
  /** Buckets that wait for their image. */
  readonly #queue = new Set<number>()
  /** Position in the link behind what each got from the backlog; while it is RESUMED to SETTLING. */
  readonly #restAt = new Map<number, number>()
  #asks: Position[] = []
  #gaveUpAt = Number.NEGATIVE_INFINITY

  constructor(context: FeedContext, {id, slot, incarnation}: Member, changed: (bucket: number) => void) {
    this.#c = context
    this.#id = id
    this.slot = slot
    this.incarnation = incarnation
    this.#changed = changed
    this.#copier = new Copier(context.effects, context.sets, {
      linkOf: (slot) => context.linkOf(slot),
      epochOf: (bucket) => context.reign[bucket]!,
      appliedIndex: () => context.appliedIndex(),
      updatePeers: (bucket) => context.updatePeers(bucket),
      assignmentOf: () => 0,
      count: () => undefined,
      inStep: (bucket) => this.#follow(bucket),
      requestWork: () => context.requestWork(),
      now: () => context.now(),
    })
  }

  /** It has, or will have, every record of ours. */
  isFollowing(bucket: number): boolean {
    return this.#state[bucket] === FOLLOWING
  }

  /** The bucket's records are for it. Until its image begins, a log node that is elsewhere has no use for them. */
  isReceiver(bucket: number): boolean {
    const state = this.#state[bucket]
    return state !== OFF && (state !== COPYING || this.#copier.receiver(bucket) >= 0)
  }

  /** Is it where we are? */
  ask(position: Position): void {
    const {bucket} = position
    this.#clear(bucket)
    this.#asks.push(position)
    this.#state[bucket] = ASKED
    this.#changed(bucket)
  }

  /** Asks about all of our buckets, in the middle of their reigns. */
  begin(): void {
    const {effects, reign} = this.#c
    reign.forEach((epoch, bucket) => {
      if (epoch !== 0) this.ask({bucket, epoch, positionEpoch: effects.epoch[bucket]!, seq: effects.seq[bucket]!})
    })
  }

  /** Nothing of this bucket is for it any more. */
  end(bucket: number): void {
    this.#clear(bucket)
    this.#state[bucket] = OFF
  }

  /** Answers to our questions. */
  agreed(verdicts: readonly Verdict[]): void {
    // It executes what we send; from now on only its disk is waited for.
    const link = this.#c.linkOf(this.slot)
    if (link) link.resendMs = LOG_RESEND_MS
    for (const {bucket, epoch, code} of verdicts) {
      if (this.#c.reign[bucket] === epoch) this.#answered(bucket, code === 1)
    }
  }

  #answered(bucket: number, isSame: boolean): void {
    const state = this.#state[bucket]
    if (state === OFF || state === COPYING) return
    if (state === RESUMED) this.#state[bucket] = ASKED_AGAIN
    // A no counts in any state: an older yes may have made us believe that it follows (the simulator's seed 1081).
    else if (!isSame) this.#copy(bucket)
    else if (state === ASKED) this.#follow(bucket)
    else if (state === ASKED_AGAIN) this.#state[bucket] = SETTLING
  }

  /** It is behind us, at these places: it gets what it missed, if that is still there. */
  resume(places: readonly Position[]): void {
    const link = this.#c.linkOf(this.slot)
    const {effects, reign, sets} = this.#c
    if (!link || !sets.backlog) return
    // All that was executed is in the backlog then.
    sets.flush()
    const wanted = new Map<number, {epoch: number; seq: number}>()
    for (const {bucket, positionEpoch: epoch, seq} of places) {
      const isOurs = this.#state[bucket] === ASKED && reign[bucket] === epoch
      if (isOurs && seq < effects.seq[bucket]! && !effects.isBusy(bucket)) wanted.set(bucket, {epoch, seq})
    }
    if (wanted.size === 0) return
    const rest = sets.backlog.since(wanted)
    const asks = places.filter(({bucket}) => wanted.get(bucket)?.seq === effects.seq[bucket])
    if (asks.length === 0) return
    link.append(MESSAGE_AGREE, encodePositions(asks.map((place) => ({...place, epoch: reign[place.bucket]!}))))
    link.append(MESSAGE_RECORDS, rest)
    link.flush(this.#c.now())
    for (const {bucket} of asks) {
      this.#state[bucket] = RESUMED
      this.#restAt.set(bucket, link.position)
    }
  }

  /** It has a gap, and says so once. */
  refused(bucket: number): void {
    if (this.#state[bucket] !== OFF) this.#copy(bucket)
  }

  /** One that is late is not counted on any more, by agreement; if its link broke all begins anew: what was on its way is lost. */
  tick(link: Link, now: number): void {
    if (this.isOn && (link.isBroken || link.lateness(now) > ACK_TIMEOUT_MS)) {
      if (now - this.#gaveUpAt < PROPOSAL_RETRY_MS) return
      this.#gaveUpAt = now
      this.#c.propose({type: 'log-sync', node: this.#id, incarnation: this.incarnation, isOn: false})
    } else if (link.isBroken) {
      link.restart()
      this.begin()
    }
  }

  /** Sends questions, begins images that wait, takes note of what has arrived. */
  pump(): void {
    const link = this.#c.linkOf(this.slot)
    if (this.#asks.length > 0) {
      link?.append(MESSAGE_AGREE, encodePositions(this.#asks))
      this.#asks = []
    }
    for (const bucket of this.#queue) {
      if (this.#copier.count >= LOG_IMAGES_MAX) break
      this.#queue.delete(bucket)
      this.#copier.start(bucket, this.slot)
      this.#c.requestWork()
    }
    this.#copier.progress()
    if (link) link.lazyMs = this.isOn ? 0 : LOG_LAZY_MS
    // What came from the backlog carries no ticket: until it is on the disk there, the bucket is not followed (the simulator's seed 1383).
    for (const [bucket, restAt] of this.#restAt) {
      if (this.#state[bucket] === SETTLING && link?.isAcked(restAt)) this.#follow(bucket)
    }
  }

  /** Sends some of the images; `budget`: records, about. True if there is more to do at once. */
  work(budget: number): boolean {
    return this.#copier.work(budget)
  }

  #follow(bucket: number): void {
    this.#restAt.delete(bucket)
    this.#state[bucket] = FOLLOWING
    this.#changed(bucket)
  }

  #copy(bucket: number): void {
    this.#clear(bucket)
    this.#state[bucket] = COPYING
    this.#queue.add(bucket)
    this.#changed(bucket)
  }

  #clear(bucket: number): void {
    this.#queue.delete(bucket)
    this.#restAt.delete(bucket)
    this.#copier.cancel(bucket)
  }
}
