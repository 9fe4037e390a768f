/** What a node is started with, and what the one who started it can do with it. `startNode` in `node.ts` takes and returns these. */

export type EvictionPolicy = 'noeviction' | 'allkeys-lru' | 'volatile-lru' | 'volatile-ttl'

export interface NodeOptions {
  /** Address to listen on for clients; also what clients are told, unless `announce` is given. */
  readonly host: string
  /** Client port; 0 picks a free one. */
  readonly port: number
  /** Host (or host:port) that clients and peers are told instead of the listening address. */
  readonly announce?: string
  /** Folder that keeps the node id and a lock; made if missing. Without it the node keeps nothing on disk and draws a new id. */
  readonly dataDir?: string
  /** Injected at start if it exists, written on a graceful stop. */
  readonly saveFile?: string
  /** Limit for keys and values, bytes; 0 = none. */
  readonly maxMemoryBytes: number
  readonly maxMemoryPolicy: EvictionPolicy
  /** Password that clients must send with AUTH, if set. */
  readonly password?: string
  readonly maxClients: number
  /** Close a client after it was idle for this long, seconds; 0 = never. */
  readonly clientIdleTimeoutS: number
}

export interface NodeAddress {
  readonly host: string
  readonly port: number
}

/** Why a node stopped; `exitCode` is what its process should exit with. */
export interface NodeExit {
  readonly exitCode: number
  readonly reason: string
}

export interface RunningNode {
  readonly nodeId: string
  /** Where it listens (the port that was picked, if 0 was asked for). */
  readonly address: NodeAddress
  readonly keysLoaded: number
  /**
   * Fires the one shutdown event; a second call asks for haste. Resolves when everything has stopped.
   * In haste the savefile is not written (unless it is nearly done) and clients are cut off; `reason` says what was lost.
   */
  stop(cause: string): Promise<NodeExit>
  /** Settles when the node has stopped, whoever asked for it (a signal, SHUTDOWN, stop()). */
  readonly stopped: Promise<NodeExit>
}
