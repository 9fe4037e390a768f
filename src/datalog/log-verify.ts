/**
 * Reads all of a log and says what is wrong with it: bytes that are no blocks, blocks, segments and records that are missing or do not follow. Takes no lock; of
 * a running writer's last segment only what is finished counts.
 */
import {join} from 'node:path'
import {LOG_FINDINGS_MAX} from '../constants.ts'
import {errnoCode} from '../disk/durable-file.ts'
import {LogChecker, type LogPoint} from './log-check.ts'
import {logError, noLog} from './log-errors.ts'
import {nodeLogFileSystem, type LogFileSystem} from './log-fs.ts'
import {checkIdentity} from './log-reader.ts'
import {
  listSegments,
  openListed,
  PLAIN_SUFFIX,
  segmentStem,
  type SegmentName,
  type SegmentSource,
} from './segment-files.ts'
import {BLOCK_FOOT, BLOCK_HEAD, type Block} from './segment-format.ts'
import {scanSegment, type Scanned} from './segment-scan.ts'
import {decodeFoot, SegmentTable, type SegmentCounts} from './segment-table.ts'
import type {LogDamage, LogIdentity} from './types.ts'

export interface LogFinding extends LogDamage {
  /** Of a finding about bytes: the offset behind them. */
  readonly end?: number
  /** Of a finding about a bucket. */
  readonly bucket?: number
  /** The changes of the bucket that are missing, first and last. */
  readonly missing?: {readonly first: LogPoint; readonly last: LogPoint}
}

export interface LogTotals extends SegmentCounts {
  readonly segments: number
  /** On the disk. */
  readonly bytes: number
}

export interface LogReport {
  readonly isOk: boolean
  /** Up to LOG_FINDINGS_MAX, in the order of the log. */
  readonly findings: readonly LogFinding[]
  readonly findingCount: number
  /** What stands at the end of the last segment and is not (yet) a whole block; null: nothing does. No finding: it was never acknowledged. */
  readonly torn: LogDamage | null
  readonly totals: LogTotals
}

export interface VerifyOptions {
  readonly onProgress?: (progress: {readonly bytes: number; readonly totalBytes: number}) => void
  readonly fs?: LogFileSystem
}

/** Errors: E_LOG (there is none, or it cannot be read), E_LOG_FORMAT, E_LOG_FOREIGN. */
export async function verifyLog(
  dir: string,
  {fs = nodeLogFileSystem, onProgress}: VerifyOptions = {},
): Promise<LogReport> {
  try {
    const names = await listSegments(dir, fs)
    if (names.length === 0) throw noLog(dir)
    return await new Verification(dir, names, fs, onProgress).run()
  } catch (error) {
    throw errnoCode(error) === 'ENOENT' ? noLog(dir) : logError(dir, error)
  }
}

