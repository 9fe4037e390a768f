/**
 * Every limit of the system in one place, unit last. Relations between limits are asserted at load, below.
 * Nothing else in the tree invents a limit of its own.
 */
import {assert} from './base/assert.ts'

/** Partitions of the key space: CRC16(key) mod this, as Redis Cluster's hash slots. */
export const BUCKET_COUNT = 16_384

/** Our own version, shown by `kv --version` and in `INFO` as `kv_version`. */
export const KV_VERSION = '0.1.0'
/** The version that clients are told: the safe value for feature detection in every stock client. */
export const REDIS_COMPAT_VERSION = '7.2.4'

/** Default client port. */
export const DEFAULT_PORT = 7379
/** The peer port is the client port plus this, unless it is given. */
export const PEER_PORT_OFFSET = 10_000

/** One read from a socket; all connections share the buffer. An argument that is larger has a buffer of its own. */
export const SHARED_READ_BYTES = 64 * 1024
/** Arguments in one request, the command's name included. Redis: 1024 * 1024. */
export const REQUEST_ARGS_MAX = 1_048_576
/** One argument. Redis: proto-max-bulk-len, 512 MB. */
export const BULK_BYTES_MAX = 512 * 1024 * 1024
/** An inline request or a protocol header line. Redis: PROTO_INLINE_MAX_SIZE. */
export const INLINE_BYTES_MAX = 64 * 1024
/** Bytes of one not yet complete request that a connection may hold. Redis: client-query-buffer-limit, 1 GB. */
export const REQUEST_BYTES_MAX = 1024 * 1024 * 1024
/** What the commands of one transaction may take until EXEC, about. */
export const TRANSACTION_BYTES_MAX = 1024 * 1024 * 1024
/** Reply bytes that a client has not read; who is further behind and asks for more loses the connection. */
export const UNREAD_REPLY_BYTES_MAX = 512 * 1024 * 1024
/** One reply, or what a pipeline adds to it before it is sent; a command whose reply would be larger loses the connection. A client holds no more either. */
export const REPLY_BYTES_MAX = 1024 * 1024 * 1024
/** A key or the name of a map's field: its length is kept in 24 bits. */
export const KEY_BYTES_MAX = 16 * 1024 * 1024 - 1
/** A string value or the value of a map's field. */
export const VALUE_BYTES_MAX = BULK_BYTES_MAX

