/**
 * What the engine asks of whoever drives it: the one narrow way out. `src/node` answers with sockets and disks, the simulator
 * with made-up ones. The engine calls these during `execute`, `work` and `tick`; none of them may call back into it.
 */
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Session} from './session.ts'

/** Facts of the running process that INFO reports and the engine cannot know. Bytes, ms, counts. */
export interface HostFacts {
  readonly processId: number
  /** 40 hex digits, others at each start. */
  readonly runId: string
  readonly host: string
  readonly port: number
  readonly peerPort: number
  readonly startedAt: number
  readonly residentBytes: number
  readonly heapBytes: number
  readonly cpuUserUs: number
  readonly cpuSystemUs: number
  readonly connectionsReceived: number
  readonly connectionsRejected: number
  readonly maxClients: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly operationsPerSecond: number
  readonly executable: string
  readonly saveFile: string
  readonly dataDir: string
  /** Of the savefile: a save is running; Unix seconds of the last good one; did the last one succeed. */
  readonly isSaving: boolean
  readonly lastSaveAt: number
  readonly lastSaveOk: boolean
  readonly changesSinceSave: number
}

export interface ShutdownOptions {
  /** `save`: write the savefile; `nosave`: do not; `default`: if one was given at start. */
  readonly mode: 'default' | 'save' | 'nosave'
  readonly isNow: boolean
  readonly isForced: boolean
}

export interface Host {
  /** Answers a request for which `execute` said WAITING; the session then goes on with its next one. */
  complete(session: Session, write: (out: ReplyWriter) => void): void
  /** As `complete`, for a reply too large to be copied at once: these bytes, one after the other, which are the host's now. */
  completeWith(session: Session, pieces: readonly Buffer[]): void
  /** A session whose request was PARKED may try it again. */
  wake(session: Session): void
  /** Sends an out-of-band message to a session. */
  push(session: Session, write: (out: ReplyWriter) => void): void
  /** There is work for `Engine.work` beyond what ticks do. */
  requestWork(): void
  /** Begins the orderly stop; returns an error text if it cannot. Later the session is answered only if the stop fails. */
  shutdown(session: Session, options: ShutdownOptions): string | null
  /** This node, alone and empty, joins the cluster of the node at this address; `session` is completed when it is in, or cannot. */
  meet(session: Session, host: string, port: number): void
  /** Reads the data log from a place on; `session` is completed with the page. Returns an error text if none is kept here. */
  readLog(session: Session, from: {readonly segment: number; readonly offset: number}, bytes: number): string | null
  /** Starts a save; `session` is completed when it ends, or answered at once for a background one. Returns an error text if it cannot start. */
  save(session: Session | null, isBackground: boolean): string | null
  sessions(): Iterable<Session>
  /** Closes the connection, after its replies are sent. */
  close(session: Session): void
  facts(): HostFacts
  /** Settings that only the host knows, for CONFIG GET and SET: null = unknown name; set returns an error text or null. */
  configGet(name: string): string | null
  configSet(name: string, value: string): string | null
  configNames(): readonly string[]
}