class Verification {
  readonly #dir: string
  readonly #names: readonly SegmentName[]
  readonly #fs: LogFileSystem
  readonly #onProgress: VerifyOptions['onProgress']
  readonly #findings: LogFinding[] = []
  readonly #checker = new LogChecker(({bucket, missing, words}) => {
    const found = {...this.#place, words, bucket}
    this.#find(missing === null ? found : {...found, missing})
  })
  #findingCount = 0
  #identity: LogIdentity | null = null
  #torn: LogDamage | null = null
  #crc: number | null = null
  /** Of what is being looked at. */
  #place = {segment: 0, file: '', offset: 0}
  #segmentFindings = 0
  readonly #counts = new SegmentTable()
  readonly #totals = {segments: 0, bytes: 0, blocks: 0, records: 0, imageRecords: 0, images: 0, gaps: 0}

  constructor(dir: string, names: readonly SegmentName[], fs: LogFileSystem, onProgress: VerifyOptions['onProgress']) {
    this.#dir = dir
    this.#names = names
    this.#fs = fs
    this.#onProgress = onProgress
  }

  async run(): Promise<LogReport> {
    const sizes = await Promise.all(this.#names.map(async (name) => this.#sizeOf(name)))
    const totalBytes = sizes.reduce((sum, size) => sum + size, 0)
    let next = this.#names[0]!.number
    for (const [i, name] of this.#names.entries()) {
      if (name.number > next) this.#missing(next, name.number - 1)
      next = name.number + 1
      const before = this.#totals.bytes
      await this.#segment(name, i === this.#names.length - 1, (bytes) =>
        this.#onProgress?.({bytes: before + Math.min(bytes, sizes[i]!), totalBytes}),
      )
      this.#totals.segments++
      this.#totals.bytes += sizes[i]!
      this.#onProgress?.({bytes: this.#totals.bytes, totalBytes})
    }
    const [findings, findingCount] = [this.#findings, this.#findingCount]
    return {isOk: findingCount === 0, findings, findingCount, torn: this.#torn, totals: this.#totals}
  }

  async #sizeOf(name: SegmentName): Promise<number> {
    const source = await openListed(this.#dir, name, this.#fs)
    await source?.close()
    return source?.bytes ?? 0
  }

  #find(finding: LogFinding): void {
    this.#findingCount++
    this.#segmentFindings++
    if (this.#findings.length < LOG_FINDINGS_MAX) this.#findings.push(finding)
  }

  #missing(first: number, last: number): void {
    const words = first === last ? 'the segment is missing' : `segments ${first} to ${last} are missing`
    this.#find({segment: first, file: join(this.#dir, segmentStem(first) + PLAIN_SUFFIX), offset: 0, words})
    this.#checker.damage()
    this.#crc = null
  }

  async #segment(name: SegmentName, isLast: boolean, onBytes: (bytes: number) => void): Promise<void> {
    const source = await openListed(this.#dir, name, this.#fs)
    // Removed since it was listed, as all before it were.
    if (source === null) return this.#checker.restart()
    this.#place = {segment: name.number, file: source.name.file, offset: 0}
    this.#segmentFindings = 0
    this.#counts.begin(name.number, 0)
    try {
      for await (const item of scanSegment(source, 0, this.#crc)) {
        this.#place = {...this.#place, offset: item.kind === 'block' ? item.block.offset : item.offset}
        if (item.kind === 'block') this.#block(item.block, source)
        else if (item.kind === 'damage') this.#damage(item)
        else this.#end(item, source, isLast)
        onBytes(this.#place.offset)
      }
    } finally {
      await source.close()
    }
    for (const key of ['blocks', 'records', 'imageRecords', 'images', 'gaps'] as const)
      this.#totals[key] += this.#counts[key]
  }

  #damage({offset, end, words}: Extract<Scanned, {kind: 'damage'}>): void {
    this.#find({...this.#place, offset, end, words})
    this.#checker.damage()
  }

  #end({offset, isSealed, torn}: Extract<Scanned, {kind: 'end'}>, source: SegmentSource, isLast: boolean): void {
    if (torn !== null && isLast) this.#torn = {...this.#place, words: torn}
    else if (torn !== null) this.#damage({kind: 'damage', offset, end: source.bytes, words: torn})
    const words = 'the segment is not sealed, though there is a later one'
    if (!isSealed && !isLast && torn === null) this.#find({...this.#place, words})
    if (!isSealed) this.#crc = null
  }

  #block(block: Block, source: SegmentSource): void {
    const {kind, body, offset, end, time} = block
    this.#crc = block.crc
    if (kind > BLOCK_HEAD && kind !== BLOCK_FOOT) return
    if (kind < BLOCK_HEAD) {
      const words = this.#checker.entry(kind, body)
      if (words !== null) this.#damage({kind: 'damage', offset, end, words})
      this.#counts.take(kind, body, offset, time)
      return
    }
    const isFoot = kind === BLOCK_FOOT
    const identity = checkIdentity(this.#place.file, body, this.#identity)
    this.#identity ??= identity
    if (identity === null || !this.#checker.table(body, isFoot))
      this.#damage({kind: 'damage', offset, end, words: 'the block makes no sense'})
    if (isFoot) this.#foot(block, source)
  }

  #foot({crc, body, end}: Block, source: SegmentSource): void {
    const foot = decodeFoot(body)
    const counted = this.#counts
    const isRight =
      foot !== null &&
      (['blocks', 'records', 'imageRecords', 'images', 'gaps', 'to'] as const).every(
        (key) => foot[key] === counted[key] || (key === 'to' && counted.blocks === 0),
      )
    // Of a damaged segment it must count more than is left.
    if (!isRight && this.#segmentFindings === 0)
      this.#find({...this.#place, words: 'the footer counts other entries than are there', end})
    if (source.foot !== null && source.foot.crc !== crc)
      this.#find({...this.#place, words: 'the copy of the footer is another one', end})
  }
}
