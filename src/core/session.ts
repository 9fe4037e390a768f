/**
 * What the engine knows of one client connection. The driver (src/node) makes it, hands it in with each request and
 * tells the engine when it is gone.
 */
import type {Request} from '../resp/request-decoder.ts'
import type {Command} from './command/command.ts'
import type {Subscriptions} from './pubsub/subscriptions.ts'
import type {TrackingState} from './tracking/tracking-state.ts'
import type {Watcher} from './watches.ts'

/** A command that waits for EXEC, with a copy of its arguments. */
export interface QueuedCommand {
  readonly command: Command
  readonly request: Request
}

export const NO_BUCKET = -1
export const MANY_BUCKETS = -2

export const REPLY_ON = 0
export const REPLY_OFF = 1
/** Reply to no command up to and including the next one. */
export const REPLY_SKIP_NEXT = 2
export const REPLY_SKIP = 3

export class Session implements Watcher {
  readonly id: number
  /** `host:port` of the client, and of our end. */
  readonly address: string
  readonly localAddress: string
  /** Unix ms. */
  readonly createdAt: number
  /** Unix ms of the last request. */
  activeAt: number

  proto: 2 | 3 = 2
  isAuthenticated: boolean
  name = ''
  libraryName = ''
  libraryVersion = ''
  lastCommand = 'NULL'
  replyMode = REPLY_ON
  /** The request that is answered later (WAITING) fell under CLIENT REPLY OFF or SKIP: its answer is not sent. */
  isAnswerMuted = false
  isReadonly = false
  isNoEvict = false
  isNoTouch = false
  isMonitor = false
  /** Asked for SMIGRATED pushes (CLIENT MAINT_NOTIFICATIONS ON). */
  wantsMaintenance = false
  capabilities: readonly string[] = []
  /** The reply was the last one: close when it is sent. */
  closesAfterReply = false

  inTransaction = false
  /** A command could not be queued: EXEC will refuse. */
  isTransactionBad = false
  queue: QueuedCommand[] = []
  /** About what the queue takes. */
  queuedBytes = 0
  /** Bucket of the queued keys, NO_BUCKET or MANY_BUCKETS. */
  transactionBucket = NO_BUCKET

  /** The connection is gone. */
  isGone = false
  /** Null: its client keeps nothing that it must be told of. */
  tracking: TrackingState | null = null
  /** Null: it is subscribed to nothing. */
  subscriptions: Subscriptions | null = null

  readonly watched = new Set<string>()
  isDirty = false

  constructor(id: number, address: string, localAddress: string, now: number, isAuthenticated: boolean) {
    this.id = id
    this.address = address
    this.localAddress = localAddress
    this.createdAt = now
    this.activeAt = now
    this.isAuthenticated = isAuthenticated
  }
}
