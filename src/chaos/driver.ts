/**
 * What the tester needs of the system under test: a cluster that it can start, disturb, heal, look at and end. There are drivers for clusters of kv processes, of
 * redis-server processes, and for a cluster that somebody else runs.
 */
import type {Address} from '../base/address.ts'
import type {Prng} from '../base/prng.ts'

/** What is done to a cluster on purpose. What each does exactly: `FAULTS` in faults.ts. */
export type FaultKind =
  | 'stop'
  | 'kill'
  | 'kill-in-stop'
  | 'bounce'
  | 'wipe'
  | 'pause'
  | 'partition'
  | 'one-way'
  | 'isolate-leader'
  | 'late'
  | 'slow'
  | 'join'
  | 'leave'
  | 'move'
  | 'log-kill'
  | 'log-pause'
  | 'log-cut'

/** A process of the cluster, in its place for the whole run: the place stays when the process goes. */
export interface Place {
  /** n1, n2, ...; the data-log node: log. */
  readonly name: string
  readonly address: Address
  /** `off`: was never started, or left. */
  readonly state: 'off' | 'starting' | 'up' | 'paused' | 'down' | 'stopping'
  readonly pid: number | null
}

/** One fault, from its beginning to the moment in which its cause was gone; the cluster may need longer. */
export interface FaultRecord {
  readonly kind: FaultKind
  /** Names of the places. */
  readonly places: readonly string[]
  /** Monotonic ms since the run began. */
  readonly beganMs: number
  /** Null: still on. */
  endedMs: number | null
  /** For people: "n3 <-> n1, n2", "SIGSTOP for 9.0 s". */
  readonly note: string
  /** Why it did not work, or ''. A fault that did not work does not count as fired. */
  error: string
}

/** What a copy of a bucket holds. */
export interface CopyHash {
  readonly bucket: number
  readonly place: string
  readonly epoch: number
  readonly seq: number
  /** Of keys, values and expiries: equal if the content is. */
  readonly hash: string
}

export interface Driver {
  /** 'kv', 'redis' or 'attached'; and what it is exactly, for the report: "kv 0.3.0", "redis-server 7.0.15". */
  readonly name: string
  readonly version: string
  /** Which faults it can do, in this shape (a log node's only where there is one). */
  readonly faultKinds: readonly FaultKind[]
  readonly places: readonly Place[]
  /** All faults so far, in order; those under way have no end yet. */
  readonly faults: readonly FaultRecord[]
  /** Processes that ended though nobody ended them, one sentence each; absent where the processes are not ours. */
  readonly crashes?: readonly string[]
  /** Starts everything; resolves when clients can use every bucket. */
  start(): Promise<void>
  /** Where clients may connect now: places that are up. */
  addresses(): Address[]
  /**
   * Begins a fault, and ends it by itself after a while. Resolves when it has begun; null: the fault budget does not allow this kind now (a second
   * fault that would take the last copy of a bucket, nothing left to stop). Which places, how long: drawn from `prng`.
   */
  inject(kind: FaultKind, prng: Prng): Promise<FaultRecord | null>
  /** Ends all faults: everything runs, nothing is cut. Resolves when that is so; the cluster may not be healthy yet. */
  heal(): Promise<void>
  /** What keeps it from being healthy now, one sentence each; empty: every bucket is served, has all its copies, nothing moves, all places are members. */
  ailments(): Promise<string[]>
  /** State hashes of all copies of all buckets, while nobody writes. Null: this system cannot tell. */
  hashes(): Promise<readonly CopyHash[] | null>
  /** The map or its like as every place sees it, as JSON; for the evidence. Never throws. */
  describe(): Promise<unknown>
  /** Stops every process where it is (SIGSTOP), so that the evidence stays. */
  freeze(): void
  /** Ends everything that it started, at once; nothing of it survives. May be called at any time, twice too. */
  end(): Promise<void>
}

export interface DriverOptions {
  /** Data nodes at the beginning. */
  readonly nodes: number
  readonly replicas: number
  readonly hasLogNode: boolean
  readonly faults: readonly FaultKind[]
  /** Where data dirs, logs and pid files go. */
  readonly folder: string
  /** Planted bugs, for the nodes' KV_PLANT. */
  readonly plants: readonly string[]
  /** Monotonic ms since the run began. */
  now(): number
  /** For the report: something happened that a reader wants to know. */
  event(text: string): void
}
