/**
 * Savefile in and out: walks the buckets' images in slices between turns of the loop, and loads a file at start.
 *
 * A file holds, bucket by bucket, the image and what changed while it was taken: each bucket is whole and as of one moment.
 * At the orderly stop nothing changes any more, so the file is the state of the node.
 */
import {setImmediate as nextTurn, setTimeout as sleep} from 'node:timers/promises'
import {KvError} from '../errors.ts'
import {RecordCursor, RecordWriter} from '../record/codec.ts'
import {BucketImage} from '../core/keyspace/image.ts'
import {Replay} from '../core/replay.ts'
import {loadSavefile, markUsed, SavefileWriter, savefileExists} from './savefile.ts'
import type {NodeId} from '../base/brand.ts'
import type {Engine} from '../core/engine.ts'
import type {SavefileKind, SavefileSummary} from './savefile.ts'

/** Records written in one turn of the loop: about half a ms. */
const RECORDS_PER_TURN = 1000
/** Bytes gathered before they are handed to the file. */
const APPEND_BYTES = 128 * 1024
const IDLE_POLL_MS = 5

export interface LoadResult {
  readonly summary: SavefileSummary
  readonly keys: number
  readonly expired: number
}

export class Saver {
  readonly #engine: Engine
  readonly #nodeId: NodeId
  path: string
  isSaving = false
  /** Unix ms of the last save that succeeded, or of the start. */
  lastSaveAt: number
  lastSaveOk = true
  /** The file of the orderly stop is written: no later one may take its place. */
  isDone = false
  #changesAtSave = 0
  #isCancelled = false

  constructor(engine: Engine, nodeId: NodeId, path: string) {
    this.#engine = engine
    this.#nodeId = nodeId
    this.path = path
    this.lastSaveAt = engine.now
  }

  get changesSinceSave(): number {
    return this.#engine.effects.changes - this.#changesAtSave
  }

  /** Writes the savefile. One at a time: the caller asks `isSaving` first. Errors: E_SAVEFILE, the old file is intact then. */
  async save(kind: SavefileKind): Promise<void> {
    this.isSaving = true
    const changes = this.#engine.effects.changes
    try {
      const file = await SavefileWriter.open(this.path, {kind, nodeId: this.#nodeId, createdUnixMs: Date.now()})
      try {
        await file.commit(await this.#writeBuckets(file))
      } catch (error) {
        await file.abort()
        throw error
      }
      this.isDone = kind === 'final'
      this.#changesAtSave = changes
      this.lastSaveAt = Date.now()
      this.lastSaveOk = true
    } catch (error) {
      this.lastSaveOk = false
      throw error
    } finally {
      this.isSaving = false
    }
  }

  /** Resolves when no save is under way. */
  async idle(): Promise<void> {
    while (this.isSaving) await sleep(IDLE_POLL_MS)
  }

  /** Ends a save under way, and any that would begin: they fail and the old file stays. */
  cancel(): void {
    this.#isCancelled = true
  }

  async #writeBuckets(file: SavefileWriter): Promise<number> {
    const engine = this.#engine
    const writer = new RecordWriter()
    writer.chain(file.previous)
    let keys = 0
    let left = RECORDS_PER_TURN
    for (let bucket = engine.keyspace.nextBucket(0); bucket >= 0; bucket = engine.keyspace.nextBucket(bucket + 1)) {
      if (!engine.roles.isServing(bucket)) continue
      // Its records go to replicas already, and to one writer only: so the bucket stands still meanwhile.
      const isReplicated = engine.effects.listener(bucket) !== null
      const image = new BucketImage(engine.effects, bucket, writer, !isReplicated)
      if (isReplicated) engine.parking.park(bucket)
      try {
        while ((left = image.step(left)) <= 0) {
          await this.#drain(file, writer, 0)
          left = RECORDS_PER_TURN
        }
      } finally {
        image.end()
        if (isReplicated) engine.parking.unpark(bucket)
      }
      // At this moment the image is the bucket.
      keys += engine.keyspace.bucketCount(bucket)
      left -= 0.2
      if (writer.pendingBytes > APPEND_BYTES) await this.#drain(file, writer, APPEND_BYTES)
    }
    await this.#drain(file, writer, 0)
    return keys
  }

  async #drain(file: SavefileWriter, writer: RecordWriter, above: number): Promise<void> {
    if (this.#isCancelled) throw new KvError('E_SAVEFILE', 'the save was cut short by a second stop signal')
    if (writer.pendingBytes > above) for (const frames of writer.frames()) await file.append(frames)
    await nextTurn()
  }

  /** Injects the savefile if there is one. Nothing is loaded from a file that is not wholly good. */
  async load(): Promise<LoadResult | null> {
    if (!(await savefileExists(this.path))) return null
    const engine = this.#engine
    const replay = new Replay(engine.effects)
    const cursor = new RecordCursor()
    const summary = await loadSavefile(this.path, async (buf, frame) => {
      cursor.openFrame(buf, frame)
      while (cursor.next()) replay.apply(cursor)
      await nextTurn()
    })
    const expired = await dropExpired(engine)
    this.#changesAtSave = engine.effects.changes
    return {summary, keys: engine.keyspace.keyCount, expired}
  }

  /** After `load`, when nothing else can keep the node from serving: a later crash must not bring the old data back. */
  markUsed(): Promise<string> {
    return markUsed(this.path)
  }
}

/** Deletes keys whose time came while they were at rest: the wheel has them in its late list. Returns how many. */
export async function dropExpired(engine: Engine): Promise<number> {
  const {keyspace, expiry} = engine
  const before = keyspace.keyCount
  engine.setTime(Date.now())
  do {
    expiry.work(engine.now, RECORDS_PER_TURN)
    await nextTurn()
  } while (expiry.isBehind)
  return before - keyspace.keyCount
}
