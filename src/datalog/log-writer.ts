/**
 * Writes the log of a folder.
 *
 *   append --> queue --> group: one writev(2), one fdatasync(2) --> durable
 *                 `----> seal: FOOT, one fdatasync(2); then the next segment is put in place
 *
 * Group commit: while one group is being synced later entries gather, and go together with the next. Where a segment ends is decided by `append`, and what its
 * FOOT and the next HEAD say is written down at that moment; offsets, chain and CRCs are made when a group is written, so that every block can say what was
 * durable before it.
 *
 * A failure of the disk is final: after a failed fsync the kernel may have dropped the pages and would report success the next time. Nothing is acknowledged
 * after it; the folder is good for a new start.
 */
import {join} from 'node:path'
import {assert, AssertionError} from '../base/assert.ts'
import {
  LOG_ENTRY_BYTES_MAX,
  LOG_GROUP_BYTES_MAX,
  LOG_GROUP_ENTRIES_MAX,
  LOG_SEGMENT_BYTES,
  LOG_SEGMENT_BYTES_MAX,
  TIME_MS_MAX,
} from '../constants.ts'
import {replaceFile} from '../disk/durable-file.ts'
import {FolderInUse} from '../disk/folder-lock.ts'
import {logError, logInUse} from './log-errors.ts'
import {nodeLogFileSystem, type LogFileSystem, type SegmentFile} from './log-fs.ts'
import {recover, type LogCut, type Recovered} from './log-recovery.ts'
import {PLAIN_SUFFIX, segmentStem} from './segment-files.ts'
import {BLOCK_FOOT, BLOCK_HEAD, BLOCK_HEAD_BYTES, BLOCK_MARK, encodeBlockHead} from './segment-format.ts'
import {LogUpkeep, type UpkeepOptions} from './log-upkeep.ts'
import type {KvError} from '../errors.ts'
import type {LogPositions} from '../record/log-position.ts'
import type {SegmentTable} from './segment-table.ts'
import type {LogIdentity, LogWriter} from './types.ts'

const DAY_MS = 86_400_000
const NOTHING = Buffer.alloc(0)

export interface LogWriterOptions extends UpkeepOptions {
  readonly identity: LogIdentity
  /** Unix ms; default: the clock. */
  readonly now?: number
  /** A segment is sealed before it grows beyond this. Default LOG_SEGMENT_BYTES. */
  readonly segmentBytes?: number
  /** A segment is sealed when a day (UTC) has ended. Default true. */
  readonly isDaily?: boolean
  /** The number of the first segment, if the folder has none yet. Default 1. */
  readonly firstSegment?: number
  /** All appends up to this one are on the disk. */
  readonly onDurable?: (number: number) => void
  /** Told once: nothing more will be durable. */
  readonly onFailed?: (error: KvError) => void
  /** A torn tail was cut off, before the writer is returned. */
  readonly onCut?: (cut: LogCut) => void
  readonly fs?: LogFileSystem
}

interface Entry {
  readonly kind: number
  readonly body: Buffer
  readonly time: number
}

/** The end of a segment and the beginning of the next one. */
interface Seal {
  readonly foot: Buffer
  readonly head: Buffer
  readonly time: number
  readonly neededFrom: number
}

/**
 * Opens the log in a folder to write on, or begins one. Errors: E_LOG_IN_USE, E_LOG_FOREIGN (the log of another cluster), E_LOG_FORMAT, E_LOG_DAMAGED,
 * E_LOG_MISSING, E_LOG (the disk).
 */
export async function openLogWriter(dir: string, options: LogWriterOptions): Promise<FolderWriter> {
  const {fs = nodeLogFileSystem, identity, segmentBytes = LOG_SEGMENT_BYTES} = options
  assert(segmentBytes > 0 && segmentBytes <= LOG_SEGMENT_BYTES_MAX, 'the size of a segment has a limit')
  let unlock: (() => Promise<void>) | null = null
  try {
    await fs.makeFolder(dir)
    unlock = await fs.lock(dir)
    const recovered = await recover(dir, identity, fs)
    if (recovered.cut !== null) options.onCut?.(recovered.cut)
    const writer = new FolderWriter(dir, fs, unlock, recovered, options)
    await writer.begin()
    return writer
  } catch (error) {
    await unlock?.()
    throw error instanceof FolderInUse ? logInUse(dir, error.pid) : logError(dir, error)
  }
}