/** Aggregates inside aggregates that a client accepts in one reply. No command of ours nests deeper than 5; hiredis stops at 9. */
export const REPLY_DEPTH_MAX = 32
/** Elements of one aggregate in a reply. */
export const REPLY_ITEMS_MAX = 2 ** 31
/** A client gives up on a TCP connection that is not there after this. */
export const CLIENT_CONNECT_TIMEOUT_MS = 2_000
/** A client gives up on a reply after this. */
export const CLIENT_REPLY_TIMEOUT_MS = 10_000
/** A client that says goodbye does not wait longer than this for the answer. */
export const CLIENT_GOODBYE_TIMEOUT_MS = 1_000
/** `MOVED` replies that a client follows for one request before it hands the error to its caller. */
export const CLIENT_REDIRECTS_MAX = 8
/** Encoded requests of a connection lie in slabs of this size until they are sent. */
export const CLIENT_WRITE_SLAB_BYTES = 64 * 1024
/** One read from a client's socket; all connections of the process share the buffer. */
export const CLIENT_READ_BYTES = 64 * 1024
/** The client library gives up on an operation after this: redirects, reconnects and retries included. */
export const CLIENT_OPERATION_TIMEOUT_MS = 15_000
/** The client library gives up on a reply after this: long enough for a failover, short enough that a read can be repeated within the whole. */
export const CLIENT_LIBRARY_REPLY_TIMEOUT_MS = 5_000
/** A server that failed is tried again after this, doubled with each failure that follows, up to the maximum. */
export const CLIENT_BACKOFF_BASE_MS = 25
export const CLIENT_BACKOFF_MAX_MS = 1_000
/** So much of each delay is left to chance, so that clients that lost a server together do not come back together. */
export const CLIENT_BACKOFF_JITTER = 0.5
/** An operation that waits for the cluster looks again at least this often. */
export const CLIENT_RETRY_MAX_MS = 250
/** Bucket maps are asked for at most once in this time. */
export const CLIENT_REFRESH_INTERVAL_MS = 50
/** If a node does not send the bucket map in this time, another one is asked as well. */
export const CLIENT_REFRESH_HEDGE_MS = 250
/** A dedicated connection that a transaction gave back is kept for the next one; so many a node. */
export const CLIENT_IDLE_CONNECTIONS_MAX = 16
/** A transaction that meets other writers of its keys is tried so often before it is given up. */
export const CLIENT_TRANSACTION_TRIES_MAX = 32
/** Messages of a subscription that wait for its reader; of more the oldest are dropped, and it is said. */
export const CLIENT_MESSAGES_MAX = 10_000
/** A subscription asks its node for a sign of life this often. */
export const CLIENT_PING_INTERVAL_MS = 5_000
/** Buckets that a scan looks at together. */
export const CLIENT_SCAN_WINDOW_BUCKETS = 256
/** Keys or fields that a scan asks for at a time, unless told otherwise. */
export const CLIENT_SCAN_COUNT = 500
/** Bytes of values that one client of `kv bench` has in flight. */
export const BENCH_BATCH_BYTES_MAX = 256 * 1024 * 1024
/** Largest epoch of a bucket: u32 in a record. */
export const EPOCH_MAX = 2 ** 32 - 1
/** Largest seq of a bucket: 48 bits in a record; at a million writes a second it lasts 8 years. */
export const SEQ_MAX = 2 ** 48 - 1
/** Latest time that a record can carry, unix ms: 48 bits. */
export const TIME_MS_MAX = 2 ** 48 - 1
/** One encoded record: key, field, value, and room for its head. */
export const RECORD_BYTES_MAX = 2 * KEY_BYTES_MAX + VALUE_BYTES_MAX + 64
/** Records of one batch. A single record that is larger travels alone; applying a batch should stay near a millisecond. */
export const RECORD_BATCH_BYTES_MAX = 256 * 1024
/** Memory that a record writer keeps between batches; what a huge group needed beyond it is given back. */
export const RECORD_WRITER_KEEP_BYTES_MAX = 4 * 1024 * 1024
/** Bytes of a savefile gathered before one write to the disk. */
export const SAVEFILE_WRITE_BYTES = 256 * 1024
/** Bytes of a savefile read at once; a larger batch (one huge value) is read whole. */
export const SAVEFILE_READ_BYTES = 1024 * 1024
/** One packet between two nodes: 64 MB of content and room for what the layer above puts in front of it. */
export const PEER_PACKET_BYTES_MAX = 64 * 1024 * 1024 + 64 * 1024
/** Bytes that wait for one peer, sent or not yet; who would exceed it is told so and sends nothing. */
export const PEER_QUEUE_BYTES_MAX = 256 * 1024 * 1024
/** A frame of the peer protocol that is not a packet: hello, proof, refusal. It bounds what a stranger can make a node keep. */
export const PEER_CONTROL_BYTES_MAX = 512
/** Cluster id and incarnation in a hello, each. */
export const PEER_NAME_BYTES_MAX = 64
/** Why a peer was turned away, as it is told. */
export const PEER_REASON_BYTES_MAX = 256
/** Packets up to this are copied into one block for one write; larger ones are sent from where they lie. */
export const PEER_COPY_BYTES_MAX = 16 * 1024
/** Such a block. */
export const PEER_BLOCK_BYTES = 64 * 1024
/** Sockets that other nodes, or strangers, may have open to the peer port. */
export const PEER_SOCKETS_MAX = 1024
/** From the first SYN, or from being accepted, until both sides have agreed to talk. */
export const PEER_HELLO_TIMEOUT_MS = 3_000
/** What is still queued when a connection is ended in good order has so long to leave. */
export const PEER_GOODBYE_TIMEOUT_MS = 3_000
/** A silent connection to a peer is probed after this, so that one whose other end vanished is noticed even if nothing is sent. */
export const PEER_KEEPALIVE_MS = 10_000
/** Pause before a peer is dialled again: it begins here and doubles. */
export const PEER_BACKOFF_MS_MIN = 50
/** ... up to this. */
export const PEER_BACKOFF_MS_MAX = 1_000
/** The node with the larger id leaves dialling to the other one for so long. */
export const PEER_DIAL_DELAY_MS = 1_000
/** Of two connections that come up within this the first one stays; later, the second one is there because its dialler lost the first. */
export const PEER_DUPLICATE_MS = 1_000
/** Bytes of Raft's log file that no longer count; with more, and more than those that do count, the file is written anew. */
export const RAFT_LOG_SUPERSEDED_BYTES_MAX = 4 * 1024 * 1024

