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
  /** A data log or savefile whose content the node begins with; only for one that founds a new cluster. It stays as it is. */
  readonly load?: string
  /** Limit for keys and values, bytes; 0 = none. */
  readonly maxMemoryBytes: number
  readonly maxMemoryPolicy: EvictionPolicy
  /** Password that clients must send with AUTH, if set. */
  readonly password?: string
  readonly maxClients: number
  /** Close a client after it was idle for this long, seconds; 0 = never. */
  readonly clientIdleTimeoutS: number
  /** Port for other nodes; default the client port + 10,000, or any free one if that is taken or there is none. */
  readonly peerPort?: number
  /** Client addresses of nodes of a cluster to join; without it the node founds one, or returns to the one it was in. */
  readonly join?: readonly NodeAddress[]
  /** Copies besides the master, in a cluster that is founded; default 1. */
  readonly replicas?: number
  /** Writes to a bucket with fewer replicas in sync are refused. */
  readonly minReplicas?: number
  /** Votes, but holds no buckets. */
  readonly isVoterOnly?: boolean
  /** Keeps a data log of the whole cluster; such a node holds no buckets, and keeps its id in the log's folder. */
  readonly dataLog?: DataLogOptions
  /** Port of the HTTP server for those who watch the node; 0 picks a free one, absent: there is none. */
  readonly adminPort?: number
  /** Address that it listens on; default 127.0.0.1. */
  readonly adminHost?: string
  /** What nodes of a cluster must share to talk to each other. */
  readonly secret?: string
  /** Buckets whose only copy went with the last process of this node begin empty. */
  readonly acceptsLoss?: boolean
  /** Faults on purpose (KV_PLANT). */
  readonly plants?: ReadonlySet<string>
  /** Where to dial peers instead of their own address (host:port), so that a tester can stand between (KV_PEER_VIA). */
  readonly peerVia?: ReadonlyMap<string, NodeAddress>
}

export interface DataLogOptions {
  /** Made if missing. */
  readonly dir: string
  /** Whether masters wait for its disk. */
  readonly ack: 'async' | 'sync'
  /** A new file after so many bytes. */
  readonly segmentBytes: number
  /** A new file each day (UTC), too. */
  readonly isDaily: boolean
  readonly isCompressed: boolean
  /** What is older is deleted, if the present can be built without it. */
  readonly keepBytes?: number
  readonly keepDays?: number
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
  /** Where those who watch it ask; absent without --admin-port. */
  readonly admin?: NodeAddress
  /**
   * Fires the one shutdown event; a second call asks for haste. Resolves when everything has stopped.
   * In haste the savefile is not written (unless it is nearly done) and clients are cut off; `reason` says what was lost.
   */
  stop(cause: string): Promise<NodeExit>
  /** Settles when the node has stopped, whoever asked for it (a signal, SHUTDOWN, stop()). */
  readonly stopped: Promise<NodeExit>
}
