/**
 * Judges a savefile piece by piece: a state machine without I/O, given a window of the file's bytes at a time.
 *
 *   header --> batches --> done
 *      \          \
 *       `----------`--> a fault, with its offset in the file
 *
 * Every byte of a file is covered: a magic, a CRC or a check that it is zero, and the place where the file ends.
 */
import {assert} from '../base/assert.ts'
import {checkFrame, FrameChain, readFrame, RecordCursor, type Fault, type Frame} from '../record/codec.ts'
import {
  checkForeign,
  decodeFooter,
  decodeHeader,
  isFooter,
  SAVEFILE_FOOTER_BYTES,
  SAVEFILE_HEADER_BYTES,
  type SavefileHeader,
  type SavefileTotals,
} from './savefile-format.ts'

/** What a savefile says about itself; all of it checked, except `keys`, which the writer counted. */
export interface SavefileSummary extends SavefileHeader, SavefileTotals {
  readonly bytes: number
}

export type ScanStep =
  | {readonly kind: 'header'; readonly header: SavefileHeader}
  /** The frame and all of its records are good; offsets count in the window. */
  | {readonly kind: 'batch'; readonly frame: Frame}
  | {readonly kind: 'done'; readonly summary: SavefileSummary}
  /** Bytes that the window must have from `offset` on; the file has them. */
  | {readonly kind: 'need'; readonly bytes: number}
  /** `fault.offset` counts in the file. */
  | {readonly kind: 'bad'; readonly fault: Fault}

export class SavefileScanner {
  /** Where in the file the next step reads: what lies before it is done with. */
  offset = 0
  readonly #size: number
  readonly #cursor = new RecordCursor()
  readonly #chain = new FrameChain(0)
  #header: SavefileHeader | null = null
  #records = 0
  #batches = 0

  /** `size`: bytes of the whole file. */
  constructor(size: number) {
    this.#size = size
  }

  /** Takes the next piece; the window `off..end` of `buf` must begin at `this.offset` in the file. Never throws on bytes. */
  step(buf: Buffer, off: number, end: number): ScanStep {
    assert(end - off <= this.#size - this.offset, 'a window cannot be longer than the file')
    const result = this.#header === null ? this.#readHeader(buf, off, end) : this.#readNext(buf, off, end, this.#header)
    if (result.kind === 'need') return this.#checkNeed(result.bytes, end - off)
    return result
  }

  #bad(fault: Fault, off: number): ScanStep {
    // Faults of frames and records count in the window.
    return {kind: 'bad', fault: {...fault, offset: this.offset + fault.offset - off}}
  }

  #badHere(code: string, offset: number, words: string): ScanStep {
    return {kind: 'bad', fault: {code, offset, words}}
  }

  /** More bytes are fine if the file has them; else it was cut. */
  #checkNeed(bytes: number, given: number): ScanStep {
    if (this.offset + bytes <= this.#size) return {kind: 'need', bytes}
    // Look at what there is before calling it cut: ten foreign bytes are not a savefile that was cut at byte ten.
    const look = Math.min(this.#size - this.offset, SAVEFILE_HEADER_BYTES)
    if (given < look) return {kind: 'need', bytes: look}
    if (this.#size === 0) return this.#badHere('cut', 0, 'it is empty')
    const what =
      this.#header === null ? 'the header' : this.offset === this.#size ? 'the footer' : 'a batch or the footer'
    const missing = `${what} that begins at byte ${this.offset} is not all there`
    return this.#badHere('cut', this.#size, `it is cut: ${missing}`)
  }

  #readHeader(buf: Buffer, off: number, end: number): ScanStep {
    const foreign = checkForeign(buf, off, end)
    if (foreign !== null) return {kind: 'bad', fault: foreign}
    if (end - off < SAVEFILE_HEADER_BYTES) return {kind: 'need', bytes: SAVEFILE_HEADER_BYTES}
    const header = decodeHeader(buf, off)
    if ('code' in header) return {kind: 'bad', fault: header}
    this.#header = header
    this.#chain.previous = header.crc
    this.offset += SAVEFILE_HEADER_BYTES
    return {kind: 'header', header}
  }

  #readNext(buf: Buffer, off: number, end: number, header: SavefileHeader): ScanStep {
    if (end - off >= 3 && isFooter(buf, off)) return this.#readFooter(buf, off, end, header)
    // Three bytes tell a footer from a batch; the shortest good rest of a file is a footer.
    if (end - off < 3) return {kind: 'need', bytes: SAVEFILE_FOOTER_BYTES}
    const verdict = readFrame(buf, off, end)
    if (verdict.kind === 'need') return {kind: 'need', bytes: end - off + verdict.bytes}
    if (verdict.kind === 'bad') return this.#bad(verdict.fault, off)
    const {frame} = verdict
    const fault = this.#chain.accept(frame) ?? checkFrame(this.#cursor, buf, frame)
    if (fault !== null) return this.#bad(fault, off)
    this.#records += frame.count
    this.#batches++
    this.offset += frame.end - frame.start
    return {kind: 'batch', frame}
  }

  #readFooter(buf: Buffer, off: number, end: number, header: SavefileHeader): ScanStep {
    if (end - off < SAVEFILE_FOOTER_BYTES) return {kind: 'need', bytes: SAVEFILE_FOOTER_BYTES}
    const previous = this.#chain.previous
    assert(previous !== null, 'the batches of a savefile are chained')
    const read = {records: this.#records, batches: this.#batches, previous}
    const totals = decodeFooter(buf, off, this.offset, read)
    if ('code' in totals) return {kind: 'bad', fault: totals}
    if (this.#chain.isGroupOpen) return this.#badHere('group', this.offset, 'the last group is not all there')
    const fileEnd = this.offset + SAVEFILE_FOOTER_BYTES
    if (fileEnd !== this.#size) {
      return this.#badHere('trailing', fileEnd, `${this.#size - fileEnd} bytes follow its end`)
    }
    this.offset = fileEnd
    return {kind: 'done', summary: {...header, ...totals, bytes: this.#size}}
  }
}
