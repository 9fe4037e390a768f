/**
 * Client-side caching (CLIENT TRACKING): who may have kept which key, and who is told when it changes.
 *
 *   a command read keys -> remember: key -> sessions, a table for each bucket
 *   Effects changed a key (watches.ts) -> touched: those sessions are told once, and forgotten
 *   a bucket ceases to be served here -> all of its keys are told: what changes them happens elsewhere
 *   the lease ran out -> everything is told: somebody else may be master by now
 *
 * A session that broadcasts (BCAST) has no keys here: it is told of each change of its prefixes, and to forget everything when a bucket leaves.
 * To forget too much costs a read; to keep what changed is the bug that must not be. So an invalidation is sent when the change is
 * made, not when it is acknowledged, and it never overtakes the reply with the value (node/output.ts).
 */
import {BUCKET_COUNT, TRACKED_KEYS_MAX} from '../../constants.ts'
import {keyBucket} from '../../base/crc16.ts'
import {TrackingState} from './tracking-state.ts'
import type {Host} from '../host.ts'
import type {Request} from '../../resp/request-decoder.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'
import type {Session} from '../session.ts'
import type {KeyListener, Watches} from '../watches.ts'
import type {Command} from '../command/command.ts'
import type {TrackingOptions} from './tracking-state.ts'

/** The channel that takes the place of pushes for RESP2. */
const CHANNEL = Buffer.from('__redis__:invalidate')

export class Tracking implements KeyListener {
  readonly #host: Pick<Host, 'push'>
  readonly #watches: Watches
  /** By session id: a key that somebody read long ago must not keep a session that is gone. */
  readonly #sessions = new Map<number, Session>()
  readonly #broadcasts = new Map<string, Set<Session>>()
  readonly #tables: (Map<string, Set<number>> | undefined)[] = new Array<undefined>(BUCKET_COUNT).fill(undefined)
  /** The bucket that gave the last key when there were too many. */
  #hand = 0
  #hadLease = false
  #owesBroadcasts = false
  keyCount = 0
  /** Keys times sessions. */
  itemCount = 0
  /** 0: no limit. */
  keysMax = TRACKED_KEYS_MAX
  /** Whose command is being executed, if it tracks: for NOLOOP. */
  current: Session | null = null

  constructor(host: Pick<Host, 'push'>, watches: Watches) {
    this.#host = host
    this.#watches = watches
  }

  get clientCount(): number {
    return this.#sessions.size
  }

  get prefixCount(): number {
    return this.#broadcasts.size
  }

  /** The options go together (trackingProblem). */
  start(session: Session, options: TrackingOptions): void {
    const state = (session.tracking ??= new TrackingState(options))
    state.options = options
    state.isBroken = false
    this.#sessions.set(session.id, session)
    if (options.isBroadcast) this.#broadcast(session, state)
    this.#watches.listen(this)
  }