/** Unacknowledged bytes that are kept for a peer; beyond that it is taken out of the in-sync sets and begins anew. */
export const LINK_BUFFER_BYTES_MAX = 256 * 1024 * 1024
/** A packet between nodes; larger messages travel in parts. */
export const LINK_PACKET_BYTES_MAX = 16 * 1024 * 1024
/** Memory that the packets for one peer share until they are acknowledged; a larger packet has its own. */
export const LINK_SLAB_BYTES = 256 * 1024
/** Such memory that is kept for a peer while it is not in use, pieces. */
export const LINK_SLABS_FREE_MAX = 16
/** What waits for more on a lazy link leaves when it is as much as this. */
export const LINK_LAZY_BYTES = 64 * 1024
/** A channel and its message together: one packet to each other node, ahead of which nothing urgent may wait for long. */
export const PUBLISH_BYTES_MAX = 32 * 1024 * 1024
/** Keys that clients may have kept, and are told of when they change. Redis: tracking-table-max-keys. */
export const TRACKED_KEYS_MAX = 1_000_000
/** Messages of a turn that gather before they are sent to other nodes. */
export const RELAY_GATHER_BYTES = 256 * 1024
/** A peer for which more than this waits is sent no messages: they would hold up the stream of changes, and heartbeats. */
export const RELAY_QUEUE_BYTES_MAX = 8 * 1024 * 1024
/** What is not acknowledged is sent again after this. */
export const LINK_RESEND_MS = 250
/** ... to a data-log node: its acknowledgement waits for a disk. */
export const LOG_RESEND_MS = 2_000
/** Bytes of entries, about, that DATALOG READ gives if nothing is said. */
export const LOG_PAGE_BYTES = 1024 * 1024
export const LOG_PAGE_BYTES_MAX = 16 * 1024 * 1024
/** What goes to an asynchronous data-log node waits so long, so that one packet has the records of many turns. */
export const LOG_LAZY_MS = 5
/** Records that a master keeps for data-log nodes that were away. Scanned in one go, so not more. */
export const LOG_BACKLOG_BYTES_MAX = 16 * 1024 * 1024
/** It is forgotten in pieces of this. */
export const LOG_BACKLOG_CHUNK_BYTES = 1024 * 1024
/** Images of buckets that a master sends to one data-log node at a time. */
export const LOG_IMAGES_MAX = 128
/** A synchronous data-log node that was late is counted on again when it was in step for this long. */
export const LOG_STEADY_MS = 2_000
/** How often a node asks for its lease, and the leader is heard of. */
export const HEARTBEAT_MS = 100
/** A lease allows its holder to answer reads; nobody is declared down before its last one has run out. */
export const LEASE_MS = 800
/** Clocks may run so much faster or slower than each other. */
export const CLOCK_DRIFT = 0.01
/** A leader that was not heard of for this, or up to twice this, is replaced. */
export const ELECTION_TIMEOUT_MS = 300
/** A copy that owes an acknowledgement for longer is taken out of the in-sync sets of its masters. */
export const ACK_TIMEOUT_MS = 1_000
/** A proposal whose effect is not seen is made again after this. */
export const PROPOSAL_RETRY_MS = 250
/** A handoff that is not decided by then is withdrawn. */
export const HANDOFF_TIMEOUT_MS = 500
/** The source of a handoff keeps parked requests until the target serves, but no longer than this. */
export const HANDOFF_SERVING_MS = 200
/** Buckets of one master that are handed over at once. */
export const HANDOFF_BUCKETS_MAX = 256
/** A node hands its last bucket over so long after the one before it. */
export const HANDOFF_LAST_MS = 300
/** Requests wait no longer than this for a master to become ready. */
export const PARK_MS = 4_000
/** Bytes of images on the way to one peer. */
export const SYNC_WINDOW_BYTES = 512 * 1024
/** Copies of a bucket beside its master that may be wished for. */
export const REPLICAS_MAX = 4
/** In-sync copies of a bucket: those that may be wished for, the master's, and room for one that replaces another. */
export const COPIES_MAX = REPLICAS_MAX + 2
/** Nodes of one cluster: they have numbers of one byte in the map. */
export const MEMBERS_MAX = 250
/** Buckets of one node that the planner has under way at once. */
export const PLAN_BUCKETS_MAX = 512
/** A bucket with a new master keeps the copies that it has too many for so long. */
export const PLAN_DROP_AFTER_MS = 200
/** Entries of the agreed log that are kept before they are replaced by a snapshot of the map. */
export const RAFT_COMPACT_ENTRIES = 500
/** Voters of the Raft group. */
export const VOTERS_MAX = 5
/** Entries in one message of a Raft leader; a single entry that is larger travels alone. */
export const RAFT_APPEND_BYTES_MAX = 64 * 1024
/** What an entry weighs in a message beside its data, about. */
export const RAFT_ENTRY_OVERHEAD_BYTES = 64
/** Data of one agreed entry. */
export const RAFT_ENTRY_BYTES_MAX = 16 * 1024 * 1024
/** One message between Raft peers: a snapshot of the cluster map is the largest. */
export const RAFT_MESSAGE_BYTES_MAX = 256 * 1024 * 1024
/** A leader sends entries again when this many heartbeats passed without their answer. */
export const RAFT_RESEND_HEARTBEATS = 3
/** The same for a snapshot, which takes longer to send and to write. */
export const RAFT_SNAPSHOT_RESEND_HEARTBEATS = 20
/** An entry that an operator proposes: room for a list of every other bucket. */
export const CLUSTER_CHANGE_BYTES_MAX = 256 * 1024
/** DUMPBUCKET waits no longer than this for the bucket; its move goes on. */
export const BUCKET_MOVE_TIMEOUT_MS = 60_000
/** Rounds of the planner that are played to show what a rebalance would do. */
export const PLAN_ROUNDS_MAX = 50
/** Files over which the records of a log are spread to rebuild its content; each has its share of the buckets. */
export const REBUILD_PARTITIONS = 64
/** Bytes gathered before one write to such a file; there is one such buffer for each. */
export const REBUILD_WRITE_BYTES = 128 * 1024
/** Bytes of such a file read at once; a larger record (one huge value) is read whole. */
export const REBUILD_READ_BYTES = 1024 * 1024
/** Bytes that a compaction has on their way to the disk. */
export const COMPACT_PENDING_BYTES_MAX = 16 * 1024 * 1024
/** A replay waits so long for a target that is away for a moment, or in a failover, before it gives up. */
export const REPLAY_RETRY_MS = 15_000
/** Pause before it tries again: it begins here and doubles. */
export const REPLAY_RETRY_PAUSE_MS = 20
/** Keys that a replay has on their way at a time. */
export const REPLAY_KEYS_MAX = 2_000
/** Bytes of keys and values that it has on their way; a larger one travels alone. */
export const REPLAY_BYTES_MAX = 32 * 1024 * 1024
/** Fields of a map in one request of a replay. */
export const REPLAY_CHUNK_FIELDS_MAX = 500
/** Bytes of them; a larger field travels alone. */
export const REPLAY_CHUNK_BYTES_MAX = 1024 * 1024
/** Keys that a target refuses before a replay gives up. */
export const REPLAY_REFUSED_MAX = 100
/** Names that a report of a replay lists: of keys that differ, were refused, or have no equivalent. */
export const REPLAY_NAMES_MAX = 20
/** The body of one entry of the data log. */
export const LOG_ENTRY_BYTES_MAX = 1024 * 1024 * 1024
/** A segment of the data log is sealed when it would grow beyond this. */
export const LOG_SEGMENT_BYTES = 64 * 1024 * 1024
/** A segment begins with a table of all buckets; with smaller ones the log would be little else. */
export const LOG_SEGMENT_BYTES_MIN = 1024 * 1024
/** ... unless it is told otherwise, up to this: a compressed segment is read into memory whole. */
export const LOG_SEGMENT_BYTES_MAX = 1024 * 1024 * 1024
/** Entries of the data log that are written and synced together: each takes two of the 1024 pieces of one writev(2). */
export const LOG_GROUP_ENTRIES_MAX = 512
/** ... and their bytes; an entry that is larger goes alone. */
export const LOG_GROUP_BYTES_MAX = 16 * 1024 * 1024
/** Bytes of the data log read at once; a larger block is read whole. */
export const LOG_READ_BYTES = 1024 * 1024
/** Who follows a log looks so often whether it has grown. */
export const LOG_FOLLOW_POLL_MS = 50
/** What is wrong with a data log is listed up to this; the rest is counted. */
export const LOG_FINDINGS_MAX = 1_000
/** Header of a request to the admin port. */
export const ADMIN_HEADER_BYTES_MAX = 8 * 1024
/** Who may watch a node at a time. */
export const ADMIN_CONNECTIONS_MAX = 64
/** The time that a whole request to the admin port may take, and that a silent connection is kept. */
export const ADMIN_REQUEST_TIMEOUT_MS = 5_000
/** ... and for so long a client may read nothing of its answer. */
export const ADMIN_RESPONSE_TIMEOUT_MS = 10_000
/** The tester of consistency (kv chaos): a node that is called must answer within this. */
export const CHAOS_CONNECT_TIMEOUT_MS = 1_000
/** ... and a request; after that nobody knows what became of it. Longer than a failover. */
export const CHAOS_REPLY_TIMEOUT_MS = 2_000
/** Nodes that one operation is tried at, if each says that it did nothing. */
export const CHAOS_REDIRECTS_MAX = 6
/** A key that gave no good answer for so long was unavailable. */
export const CHAOS_OUTAGE_MS = 200
/** Outages that begin within this time of the first are one: the worst key stands for all. */
export const CHAOS_OUTAGE_SPAN_MS = 1_000
/** After the last fault all buckets are to be writable within this. */
export const CHAOS_WRITABLE_TARGET_MS = 2_000
/** ... and everything is to be well within this; else the run has found that it does not heal. */
export const CHAOS_HEAL_TIMEOUT_MS = 120_000
/** The tester does not start, and does not go on, with less room for the files of its cluster. */
export const CHAOS_DISK_FREE_BYTES_MIN = 128 * 1024 * 1024
/** Events that a report tells; the rest is counted. */
export const CHAOS_EVENTS_MAX = 5_000
/** A run with fewer good answers than this proves nothing; nor does one with less than this share of those that the rate asks for. */
export const CHAOS_OPERATIONS_MIN = 500
export const CHAOS_RATE_SHARE_MIN = 0.05
/** Operations that wait to be checked: with more no client begins another one, so that memory is bounded on any machine. */
export const CHECKER_BEHIND_MAX = 100_000
/** The checker keeps so many of the last operations of a key, for whoever looks at a finding. */
export const CHECKER_TRAIL_MAX = 20
/** ... of a key that is written once; there are thousands of them. */
export const CHECKER_TRAIL_LEDGER_MAX = 4
/** Findings that the checker keeps whole; the rest is counted. */
export const CHECKER_FINDINGS_MAX = 1_000
/** The checker decides about keys that nobody touches whenever the floor has risen by so many stamps. */
export const CHECKER_SWEEP_STAMPS = 2_048
/** Ways in which a key's operations may have happened so far: with more the checker gives up until nobody uses the key. */
export const CHECKER_CELL_WAYS_MAX = 20_000
/** Answered operations on one key that are under way at a time, as the checker can follow them: bits of one number. */
export const CHECKER_CELL_OPEN_MAX = 30
/** Operations are handed to the checker's thread in batches of this size... */
export const CHECKER_BATCH_OPERATIONS = 1_000
/** ... or after this time. */
export const CHECKER_BATCH_MS = 50
/** Buckets whose content is hashed in one go. */
export const COPYHASH_BUCKETS_MAX = 128

