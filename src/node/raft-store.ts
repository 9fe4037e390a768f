/**
 * What a node must still know of Raft after a crash, before it may speak again: its term, its vote, its log. Kept in the folder
 * `raft` of the data dir; raft-store-format.ts describes the bytes.
 *
 * Group commit: while one group of writes is being synced later ones gather, and go together with the next: one write(2), one
 * fdatasync. A write with a snapshot goes alone: the snapshot is replaced, then the log is written anew with what counts
 * beside it. Death in between may cost the entries of that write; nobody was told that it is done.
 *
 *   write --> queue --> group --> append, fdatasync ----------------> done, in order
 *                        `-> replace snapshot, replace log -'
 */
import * as fsp from 'node:fs/promises'
import {dirname, join} from 'node:path'
import {assert, AssertionError} from '../base/assert.ts'
import {RAFT_LOG_SUPERSEDED_BYTES_MAX} from '../constants.ts'
import type {RaftSnapshot, RaftState, RaftWrite} from '../core/consensus/types.ts'
import {KvError} from '../errors.ts'
import {describeErrno, errnoCode, nodeFileSystem, replaceFile, type FileSystem} from '../disk/durable-file.ts'
import {
  encodeFrame,
  encodeGroup,
  readLog,
  readOnlyFrame,
  replay,
  type Damage,
  type RaftImage,
  type Replayed,
  type StoredSnapshot,
} from './raft-store-format.ts'

const FOLDER = 'raft'
/** The folder of a node that left its cluster, while it is removed. */
const WIPED = 'raft.wiped'
/** Small things kept beside; anything that JSON can hold. */
export interface RaftStoreFacts {
  /** '' = none yet. */
  readonly clusterId: string
  readonly [name: string]: unknown
}

/** Where Raft's state is kept; writes are done in the order they were given. */
export interface RaftStorage {
  /** Exactly one of the two is called, later. After a failure, all further writes fail: what the disk holds is then unknown. */
  write(write: RaftWrite, done: (id: number) => void, failed: (error: Error) => void): void
  /** Replaces the facts. Errors: E_RAFT_STORE. */
  saveFacts(facts: RaftStoreFacts): Promise<void>
  /** Forgets everything, for good, and closes: the node leaves its cluster. Errors: E_RAFT_STORE. */
  wipe(): Promise<void>
  /** Writes that were given are done first; later ones fail. */
  close(): Promise<void>
}

/** The log file. */
export interface RaftLogFile {
  /** Appends all of `bytes`. */
  append(bytes: Buffer): Promise<void>
  /** fdatasync(2). */
  sync(): Promise<void>
  close(): Promise<void>
}

/** The calls that the store needs; tests put one in that fails. */
export interface RaftFileSystem extends FileSystem {
  openLog(path: string): Promise<RaftLogFile>
}

export const nodeRaftFileSystem: RaftFileSystem = {
  ...nodeFileSystem,
  async openLog(path) {
    const handle = await fsp.open(path, 'a')
    return {append: (bytes) => handle.appendFile(bytes), sync: () => handle.datasync(), close: () => handle.close()}
  },
}

interface Waiting {
  readonly write: RaftWrite
  readonly done: (id: number) => void
  readonly failed: (error: Error) => void
}

interface Loaded extends Replayed {
  readonly snapshot: RaftSnapshot | null
  readonly snapshotSeq: number
  readonly facts: Record<string, unknown> | null
  readonly logBytes: number
}

export class RaftStore implements RaftStorage {
  readonly #folder: string
  readonly #fs: RaftFileSystem
  readonly #image: RaftImage
  #log: RaftLogFile | null = null
  #logBytes: number
  /** The log is looked at when it has grown to this. */
  #rewriteAt = RAFT_LOG_SUPERSEDED_BYTES_MAX
  #seq: number
  #snapshotSeq: number
  /** Index of the last entry when all that waits is done. */
  #queuedLast: number
  #queue: Waiting[] = []
  #running: Promise<void> | null = null
  #facts: Promise<void> = Promise.resolve()
  #failure: KvError | null = null
  #closing: Promise<void> | null = null

  private constructor(folder: string, fs: RaftFileSystem, loaded: Loaded) {
    this.#folder = folder
    this.#fs = fs
    this.#image = loaded.image
    this.#logBytes = loaded.logBytes
    this.#seq = loaded.seq
    this.#snapshotSeq = loaded.snapshotSeq
    this.#queuedLast = loaded.image.last
  }

