/**
 * Reads the entries of a folder in order. Takes no lock and changes nothing: the writer may be running, and compress or remove segments meanwhile. What it has
 * not finished writing is not read; with `follow` it is waited for.
 *
 * Segments are looked up again each time one is opened: since the last look it may have been compressed, or another one begun.
 */
import {join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import {LOG_FOLLOW_POLL_MS} from '../constants.ts'
import {errnoCode} from '../disk/durable-file.ts'
import {damaged, foreign, logError, missing, noLog, unknownFormat} from './log-errors.ts'
import {nodeLogFileSystem, type LogFileSystem} from './log-fs.ts'
import {
  listSegments,
  openListed,
  PLAIN_SUFFIX,
  type SegmentSource,
  segmentStem,
  type SegmentName,
} from './segment-files.ts'
import {BLOCK_FOOT, BLOCK_HEAD, readBlock, readIdentity, type Block} from './segment-format.ts'
import {scanSegment} from './segment-scan.ts'
import {decodeFoot, rangeOf} from './segment-table.ts'
import type {LogDamage, LogIdentity, LoggedEntry, LogReader, ReadOptions} from './types.ts'

/**
 * Opens the log in a folder. Errors: E_LOG (there is none, or it cannot be read), E_LOG_FORMAT, E_LOG_FOREIGN (segments of two clusters), E_LOG_DAMAGED (no
 * segment says whose it is). `entries` also throws E_LOG_MISSING.
 */
export async function openLogReader(
  dir: string,
  {fs = nodeLogFileSystem}: {fs?: LogFileSystem} = {},
): Promise<LogReader> {
  try {
    const names = await listSegments(dir, fs)
    if (names.length === 0) throw noLog(dir)
    let identity: LogIdentity | null = null
    for (const name of names) identity = (await identityOf(dir, name, fs, identity)) ?? identity
    if (identity !== null) return new FolderReader(dir, fs, identity)
    throw damaged({segment: names[0]!.number, file: names[0]!.file, offset: 0, words: 'nothing says whose log it is'})
  } catch (error) {
    throw errnoCode(error) === 'ENOENT' ? noLog(dir) : logError(dir, error)
  }
}

/** Id of the cluster whose log is in the folder; null: there is none yet. Errors: as `openLogReader`. */
export async function clusterOfLog(dir: string, fs: LogFileSystem = nodeLogFileSystem): Promise<string | null> {
  const names = await listSegments(dir, fs).catch((error: unknown) => {
    if (errnoCode(error) === 'ENOENT') return []
    throw logError(dir, error)
  })
  if (names.length === 0) return null
  const reader = await openLogReader(dir, {fs})
  await reader.close()
  return reader.identity.clusterId
}

/** Null: it is damaged or gone. Errors: E_LOG_FORMAT, E_LOG_FOREIGN. */
async function identityOf(
  dir: string,
  name: SegmentName,
  fs: LogFileSystem,
  wanted: LogIdentity | null,
): Promise<LogIdentity | null> {
  const source = await openListed(dir, name, fs)
  if (source === null) return null
  try {
    const block = source.foot ?? (await readHead(source))
    return block === null ? null : checkIdentity(name.file, block.body, wanted)
  } finally {
    await source.close()
  }
}

/** The first block of a segment, or null if that is no whole HEAD. */
export async function readHead(source: SegmentSource): Promise<Block | null> {
  let buf = await source.read(0, 64 * 1024)
  let verdict = readBlock(buf, 0, 0, source.name.number)
  if (verdict.kind === 'need') {
    buf = await source.read(0, Math.min(buf.length + verdict.bytes, source.name.isCompressed ? Infinity : source.bytes))
    verdict = readBlock(buf, 0, 0, source.name.number)
  }
  return verdict.kind === 'ok' && verdict.block.kind === BLOCK_HEAD ? verdict.block : null
}

/** Whose segment it is, by the body of its HEAD or FOOT; null: the body makes no sense. Errors: E_LOG_FORMAT, E_LOG_FOREIGN. */
export function checkIdentity(file: string, body: Buffer, wanted: LogIdentity | null): LogIdentity | null {
  const identity = readIdentity(body)
  if ('words' in identity) {
    if (identity.isFormat) throw unknownFormat(file, identity.words)
    return null
  }
  if (wanted !== null && identity.clusterId !== wanted.clusterId) {
    throw foreign(file, identity.clusterId, wanted.clusterId)
  }
  return {clusterId: identity.clusterId, nodeId: identity.nodeId}
}

/** How the reading of a segment ended: at its FOOT, at the end of what is wanted or there, or it was gone. */
type Ending = {readonly kind: 'sealed'; readonly crc: number | null} | {readonly kind: 'done'} | {readonly kind: 'gone'}

class FolderReader implements LogReader {
  readonly identity: LogIdentity
  readonly #dir: string
  readonly #fs: LogFileSystem
  #isClosed = false

  constructor(dir: string, fs: LogFileSystem, identity: LogIdentity) {
    this.#dir = dir
    this.#fs = fs
    this.identity = identity
  }

  async *entries(options: ReadOptions = {}): AsyncGenerator<LoggedEntry, void> {
    const names = await this.#list()
    let number = options.from?.segment ?? names[0]?.number ?? 1
    // Told before anything is read: who applies entries should not find out in the middle.
    if (!options.onDamage) this.#checkWhole(names, number)
    let crc: number | null = null
    let hasBegun = options.from !== undefined
    for (;;) {
      const name = (await this.#list()).find((found) => found.number >= number)
      if (name === undefined) {
        if (!(await this.#wait(options))) return
        continue
      }
      if (name.number > number) {
        // What was removed before we came to it, at the beginning, is not missing.
        if (hasBegun) this.#tellMissing(number, name.number - 1, options)
        number = name.number
        crc = null
      }
      const ending: Ending = yield* this.#segment(name, crc, options)
      if (ending.kind === 'done') return
      if (ending.kind === 'gone') continue
      crc = ending.crc
      hasBegun = true
      number++
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true
  }

  async #list(): Promise<SegmentName[]> {
    return listSegments(this.#dir, this.#fs).catch((error: unknown) => {
      throw logError(this.#dir, error)
    })
  }

  /** False: there is no more to wait for. */
  async #wait({follow}: ReadOptions): Promise<boolean> {
    if (!follow || follow.aborted || this.#isClosed) return false
    await sleep(LOG_FOLLOW_POLL_MS, undefined, {signal: follow}).catch(() => undefined)
    return true
  }

  #checkWhole(names: readonly SegmentName[], from: number): void {
    let next = from
    for (const {number} of names) {
      if (number < next) continue
      if (number > next) throw missing(this.#dir, next, number - 1)
      next++
    }
  }

  #tellMissing(first: number, last: number, {onDamage}: ReadOptions): void {
    if (!onDamage) throw missing(this.#dir, first, last)
    const words = first === last ? 'the segment is missing' : `segments ${first} to ${last} are missing`
    onDamage({segment: first, file: join(this.#dir, segmentStem(first) + PLAIN_SUFFIX), offset: 0, words})
  }

  async *#segment(name: SegmentName, crc: number | null, options: ReadOptions): AsyncGenerator<LoggedEntry, Ending> {
    const source = await openListed(this.#dir, name, this.#fs).catch((error: unknown) => {
      throw logError(this.#dir, error)
    })
    if (source === null) return {kind: 'gone'}
    try {
      return yield* new SegmentReader(this, source, options).read(crc)
    } catch (error) {
      throw logError(this.#dir, error)
    } finally {
      await source.close()
    }
  }

  /** For SegmentReader: is there a later segment? */
  async hasLater(number: number): Promise<boolean> {
    return (await this.#list()).some((name) => name.number > number)
  }

  waitForMore(options: ReadOptions): Promise<boolean> {
    return this.#wait(options)
  }
}

/** Reads one segment, to its end or as long as it grows. */
class SegmentReader {
  readonly #folder: FolderReader
  readonly #source: SegmentSource
  readonly #options: ReadOptions
  /** Entries before it are passed over. */
  readonly #from: number

  constructor(folder: FolderReader, source: SegmentSource, options: ReadOptions) {
    this.#folder = folder
    this.#source = source
    this.#options = options
    this.#from = options.from?.segment === source.name.number ? options.from.offset : 0
  }

  async *read(crc: number | null): AsyncGenerator<LoggedEntry, Ending> {
    const {foot, name} = this.#source
    const range = this.#range()
    if (range === null) return {kind: 'sealed', crc: foot!.crc}
    let at = range.first
    let previous = at > 0 ? null : crc
    let isLastTry = false
    for (;;) {
      for await (const item of scanSegment(this.#source, at, previous)) {
        if (item.kind === 'damage') {
          if (item.end >= this.#from) this.#tell(item.offset, item.words)
        } else if (item.kind === 'end') {
          if (item.isSealed) return {kind: 'sealed', crc: foot?.crc ?? previous}
          at = item.offset
        } else {
          const {block} = item
          previous = block.crc
          if (block.offset > range.last) return {kind: 'sealed', crc: foot!.crc}
          if (block.kind >= BLOCK_HEAD) this.#check(block)
          else if (block.time > (this.#options.until ?? Infinity) || this.#options.follow?.aborted)
            return {kind: 'done'}
          else if (block.offset >= this.#from) {
            yield {kind: block.kind, body: block.body, segment: name.number, offset: block.offset, time: block.time}
          }
        }
      }
      if (await this.#folder.hasLater(name.number)) {
        // It may have been sealed since we read its end.
        if (isLastTry) {
          this.#tell(at, 'the segment is not sealed, though there is a later one')
          return {kind: 'sealed', crc: null}
        }
        isLastTry = true
      } else if (!(await this.#folder.waitForMore(this.#options))) {
        return {kind: 'done'}
      }
    }
  }

  #tell(offset: number, words: string): void {
    const damage: LogDamage = {segment: this.#source.name.number, file: this.#source.name.file, offset, words}
    if (!this.#options.onDamage) throw damaged(damage)
    this.#options.onDamage(damage)
  }

  /** Offsets of the first and the last block that may be wanted; null: the footer says that none is. */
  #range(): {readonly first: number; readonly last: number} | null {
    const {buckets, since = 0, until = Infinity} = this.#options
    const all = {first: 0, last: Infinity}
    const block = this.#source.foot
    const foot = block === null ? null : decodeFoot(block.body)
    if (block === null || foot === null) return all
    checkIdentity(this.#source.name.file, block.body, this.#folder.identity)
    if (foot.to < since || foot.from > until) return null
    return buckets ? rangeOf(block.body, buckets) : all
  }

  #check({kind, body, offset}: Block): void {
    if (kind !== BLOCK_HEAD && kind !== BLOCK_FOOT) return
    if (checkIdentity(this.#source.name.file, body, this.#folder.identity) === null) {
      this.#tell(offset, 'the block does not say whose log it is')
    }
  }
}