export class FolderWriter implements LogWriter {
  readonly identity: LogIdentity
  durable = 0
  /** Bytes of entries that were appended and are not durable. */
  pendingBytes = 0
  readonly #dir: string
  readonly #fs: LogFileSystem
  readonly #unlock: () => Promise<void>
  readonly #options: LogWriterOptions
  readonly #segmentBytes: number
  readonly #table: SegmentTable
  readonly #recovered: Recovered
  /** As `append` sees it: the segment, where in it the next entry will stand, the time of the last one. */
  #number: number
  #offset: number
  #time: number
  #appended = 0
  #queue: (Entry | Seal)[] = []
  readonly #upkeep: LogUpkeep
  /** As the disk has it: the open segment, what was written to it, what of that is durable, the crc of the last block. */
  #file: SegmentFile | null = null
  #written: {number: number; size: number; synced: number; crc: number}
  /** Nothing was written since it was last said that all is durable. */
  #isMarked: boolean
  #running: Promise<void> | null = null
  #failure: KvError | null = null
  #closing: Promise<void> | null = null

  constructor(
    dir: string,
    fs: LogFileSystem,
    unlock: () => Promise<void>,
    recovered: Recovered,
    options: LogWriterOptions,
  ) {
    const {number, open, table, crc, time} = recovered
    const size = open?.size ?? 0
    this.#dir = dir
    this.#fs = fs
    this.#unlock = unlock
    this.#options = options
    this.#upkeep = new LogUpkeep(dir, fs, options)
    this.#recovered = recovered
    this.identity = options.identity
    this.#segmentBytes = options.segmentBytes ?? LOG_SEGMENT_BYTES
    this.#table = table
    this.#number = number
    this.#offset = size
    this.#time = Math.max(time, options.now ?? Date.now())
    this.#written = {number, size, synced: size, crc}
    this.#isMarked = open?.isMarked ?? true
  }

  /** For `openLogWriter`: opens the segment to append to. */
  async begin(): Promise<void> {
    const {open, number} = this.#recovered
    if (open !== null) {
      this.#file = await this.#fs.openSegment(open.file)
      this.#beginUpkeep(this.#table.neededFrom(number), this.#time)
      return
    }
    const next = number === 0 ? (this.#options.firstSegment ?? 1) : number + 1
    this.#number = next
    this.#written.number = next
    this.#table.begin(next, this.#time)
    const head = this.#table.encodeHead(this.identity)
    this.#offset = BLOCK_HEAD_BYTES + head.length
    const neededFrom = this.#table.neededFrom(next)
    await this.#create(head, this.#time)
    this.#beginUpkeep(neededFrom, this.#time)
  }

  get positions(): LogPositions {
    return this.#table.positions
  }

  /** What is appended must follow what is there (LogPositions); records of buckets of which the log has no image yet may be among it. */
  append(kind: number, body: Buffer, time: number): number {
    assert(this.#closing === null, 'nothing is appended to a closed log')
    assert(body.length <= LOG_ENTRY_BYTES_MAX, 'an entry must fit its limit')
    assert(Number.isInteger(time) && time >= 0 && time <= TIME_MS_MAX, 'a time is in whole ms and has 48 bits')
    this.#time = Math.max(this.#time, time)
    if (this.#mustSeal(BLOCK_HEAD_BYTES + body.length)) this.#seal()
    const words = this.#table.take(kind, body, this.#offset, this.#time)
    assert(words === null, `an entry of the log must follow what is there: ${words}`)
    this.#offset += BLOCK_HEAD_BYTES + body.length
    if (this.#failure === null) {
      this.#queue.push({kind, body, time: this.#time})
      this.pendingBytes += body.length
      this.#running ??= this.#run()
    }
    return ++this.#appended
  }

  /** What was appended becomes durable first, unless the disk has failed. Never throws. */
  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  #mustSeal(bytes: number): boolean {
    if (this.#table.blocks === 0) return false
    if (this.#offset + bytes > this.#segmentBytes) return true
    return this.#options.isDaily !== false && Math.floor(this.#time / DAY_MS) > Math.floor(this.#table.created / DAY_MS)
  }

  #seal(): void {
    const time = this.#time
    const foot = this.#table.encodeFoot(this.identity, this.#offset)
    this.#table.begin(++this.#number, time)
    const head = this.#table.encodeHead(this.identity)
    this.#offset = BLOCK_HEAD_BYTES + head.length
    const neededFrom = this.#table.neededFrom(this.#number)
    if (this.#failure === null) this.#queue.push({foot, head, time, neededFrom})
  }

  async #run(): Promise<void> {
    // All appends of this moment go together.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      try {
        await this.#commit()
      } catch (error) {
        if (error instanceof AssertionError) throw error
        this.#fail(logError(this.#dir, error))
      }
    }
    this.#running = null
  }

  /** Writes and syncs one group: entries up to the limits or the end of the segment. */
  async #commit(): Promise<void> {
    const pieces: Buffer[] = []
    let entries = 0
    let bytes = 0
    let next = this.#queue[0]
    for (; next !== undefined && 'body' in next; next = this.#queue[entries]) {
      const isFull = entries === LOG_GROUP_ENTRIES_MAX - 1 || bytes + next.body.length > LOG_GROUP_BYTES_MAX
      if (isFull && entries > 0) break
      this.#addBlock(pieces, next.kind, next.body, next.time)
      bytes += next.body.length
      entries++
    }
    const seal = next !== undefined && 'foot' in next ? next : null
    this.#queue.splice(0, seal === null ? entries : entries + 1)
    if (entries > 0) {
      await this.#write(pieces)
      this.pendingBytes -= bytes
      this.durable += entries
      this.#tellDurable(this.durable)
    }
    if (seal !== null) await this.#sealSegment(seal)
  }