  /**
   * Reads what is kept in the data dir, and cuts off what was not yet synced at the time of death. `state` is null if
   * nothing was ever written, `facts` if none were saved. Errors: E_RAFT_STORE (damaged, or cannot be read or written).
   */
  static async open(
    dir: string,
    fs: RaftFileSystem = nodeRaftFileSystem,
  ): Promise<{store: RaftStore; state: RaftState | null; facts: Record<string, unknown> | null}> {
    const folder = join(dir, FOLDER)
    try {
      await fsp.rm(join(dir, WIPED), {recursive: true, force: true})
      if ((await fsp.mkdir(folder, {recursive: true})) !== undefined) await fs.syncFolder(dir)
      const loaded = await load(folder, fs)
      const store = new RaftStore(folder, fs, loaded)
      if (loaded.isBehindSnapshot) await store.#rewriteLog()
      else store.#log = await fs.openLog(join(folder, 'log'))
      const {term, vote, entries} = loaded.image
      const state = loaded.seq === 0 ? null : {term, vote, snapshot: loaded.snapshot, entries: [...entries]}
      return {store, state, facts: loaded.facts}
    } catch (error) {
      throw unusable(folder, error)
    }
  }

  write(write: RaftWrite, done: (id: number) => void, failed: (error: Error) => void): void {
    const refusal = this.#failure ?? (this.#closing ? closedError() : null)
    if (refusal) return void setImmediate(() => failed(refusal))
    this.#checkOrder(write)
    this.#queue.push({write, done, failed})
    this.#running ??= this.#run()
  }

