/**
 * What clients did to each bucket: operations, bytes of requests, bytes of replies. For CLUSTER SLOT-STATS and `kv buckets top`.
 *
 * The figures of a bucket lie side by side, so that counting one operation touches one line of the cache, whichever bucket it is. They are
 * doubles: exact up to 2^53, and nobody has to look whether one is full. A bucket begins at zero where it goes and where it comes.
 *
 * Hot path: `count`, measured by `node test/bench/cpu.ts`.
 */
import {BUCKET_COUNT} from '../constants.ts'
import type {Request} from '../resp/request-decoder.ts'

export const OPERATIONS = 0
export const BYTES_IN = 1
export const BYTES_OUT = 2
/** Figures of one bucket; the last is room, so that none lies in two lines of the cache. */
const SHIFT = 2

/** Of a request with fewer than ten arguments and a name shorter than that: `*3\r\n$3\r\n` before its name, `\r\n` behind its end. */
const FRAME_BYTES = 10

export class BucketStats {
  readonly #figures = new Float64Array(BUCKET_COUNT << SHIFT)

  /** One operation of a client was executed. */
  count(bucket: number, request: Request, replyBytes: number): void {
    const figures = this.#figures
    const at = bucket << SHIFT
    figures[at]! += 1
    figures[at + BYTES_IN]! += requestBytes(request)
    figures[at + BYTES_OUT]! += replyBytes
  }

  /** The reply of an operation that was counted came later. */
  countReply(bucket: number, bytes: number): void {
    this.#figures[(bucket << SHIFT) + BYTES_OUT]! += bytes
  }

  /** `figure`: OPERATIONS, BYTES_IN or BYTES_OUT. */
  get(bucket: number, figure: number): number {
    return this.#figures[(bucket << SHIFT) + figure]!
  }

  reset(bucket: number): void {
    this.#figures.fill(0, bucket << SHIFT, (bucket + 1) << SHIFT)
  }

  resetAll(): void {
    this.#figures.fill(0)
  }
}

/** Bytes of the request on the wire, as clients send it (an inline one: as they would). */
function requestBytes({argc, off, len}: Request): number {
  const last = argc - 1
  const bytes = off[last]! + len[last]! - off[0]! + FRAME_BYTES
  return argc < 10 && len[0]! < 10 ? bytes : bytes + `${argc}${len[0]}`.length - 2
}