  /** Not from within: an error of the caller's is none of the disk. */
  #tellDurable(number: number): void {
    const {onDurable} = this.#options
    if (onDurable) queueMicrotask(() => onDurable(number))
  }

  /** FOOT vouches for all before it, so it is written when that is durable; and it is durable itself before there is another segment. */
  async #sealSegment(seal: Seal): Promise<void> {
    const pieces: Buffer[] = []
    this.#addBlock(pieces, BLOCK_FOOT, seal.foot, seal.time)
    await this.#write(pieces)
    await this.#file!.close()
    this.#file = null
    this.#written.number++
    await this.#create(seal.head, seal.time)
    this.#beginUpkeep(seal.neededFrom, seal.time)
  }

  #beginUpkeep(neededFrom: number, now: number): void {
    this.#upkeep.begin({open: this.#written.number, neededFrom, now})
  }

  #addBlock(pieces: Buffer[], kind: number, body: Buffer, time: number): void {
    const {number: segment, size: offset, synced, crc: previous} = this.#written
    const block = encodeBlockHead({kind, time, segment, offset, previous, synced}, body)
    pieces.push(block.head)
    if (body.length > 0) pieces.push(body)
    this.#written.size += BLOCK_HEAD_BYTES + body.length
    this.#written.crc = block.crc
    this.#isMarked = false
  }

  async #write(pieces: readonly Buffer[]): Promise<void> {
    await this.#file!.append(pieces)
    await this.#file!.sync()
    this.#written.synced = this.#written.size
  }

  /** Puts the next segment in place with its HEAD in one step: none is ever seen without. */
  async #create(head: Buffer, time: number): Promise<void> {
    const {number: segment, crc: previous} = this.#written
    const block = encodeBlockHead({kind: BLOCK_HEAD, time, segment, offset: 0, previous, synced: 0}, head)
    const bytes = Buffer.concat([block.head, head])
    const path = join(this.#dir, segmentStem(segment) + PLAIN_SUFFIX)
    await replaceFile(path, bytes, this.#fs)
    this.#file = await this.#fs.openSegment(path)
    this.#written = {number: segment, size: bytes.length, synced: bytes.length, crc: block.crc}
    this.#isMarked = true
  }

  #fail(error: KvError): void {
    this.#failure = error
    this.#queue = []
    this.#options.onFailed?.(error)
  }

  async #end(): Promise<void> {
    await this.#running
    await this.#upkeep.stop()
    try {
      if (this.#failure === null && !this.#isMarked) {
        const pieces: Buffer[] = []
        this.#addBlock(pieces, BLOCK_MARK, NOTHING, this.#time)
        await this.#write(pieces)
      }
    } catch (error) {
      this.#fail(logError(this.#dir, error))
    }
    await this.#file?.close().catch(() => undefined)
    await this.#unlock()
  }
}