  async saveFacts(facts: RaftStoreFacts): Promise<void> {
    if (this.#closing) throw closedError()
    const frame = encodeFrame(facts)
    const saved = this.#facts.then(() => replaceFile(join(this.#folder, 'facts'), frame, this.#fs))
    // One that failed does not keep the next from being saved.
    this.#facts = saved.catch(() => undefined)
    await saved.catch((error: unknown) => {
      throw unusable(this.#folder, error)
    })
  }

  async wipe(): Promise<void> {
    await this.close()
    const wiped = join(dirname(this.#folder), WIPED)
    try {
      // In one step: half of a state would be taken for damage at the next start.
      await this.#fs.rename(this.#folder, wiped)
      await this.#fs.syncFolder(dirname(this.#folder))
      await fsp.rm(wiped, {recursive: true, force: true})
    } catch (error) {
      throw unusable(this.#folder, error)
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  async #end(): Promise<void> {
    await this.#running
    await this.#facts
    await this.#log?.close().catch(() => undefined)
  }

  /** Thrown here a bug is found where it is: at the writer's. */
  #checkOrder({truncateFrom, snapshot, entries}: RaftWrite): void {
    if (truncateFrom !== null) this.#queuedLast = Math.min(this.#queuedLast, truncateFrom - 1)
    if (snapshot) this.#queuedLast = Math.max(this.#queuedLast, snapshot.index)
    for (const {index} of entries) assert(index === ++this.#queuedLast, 'entries follow each other')
  }

  async #run(): Promise<void> {
    // All writes of this moment go together.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const group = this.#takeGroup()
      const error = await this.#try(() => this.#commit(group.map(({write}) => write)))
      if (error) return this.#fail(error, group)
      for (const {write, done} of group) done(write.id)
      if (this.#logBytes < this.#rewriteAt) continue
      const rewriteError = await this.#try(() => this.#rewriteIfWorthIt())
      if (rewriteError) return this.#fail(rewriteError, [])
    }
    this.#running = null
  }

  async #try(work: () => Promise<void>): Promise<KvError | null> {
    try {
      await work()
      return null
    } catch (error) {
      if (error instanceof AssertionError) throw error
      return unusable(this.#folder, error)
    }
  }

  /** All that waits, up to the next snapshot; that one goes alone. */
  #takeGroup(): Waiting[] {
    const at = this.#queue.findIndex(({write}) => write.snapshot !== null)
    return this.#queue.splice(0, at < 0 ? this.#queue.length : Math.max(at, 1))
  }

  /** A failed fsync is final: the kernel may have dropped the pages and would report success the next time. */
  #fail(error: KvError, group: readonly Waiting[]): void {
    this.#failure = error
    const waiting = [...group, ...this.#queue]
    this.#queue = []
    this.#running = null
    for (const {failed} of waiting) failed(error)
  }

  async #commit(writes: readonly RaftWrite[]): Promise<void> {
    const [first] = writes
    assert(first !== undefined, 'a group is not empty')
    for (const write of writes) this.#image.apply(write, write.snapshot?.index ?? null)
    const seq = ++this.#seq
    if (first.snapshot) {
      const {term, vote, truncateFrom, snapshot} = first
      const stored: StoredSnapshot = {seq, term, vote, truncateFrom, snapshot}
      await replaceFile(join(this.#folder, 'snapshot'), encodeFrame(stored), this.#fs)
      this.#snapshotSeq = seq
      return this.#rewriteLog()
    }
    const frame = encodeGroup({seq, base: null, writes})
    await this.#log!.append(frame)
    await this.#log!.sync()
    this.#logBytes += frame.length
  }

  /** What counts, as one group. */
  #encodeBase(): Buffer {
    const {term, vote, floor, entries} = this.#image
    const base = {snapshotSeq: this.#snapshotSeq, floor}
    return encodeGroup({seq: ++this.#seq, base, writes: [{term, vote, truncateFrom: null, entries}]})
  }

  async #rewriteIfWorthIt(): Promise<void> {
    const base = this.#encodeBase()
    this.#setRewriteAt(base.length)
    if (this.#logBytes >= this.#rewriteAt) await this.#rewriteLog(base)
  }

  /** Twice what counts, at least: writing anew then costs no more than the appends before it. */
  #setRewriteAt(baseBytes: number): void {
    this.#rewriteAt = baseBytes + Math.max(baseBytes, RAFT_LOG_SUPERSEDED_BYTES_MAX)
  }

  async #rewriteLog(base: Buffer = this.#encodeBase()): Promise<void> {
    const path = join(this.#folder, 'log')
    await this.#log?.close()
    this.#log = null
    await replaceFile(path, base, this.#fs)
    this.#log = await this.#fs.openLog(path)
    this.#logBytes = base.length
    this.#setRewriteAt(base.length)
  }
}

/** The same for a node that keeps nothing on disk: all is forgotten with the process. */
export class MemoryRaftStore implements RaftStorage {
  #isClosed = false
  #pending = 0
  #onIdle: (() => void) | null = null

  write(write: RaftWrite, done: (id: number) => void, failed: (error: Error) => void): void {
    const {id} = write
    const isRefused = this.#isClosed
    this.#pending++
    setImmediate(() => {
      this.#pending--
      if (isRefused) failed(closedError())
      else done(id)
      if (this.#pending === 0) this.#onIdle?.()
    })
  }

  async saveFacts(_facts: RaftStoreFacts): Promise<void> {
    if (this.#isClosed) throw closedError()
  }

  wipe(): Promise<void> {
    return this.close()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    if (this.#pending > 0) await new Promise<void>((resolve) => (this.#onIdle = resolve))
  }
}

async function load(folder: string, fs: RaftFileSystem): Promise<Loaded> {
  const path = join(folder, 'log')
  const [log, snapshotFile, facts] = await Promise.all([
    readIfThere(path),
    readFrameFile(join(folder, 'snapshot')),
    readFrameFile(join(folder, 'facts')),
  ])
  if (log === null) {
    if (snapshotFile ?? facts) throw damaged(path, {offset: 0, words: 'it is missing, though it was there'})
    await replaceFile(path, Buffer.alloc(0), fs)
  }
  const content = log === null ? {groups: [], end: 0} : readLog(log)
  if ('words' in content) throw damaged(path, content)
  const stored = snapshotFile as StoredSnapshot | null
  const replayed = replay(content, stored)
  if ('words' in replayed) throw damaged(path, replayed)
  if (log !== null && content.end < log.length) await cut(path, content.end)
  return {
    ...replayed,
    snapshot: stored?.snapshot ?? null,
    snapshotSeq: stored?.seq ?? 0,
    facts: facts as Record<string, unknown> | null,
    logBytes: content.end,
  }
}

async function readIfThere(path: string): Promise<Buffer | null> {
  try {
    return await fsp.readFile(path)
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return null
    throw error
  }
}

/** What the file holds; null if it is not there. It was put in place in one step, so no part of it may be missing. */
async function readFrameFile(path: string): Promise<unknown> {
  const bytes = await readIfThere(path)
  if (bytes === null) return null
  const read = readOnlyFrame(bytes)
  if ('words' in read) throw damaged(path, read)
  return read.value
}

/** Cuts off what was not synced: the next frame must not stand behind it. */
async function cut(path: string, bytes: number): Promise<void> {
  const handle = await fsp.open(path, 'r+')
  try {
    await handle.truncate(bytes)
    await handle.sync()
  } finally {
    await handle.close()
  }
}

function damaged(path: string, {offset, words}: Damage): KvError {
  const folder = dirname(path)
  return new KvError(
    'E_RAFT_STORE',
    `${path} is damaged at byte ${offset}: ${words}`,
    `move the folder away (mv ${folder} ${folder}.damaged) and start with --join: the node comes back as a new voter`,
  )
}

function unusable(folder: string, error: unknown): KvError {
  if (error instanceof KvError) return error
  return new KvError(
    'E_RAFT_STORE',
    `what Raft keeps in ${folder} cannot be read or written: ${describeErrno(error)}`,
    'check the room on its disk and the rights of the user that runs kv, then start the node again',
  )
}

function closedError(): KvError {
  return new KvError('E_RAFT_STORE', 'what Raft keeps was closed: the node is stopping')
}
