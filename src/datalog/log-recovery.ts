/**
 * What a folder holds when a writer opens it: where the next entry goes, and what the log has. Only the end is read, whatever the size of the log: the FOOT of
 * the last segment, or, if that one is open, all of it and the FOOT of the one before.
 *
 * A torn tail is put aside in a file of its own, then cut: the next block must not stand behind it. All other damage is refused.
 */
import {replaceFile} from '../disk/durable-file.ts'
import {damaged, missing} from './log-errors.ts'
import {checkIdentity, readHead} from './log-reader.ts'
import {listLeftovers, listSegments, SegmentSource, type SegmentName} from './segment-files.ts'
import {BLOCK_FOOT, BLOCK_HEAD, BLOCK_MARK, type Block} from './segment-format.ts'
import {scanSegment} from './segment-scan.ts'
import {SegmentTable} from './segment-table.ts'
import type {LogFileSystem} from './log-fs.ts'
import type {LogDamage, LogIdentity} from './types.ts'
import type {KvError} from '../errors.ts'

/** A torn tail that was cut off. */
export interface LogCut extends LogDamage {
  /** Where its bytes are kept. */
  readonly kept: string
  readonly bytes: number
}

export interface Recovered {
  readonly table: SegmentTable
  /** The last segment; 0: there is none. */
  readonly number: number
  /** The file to which entries are appended; null: another one must be begun. */
  readonly open: {readonly file: string; readonly size: number; readonly isMarked: boolean} | null
  /** Crc of the last block. */
  readonly crc: number
  /** Unix ms of the last block. */
  readonly time: number
  readonly cut: LogCut | null
}

/** Errors: E_LOG_FOREIGN, E_LOG_FORMAT, E_LOG_DAMAGED, E_LOG_MISSING, and what the file system throws. */
export async function recover(dir: string, identity: LogIdentity, fs: LogFileSystem): Promise<Recovered> {
  for (const path of await listLeftovers(dir, fs)) await fs.unlink(path)
  const names = await listSegments(dir, fs)
  names.forEach(({number}, i) => {
    const next = names[0]!.number + i
    if (number !== next) throw missing(dir, next, number - 1)
  })
  const name = names.at(-1)
  if (name === undefined) return {table: new SegmentTable(), number: 0, open: null, crc: 0, time: 0, cut: null}
  const source = await SegmentSource.open(name, fs)
  try {
    if (source.foot !== null) return fromFoot(name, source.foot, identity)
    const before = names.at(-2)
    return await new OpenSegment(source, identity, fs).recover(before === undefined ? null : await footCrc(before, fs))
  } finally {
    await source.close()
  }
}

function refusal(name: SegmentName, offset: number, words: string): KvError {
  return damaged({segment: name.number, file: name.file, offset, words})
}

function fromFoot(name: SegmentName, foot: Block, identity: LogIdentity): Recovered {
  const table = new SegmentTable()
  if (checkIdentity(name.file, foot.body, identity) === null || !table.decodeRows(foot.body, true)) {
    throw refusal(name, foot.offset, 'the footer makes no sense')
  }
  return {table, number: name.number, open: null, crc: foot.crc, time: foot.time, cut: null}
}

async function footCrc(name: SegmentName, fs: LogFileSystem): Promise<number> {
  const source = await SegmentSource.open(name, fs)
  try {
    if (source.foot === null) throw refusal(name, source.bytes, 'the footer is damaged or missing')
    return source.foot.crc
  } finally {
    await source.close()
  }
}

/** The last segment, whose writer did not seal it. */
class OpenSegment {
  readonly #source: SegmentSource
  readonly #identity: LogIdentity
  readonly #fs: LogFileSystem
  readonly #table = new SegmentTable()
  #last: Block | null = null

  constructor(source: SegmentSource, identity: LogIdentity, fs: LogFileSystem) {
    this.#source = source
    this.#identity = identity
    this.#fs = fs
  }

  /** `crcBefore`: of the FOOT of the segment before; null: this is the first one. */
  async recover(crcBefore: number | null): Promise<Recovered> {
    const {name} = this.#source
    // It was put in place whole.
    if ((await readHead(this.#source)) === null) throw refusal(name, 0, 'the head of the segment is damaged')
    let size = 0
    let torn: string | null = null
    for await (const item of scanSegment(this.#source, 0, crcBefore)) {
      if (item.kind === 'damage') throw refusal(name, item.offset, item.words)
      if (item.kind === 'block') this.#take(item.block)
      else ({offset: size, torn} = item)
    }
    const last = this.#last!
    if (last.kind === BLOCK_FOOT) throw refusal(name, last.offset, 'the footer does not end as footers do')
    const cut = torn === null ? null : await this.#putAside(size, torn)
    // What a killed process wrote and did not sync counts from now on.
    await this.#fs.cut(name.file, size)
    const open = {file: name.file, size, isMarked: last.kind !== BLOCK_HEAD ? last.kind === BLOCK_MARK : true}
    return {table: this.#table, number: name.number, open, crc: last.crc, time: last.time, cut}
  }

  #take(block: Block): void {
    const {name} = this.#source
    const {kind, body, offset, time} = block
    this.#last = block
    if (kind === BLOCK_HEAD) {
      const isOurs = checkIdentity(name.file, body, this.#identity) !== null
      if (!isOurs || offset !== 0 || !this.#table.decodeRows(body, false))
        throw refusal(name, offset, 'the head makes no sense')
      this.#table.begin(name.number, time)
    } else if (kind < BLOCK_HEAD) {
      const words = this.#table.take(kind, body, offset, time)
      if (words !== null) throw refusal(name, offset, words)
    }
  }

  async #putAside(size: number, words: string): Promise<LogCut> {
    const {file, number} = this.#source.name
    const bytes = await this.#source.read(size, this.#source.bytes - size)
    const kept = await this.#freeName(`${file}.torn-${size}`)
    await replaceFile(kept, bytes, this.#fs)
    return {segment: number, file, offset: size, words, kept, bytes: bytes.length}
  }

  /** An earlier crash may have left a tail at the same place. */
  async #freeName(wanted: string): Promise<string> {
    const dir = wanted.slice(0, wanted.lastIndexOf('/') + 1)
    const taken = new Set((await this.#fs.readdir(dir)).map((name) => dir + name))
    let free = wanted
    for (let i = 2; taken.has(free); i++) free = `${wanted}.${i}`
    return free
  }
}
