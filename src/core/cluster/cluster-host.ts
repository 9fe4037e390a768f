/**
 * What a cluster core needs to begin, and what it asks of whoever drives it: `src/node` answers with sockets and disks, the simulator with made-up ones. The core
 * calls these in the middle of its work; none of them may call back into it.
 */
import type {MemberInfo} from './cluster-map.ts'
import type {RaftState, RaftWrite} from '../consensus/types.ts'
import type {LogPositions} from '../../record/log-position.ts'
import type {LogSink} from '../replication/recorder.ts'
import type {Session} from '../session.ts'

export interface PeerAddress {
  readonly id: string
  readonly host: string
  readonly port: number
}

export interface ClusterHost {
  sendPacket(id: string, packet: Buffer): boolean
  /** Bytes for this node that were sent and have not left yet. */
  queuedBytes(id: string): number
  /** Something was said that `Cluster.flush` sends: it is to be called when this turn ends. */
  flushSoon(): void
  /** It may look at a packet even after the peer has acknowledged it. */
  readonly keepsPackets: boolean
  /** Makes it durable, in order, and says so by `Cluster.persisted`, not from within this call. */
  persist(write: RaftWrite): void
  /** The nodes to be connected with. */
  setPeers(peers: readonly PeerAddress[]): void
  release(session: Session): void
  abort(session: Session): void
  /** Something that an operator may want to read. */
  event(name: ClusterEvent, detail: Readonly<Record<string, unknown>>): void
}

export type ClusterEvent =
  'admitted' | 'removed' | 'join-refused' | 'leader' | 'entry' | 'link-broken' | 'entry-refused'

export interface ClusterOptions {
  readonly self: MemberInfo
  /** 32 bits. */
  readonly seed: number
  /** Monotonic ms. */
  readonly now: number
  /** What was durable at start; null: nothing. */
  readonly state: RaftState | null
  /** A data-log node: where what it hears is written, and what is there already. */
  readonly log?: {readonly sink: LogSink; readonly positions: LogPositions}
  /** What KV_PLANT names: faults on purpose. */
  readonly plants: ReadonlySet<string>
}