assert(INLINE_BYTES_MAX < REQUEST_BYTES_MAX, 'an inline request must fit the request buffer')
assert(BULK_BYTES_MAX < REQUEST_BYTES_MAX, 'the largest argument must fit the request buffer')
assert(BULK_BYTES_MAX < REPLY_BYTES_MAX, 'the largest value must fit a reply')
assert((BUCKET_COUNT & (BUCKET_COUNT - 1)) === 0, 'the bucket is taken from a hash with a mask')
assert(KEY_BYTES_MAX < 2 ** 24, 'key lengths are kept in 24 bits')
assert(RECORD_BYTES_MAX < 2 ** 32, 'lengths in records and batches are u32')
assert(RECORD_BATCH_BYTES_MAX < RECORD_BYTES_MAX, 'only a record alone in its batch may exceed the batch limit')
assert(RECORD_BATCH_BYTES_MAX < RECORD_WRITER_KEEP_BYTES_MAX, 'an ordinary batch must not cost an allocation')
assert(SEQ_MAX <= Number.MAX_SAFE_INTEGER, 'seqs are exact numbers')
assert(HEARTBEAT_MS * 4 < LEASE_MS, 'a lease must survive a few lost heartbeats')
assert(ELECTION_TIMEOUT_MS > HEARTBEAT_MS * 2, 'one lost heartbeat must not start an election')
assert(LINK_PACKET_BYTES_MAX < LINK_BUFFER_BYTES_MAX, 'a packet must fit what is kept for a peer')
assert(RAFT_APPEND_BYTES_MAX <= RAFT_ENTRY_BYTES_MAX, 'only an entry alone in its message may exceed the limit')
// JSON writes one byte of data with up to 6.
assert(6 * RAFT_ENTRY_BYTES_MAX < RAFT_MESSAGE_BYTES_MAX, 'the largest entry must fit a message')
assert(CLUSTER_CHANGE_BYTES_MAX < RAFT_ENTRY_BYTES_MAX, "an operator's entry must fit the agreed log")
assert(PEER_PACKET_BYTES_MAX < PEER_QUEUE_BYTES_MAX, 'the largest packet must fit the queue of a peer')
assert(PUBLISH_BYTES_MAX + 2 * RELAY_GATHER_BYTES < PEER_PACKET_BYTES_MAX, 'published messages must fit a packet')
assert(2 * PEER_NAME_BYTES_MAX + 128 < PEER_CONTROL_BYTES_MAX, 'a hello must fit a control frame')
assert(PEER_REASON_BYTES_MAX < PEER_CONTROL_BYTES_MAX, 'a refusal must fit a control frame')
assert(PEER_COPY_BYTES_MAX < PEER_BLOCK_BYTES, 'a packet that is copied must fit a block')
assert(PEER_BACKOFF_MS_MIN < PEER_BACKOFF_MS_MAX, 'the pause between two calls grows')
assert(BUCKET_COUNT % REBUILD_PARTITIONS === 0, 'each partition of a rebuilt log has as many buckets')
assert(RECORD_BYTES_MAX + RECORD_BATCH_BYTES_MAX < LOG_ENTRY_BYTES_MAX, 'the largest record fits an entry of the log')
assert(2 * LOG_GROUP_ENTRIES_MAX <= 1024, 'a group of entries is written with one call')
/** The console (kv repl): what surely did not happen is tried again for so long, e.g. while a node leaves. */
export const REPL_RETRY_MS = 5_000
/** Of one value no more is shown on a screen; a file or a program gets it all. */
export const REPL_SHOWN_BYTES_MAX = 64 * 1024
/** ... and of a list or map no more items. */
export const REPL_SHOWN_ITEMS_MAX = 1_000
/** Keys or fields that Tab offers, and calls of SCAN that look for them on one node. */
export const REPL_COMPLETIONS_MAX = 100
export const REPL_SCAN_CALLS_MAX = 20
