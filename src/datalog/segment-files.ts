/** The segments of a folder, and the bytes of one of them, whether it is compressed or not. */
import {join} from 'node:path'
import {createZstdDecompress} from 'node:zlib'
import {LOG_READ_BYTES} from '../constants.ts'
import {errnoCode, openToRead, type OpenFile} from '../disk/durable-file.ts'
import {BLOCK_FOOT, readBlock, readTrailer, SKIPPABLE_HEAD_BYTES, TRAILER_BYTES, type Block} from './segment-format.ts'
import type {LogFileSystem} from './log-fs.ts'

export const PLAIN_SUFFIX = '.kvlog'
export const COMPRESSED_SUFFIX = '.kvlog.zst'
const NUMBER_DIGITS = 10
const ZSTD_CHUNK_BYTES_MIN = 4096
const NAME = /^(\d{10})\.kvlog(\.zst)?$/
const TEMP = /^\d{10}\.kvlog.*\.tmp-\d+$/

export interface SegmentName {
  readonly number: number
  /** Path. */
  readonly file: string
  readonly isCompressed: boolean
}

/** Name of the file of a segment, without its suffix: names sort by number. */
export function segmentStem(number: number): string {
  return String(number).padStart(NUMBER_DIGITS, '0')
}

/** Both files that a segment may be in. */
export function segmentFiles(dir: string, number: number): string[] {
  return [COMPRESSED_SUFFIX, PLAIN_SUFFIX].map((suffix) => join(dir, segmentStem(number) + suffix))
}

/** Ascending. One that is there in both forms (its compression was cut short) is given once, plain. */
export async function listSegments(dir: string, fs: LogFileSystem): Promise<SegmentName[]> {
  const byNumber = new Map<number, SegmentName>()
  for (const name of (await fs.readdir(dir)).sort()) {
    const match = NAME.exec(name)
    if (!match || byNumber.has(Number(match[1]))) continue
    const number = Number(match[1])
    byNumber.set(number, {number, file: join(dir, name), isCompressed: match[2] !== undefined})
  }
  return [...byNumber.values()]
}

/**
 * What a writer left that died: files that it was making, and compressed segments of which the plain one was not yet removed. Only who has the lock may remove
 * them.
 */
export async function listLeftovers(dir: string, fs: LogFileSystem): Promise<string[]> {
  const names = new Set(await fs.readdir(dir))
  const isTwin = (name: string): boolean => {
    const match = NAME.exec(name)
    return match?.[2] !== undefined && names.has(match[1]! + PLAIN_SUFFIX)
  }
  return [...names].filter((name) => TEMP.test(name) || isTwin(name)).map((name) => join(dir, name))
}

/** For who has no lock: opens a segment in the form that it has by now; null: it was removed since it was listed. */
export async function openListed(dir: string, name: SegmentName, fs: LogFileSystem): Promise<SegmentSource | null> {
  for (let now: SegmentName | undefined = name; now !== undefined;) {
    try {
      return await SegmentSource.open(now, fs)
    } catch (error) {
      if (errnoCode(error) !== 'ENOENT') throw error
    }
    now = (await listSegments(dir, fs)).find(({number}) => number === name.number)
  }
  return null
}

/** For zlib: pieces of the output for a segment of this size. Fewer are quicker, but each is allocated whole. */
export function zstdChunkBytes(size: number): number {
  return Math.max(ZSTD_CHUNK_BYTES_MIN, Math.min(size, LOG_READ_BYTES))
}

/** The bytes of a segment as they were before it was compressed. */
export class SegmentSource {
  readonly name: SegmentName
  /** Bytes of the file. */
  readonly bytes: number
  /** As the end of the file has it; null: the segment is not sealed, or the FOOT is damaged. */
  readonly foot: Block | null
  readonly #file: OpenFile
  /** Of a compressed one, when it was read. */
  #plain: Buffer | null = null

  private constructor(name: SegmentName, file: OpenFile, bytes: number, foot: Block | null) {
    this.name = name
    this.bytes = bytes
    this.foot = foot
    this.#file = file
  }

  /** Errors: what the file system throws. */
  static async open(name: SegmentName, fs: LogFileSystem): Promise<SegmentSource> {
    const file = await openToRead(name.file, fs)
    try {
      const {size} = await file.stat()
      return new SegmentSource(name, file, size, await readFoot(name, file, size))
    } catch (error) {
      await file.close()
      throw error
    }
  }

  /** Up to `length` bytes of the segment from `offset` on; fewer only at its end. They stay as they are. */
  async read(offset: number, length: number): Promise<Buffer> {
    if (!this.name.isCompressed) {
      const {size} = await this.#file.stat()
      return readUpTo(this.#file, offset, Math.max(0, Math.min(length, size - offset)))
    }
    this.#plain ??= await this.#decompress()
    return this.#plain.subarray(offset, offset + length)
  }

  close(): Promise<void> {
    return this.#file.close()
  }

  /** All of it that can be made out: behind damage there is nothing more. */
  async #decompress(): Promise<Buffer> {
    const footBytes = this.foot === null ? 0 : SKIPPABLE_HEAD_BYTES + this.foot.end - this.foot.offset
    const packed = await readUpTo(this.#file, 0, this.bytes - footBytes)
    const limit = this.foot?.end ?? Infinity
    const stream = createZstdDecompress({chunkSize: zstdChunkBytes(limit)})
    stream.end(packed)
    const chunks: Buffer[] = []
    let total = 0
    try {
      for await (const chunk of stream as AsyncIterable<Buffer>) {
        chunks.push(chunk)
        total += chunk.length
        // Damage must not take more memory than the segment.
        if (total > limit) break
      }
    } catch {
      // What is missing is found by who reads the blocks.
    }
    return Buffer.concat(chunks)
  }
}

async function readUpTo(file: OpenFile, offset: number, length: number): Promise<Buffer> {
  const buf = Buffer.allocUnsafeSlow(length)
  let done = 0
  while (done < length) {
    const got = await file.read(buf, done, length - done, offset + done)
    if (got === 0) break
    done += got
  }
  return buf.subarray(0, done)
}

async function readFoot(name: SegmentName, file: OpenFile, size: number): Promise<Block | null> {
  if (size < TRAILER_BYTES) return null
  const trailer = readTrailer(await readUpTo(file, size - TRAILER_BYTES, TRAILER_BYTES))
  if (trailer === null || trailer.bytes > size) return null
  if (!name.isCompressed && trailer.offset + trailer.bytes !== size) return null
  const verdict = readBlock(await readUpTo(file, size - trailer.bytes, trailer.bytes), 0, trailer.offset, name.number)
  return verdict.kind === 'ok' && verdict.block.kind === BLOCK_FOOT ? verdict.block : null
}
