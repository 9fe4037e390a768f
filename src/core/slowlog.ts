/**
 * SLOWLOG: what took long, newest first, as Redis keeps it: few entries, their arguments cut.
 *
 * The core reads no clock: the driver times each chunk of input that it serves, and tells. So the time of an entry is the chunk's: of
 * one command when a client waits for each reply, of a whole pipeline when it does not; the command shown is then its last.
 */
import type {Request} from '../resp/request-decoder.ts'
import type {Session} from './session.ts'

const ARGS_MAX = 32
const ARG_BYTES_MAX = 128

export interface SlowEntry {
  /** Grows by one with each entry, never starts again. */
  readonly id: number
  /** Unix seconds. */
  readonly time: number
  /** Of the chunk in which the command was the last one, see above. */
  readonly durationUs: number
  readonly args: readonly Buffer[]
  readonly address: string
  readonly name: string
}

export class Slowlog {
  /** Chunks that take longer are kept; negative: none. */
  thresholdUs = 10_000
  #lengthMax = 128
  #entries: SlowEntry[] = []
  #nextId = 0

  /** Entries ever. */
  get added(): number {
    return this.#nextId
  }

  get entries(): readonly SlowEntry[] {
    return this.#entries
  }

  get lengthMax(): number {
    return this.#lengthMax
  }

  set lengthMax(length: number) {
    this.#lengthMax = length
    this.#entries.length = Math.min(this.#entries.length, length)
  }

  clear(): void {
    this.#entries = []
  }

  isSlow(durationUs: number): boolean {
    return durationUs >= this.thresholdUs && this.thresholdUs >= 0
  }

  /** Keeps an entry of a chunk that was slow. `args`: as `shownArguments` gives them. */
  add(session: Session, unixMs: number, durationUs: number, args: readonly Buffer[]): void {
    const {address, name} = session
    const time = Math.floor(unixMs / 1000)
    this.#entries.unshift({id: this.#nextId++, time, durationUs: Math.round(durationUs), args, address, name})
    this.#entries.length = Math.min(this.#entries.length, this.#lengthMax)
  }
}

/** Copies of the arguments, cut as Redis cuts them: 32 arguments, 128 bytes of each, and how much more there was. */
export function shownArguments(request: Request): Buffer[] {
  const {argc} = request
  const count = argc > ARGS_MAX ? ARGS_MAX - 1 : argc
  const args = Array.from({length: count}, (_, i) => cutArgument(request, i))
  if (count < argc) args.push(Buffer.from(`... (${argc - count} more arguments)`))
  return args
}

function cutArgument({buf, off, len}: Request, i: number): Buffer {
  const from = off[i]!
  const length = len[i]!
  if (length <= ARG_BYTES_MAX) return Buffer.from(buf.subarray(from, from + length))
  const more = `... (${length - ARG_BYTES_MAX} more bytes)`
  return Buffer.concat([buf.subarray(from, from + ARG_BYTES_MAX), Buffer.from(more)])
}