  #broadcast(session: Session, {options, prefixes}: TrackingState): void {
    const added = options.prefixes.length === 0 ? [''] : options.prefixes
    for (const prefix of added) {
      if (!prefixes.includes(prefix)) prefixes.push(prefix)
      const sessions = this.#broadcasts.get(prefix)
      if (sessions) sessions.add(session)
      else this.#broadcasts.set(prefix, new Set([session]))
    }
  }

  /** The session tracks no more, or is gone. */
  stop(session: Session): void {
    if (session.tracking === null) return
    for (const prefix of session.tracking.prefixes) {
      const sessions = this.#broadcasts.get(prefix)
      sessions?.delete(session)
      if (sessions?.size === 0) this.#broadcasts.delete(prefix)
    }
    session.tracking = null
    this.#sessions.delete(session.id)
    if (this.#sessions.size > 0) return
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.#dropTable(bucket)
    this.#watches.listen(null)
  }

  /** The session has read the keys of this request. */
  remember(
    session: Session,
    {firstKey, lastKey, keyStep}: Command,
    {buf, off, len, argc}: Request,
    bucket: number,
  ): void {
    const last = lastKey < 0 ? argc + lastKey : lastKey
    for (let i = firstKey; i <= last; i += keyStep) {
      this.#add(session.id, buf.toString('latin1', off[i], off[i]! + len[i]!), bucket)
    }
    while (this.keysMax > 0 && this.keyCount > this.keysMax) this.#makeRoom()
  }

  #add(id: number, key: string, bucket: number): void {
    const table = (this.#tables[bucket] ??= new Map<string, Set<number>>())
    let ids = table.get(key)
    if (!ids) {
      ids = new Set()
      table.set(key, ids)
      this.keyCount++
    }
    this.itemCount -= ids.size
    this.itemCount += ids.add(id).size
  }

  /** Too many keys: the oldest of the next bucket is told as if it had changed. */
  #makeRoom(): void {
    do this.#hand = (this.#hand + 1) % BUCKET_COUNT
    while (this.#tables[this.#hand] === undefined)
    const [key] = this.#tables[this.#hand]!.keys()
    for (const session of this.#take(this.#hand, key!)) this.#tell(session, [Buffer.from(key!, 'latin1')])
  }

  /** A key changes: `bytes[from, from + length)`, as Latin-1 `key`. */
  touched(key: string, bytes: Buffer, from: number, length: number): void {
    const bucket = keyBucket(bytes, from, length)
    const name = this.keyCount > 0 || this.#broadcasts.size > 0 ? [Buffer.from(key, 'latin1')] : []
    for (const session of this.#take(bucket, key)) if (!this.#isOwn(session)) this.#tell(session, name)
    for (const [prefix, sessions] of this.#broadcasts) {
      if (!key.startsWith(prefix)) continue
      for (const session of sessions) if (!this.#isOwn(session)) this.#tell(session, name)
    }
  }

  #isOwn(session: Session): boolean {
    return session === this.current && session.tracking!.options.isNoLoop
  }

  /** Who read the key; they are not known to have it any more. */
  #take(bucket: number, key: string): readonly Session[] {
    const table = this.#tables[bucket]
    const ids = table?.get(key)
    if (!table || !ids) return []
    table.delete(key)
    if (table.size === 0) this.#tables[bucket] = undefined
    this.keyCount--
    this.itemCount -= ids.size
    return this.#live(ids)
  }

  #live(ids: Iterable<number>): readonly Session[] {
    return [...ids].flatMap((id) => this.#sessions.get(id) ?? []).filter(({tracking}) => !tracking!.options.isBroadcast)
  }

  /** All keys of the bucket change, or change elsewhere from now on. */
  bucketCleared(bucket: number): void {
    const table = this.#tables[bucket]
    this.#owesBroadcasts ||= this.#broadcasts.size > 0
    if (!table) return
    const keysOf = new Map<Session, Buffer[]>()
    for (const [key, ids] of table) {
      const name = Buffer.from(key, 'latin1')
      for (const session of this.#live(ids)) {
        const keys = keysOf.get(session)
        if (keys) keys.push(name)
        else keysOf.set(session, [name])
      }
    }
    this.#dropTable(bucket)
    for (const [session, keys] of keysOf) this.#tell(session, keys)
  }

  #dropTable(bucket: number): void {
    const table = this.#tables[bucket]
    if (!table) return
    this.#tables[bucket] = undefined
    this.keyCount -= table.size
    for (const ids of table.values()) this.itemCount -= ids.size
  }

  /** Everything changes: each session is told to forget all it has. */
  allCleared(): void {
    this.#owesBroadcasts = false
    for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.#dropTable(bucket)
    for (const session of this.#sessions.values()) this.#tell(session, null)
  }

  /** Without a lease this node does not know what becomes of its keys. Called again and again. */
  noteLease(hasLease: boolean): void {
    if (this.#sessions.size === 0 || hasLease) this.#hadLease = hasLease
    else if (this.#hadLease || this.keyCount > 0) {
      this.#hadLease = false
      this.allCleared()
    }
  }

  /** The turn is over: many buckets may have left in it, and who broadcasts need be told once. */
  flush(): void {
    if (!this.#owesBroadcasts) return
    this.#owesBroadcasts = false
    for (const session of this.#sessions.values()) if (session.tracking!.options.isBroadcast) this.#tell(session, null)
  }

  /** `keys`: null for all. */
  #tell(session: Session, keys: readonly Buffer[] | null): void {
    const state = session.tracking!
    const {redirect} = state.options
    if (redirect?.isGone) return this.#tellBroken(session, state, redirect.id)
    const target = redirect ?? session
    if (target.proto === 3) {
      return this.#host.push(target, (out) => {
        out.push(2)
        out.bulkString('invalidate')
        writeKeys(out, keys)
      })
    }
    // Of RESP2 only one who is subscribed understands messages that nobody asked for.
    if (redirect === null || redirect.subscriptions === null) return
    this.#host.push(redirect, (out) => {
      out.push(3)
      out.bulkString('message')
      out.bulkBuffer(CHANNEL)
      writeKeys(out, keys)
    })
  }

  #tellBroken(session: Session, state: TrackingState, id: number): void {
    state.isBroken = true
    if (session.proto !== 3) return
    this.#host.push(session, (out) => {
      out.push(2)
      out.bulkString('tracking-redir-broken')
      out.integer(id)
    })
  }
}

function writeKeys(out: ReplyWriter, keys: readonly Buffer[] | null): void {
  if (keys === null) return out.null()
  out.array(keys.length)
  for (const key of keys) out.bulkBuffer(key)
}
