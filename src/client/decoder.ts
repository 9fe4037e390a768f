/**
 * Incremental decoder of RESP2 and RESP3 replies. Bytes go in as they arrive, cut anywhere; whole replies come out.
 *
 *   write(chunk) -> header line -> integer, null, ...  ----------------> #emit -> onReply
 *                       |-> `$ = !` length -> #readBlob -> ...  --------^   ^
 *                       '-> `* % ~ > |` count -> frame on #stack -- full ---'
 *
 * It trusts nothing: depth, counts, line length, blob length and the bytes of one unfinished reply are bounded, memory
 * grows only with bytes that have really arrived (a header that announces 512 MB allocates nothing), and the first byte
 * out of place throws E_PROTOCOL, after which the decoder stays shut, because in RESP there is no way to find the next
 * reply.
 *
 * What has arrived whole, which is nearly everything, is read in place by `#readQuick`, without a string or a frame for each header; whatever is
 * cut, rare or wrong falls through to the careful path, which knows all cases. `npm run bench:client` measures it.
 *
 * Attributes (`|`) are auxiliary data that the protocol allows a client to ignore: they are checked and dropped. The
 * spec's streamed kinds (`$?`, `*?`) are refused: no server sends them.
 */
import {BULK_BYTES_MAX, INLINE_BYTES_MAX, REPLY_BYTES_MAX, REPLY_DEPTH_MAX, REPLY_ITEMS_MAX} from '../constants.ts'
import {KvError} from '../errors.ts'
import {replyPairs, type Push, type Reply} from './reply.ts'

export interface DecoderEvents {
  onReply(reply: Reply): void
  onPush(push: Push): void
}

type FrameKind = 'array' | 'map' | 'set' | 'push' | 'attribute'

/** An aggregate whose elements are still arriving. */
interface Frame {
  readonly kind: FrameKind
  readonly items: Reply[]
  missing: number
}

type BlobKind = 'bulk' | 'verbatim' | 'error'

/** A length-prefixed string whose bytes (and CR LF) are still arriving. */
interface Blob {
  readonly kind: BlobKind
  readonly isText: boolean
  readonly length: number
  readonly parts: Buffer[]
  missing: number
}

const CR = 0x0d
const LF = 0x0a
const ZERO = 0x30
const NINE = 0x39
const MINUS = 0x2d
const DOLLAR = 0x24
const PLUS = 0x2b
const COLON = 0x3a
const ASTERISK = 0x2a
/** `OK` as it stands in a reply, the one simple string that is common. */
const LETTER_O = 0x4f
const LETTER_K = 0x4b
/** Of a number that is read in place: they always fit into a double exactly. */
const QUICK_DIGITS_MAX = 15
const AGGREGATES: Readonly<Record<string, FrameKind>> = {
  '*': 'array',
  '%': 'map',
  '~': 'set',
  '>': 'push',
  '|': 'attribute',
}
const BLOBS: Readonly<Record<string, BlobKind>> = {$: 'bulk', '=': 'verbatim', '!': 'error'}

export class ReplyDecoder {
  /** Bulk strings of the reply under way become text (UTF-8), not buffers; those of pushes never do. */
  isText = false
  readonly #events: DecoderEvents
  readonly #stack: Frame[] = []
  readonly #lineParts: Buffer[] = []
  #lineBytes = 0
  #blob: Blob | undefined
  /** Bytes of the reply that is under way. */
  #replyBytes = 0
  #failure: KvError | undefined

  constructor(events: DecoderEvents) {
    this.#events = events
  }

  /** True between replies: nothing half-read is held. */
  get isIdle(): boolean {
    return this.#stack.length === 0 && this.#blob === undefined && this.#lineBytes === 0
  }

  /**
   * Decodes what is complete and copies the rest; the chunk is the caller's again afterwards. Throws KvError E_PROTOCOL at the first byte
   * that cannot be.
   */
  write(chunk: Buffer): void {
    if (this.#failure) throw this.#failure
    try {
      let at = 0
      while (at < chunk.length) {
        if (this.#blob) at = this.#readBlob(this.#blob, chunk, at)
        else {
          const next = this.#lineBytes === 0 ? this.#readQuick(chunk, at) : 0
          at = next > 0 ? next : this.#readLine(chunk, at)
        }
      }
    } catch (error) {
      if (error instanceof KvError && error.code === 'E_PROTOCOL') this.#failure = error
      throw error
    }
  }

  /** Reads one whole value, or the header of an array, in place; returns where to go on, or 0 if it is for the careful path. */
  #readQuick(chunk: Buffer, start: number): number {
    const type = chunk[start]!
    if (type === PLUS) {
      const isOk =
        chunk[start + 1] === LETTER_O &&
        chunk[start + 2] === LETTER_K &&
        chunk[start + 3] === CR &&
        chunk[start + 4] === LF
      if (!isOk) return 0
      this.#count(5)
      this.#emit('OK')
      return start + 5
    }
    if (type !== DOLLAR && type !== COLON && type !== ASTERISK) return 0
    let at = start + 1
    const isNegative = type === COLON && chunk[at] === MINUS
    if (isNegative) at++
    const digits = at
    let number = 0
    for (let byte = chunk[at]!; byte >= ZERO && byte <= NINE; byte = chunk[++at]!) number = number * 10 + byte - ZERO
    const length = at - digits
    if (length === 0 || length > QUICK_DIGITS_MAX || chunk[at] !== CR || chunk[at + 1] !== LF) return 0
    at += 2
    if (type === DOLLAR) return this.#readQuickBulk(chunk, start, at, number)
    if (type === ASTERISK && (length > 10 || number > REPLY_ITEMS_MAX)) return 0
    this.#count(at - start)
    if (type === ASTERISK) this.#open('array', number)
    else this.#emit(isNegative && number !== 0 ? -number : number)
    return at
  }

  #readQuickBulk(chunk: Buffer, start: number, from: number, length: number): number {
    const to = from + length
    if (to + 2 > chunk.length || chunk[to] !== CR || chunk[to + 1] !== LF) return 0
    this.#count(to + 2 - start)
    if (this.isText && !this.#isInPush) this.#emit(chunk.toString('utf8', from, to))
    else {
      // Copied, so that a value that is kept does not keep the whole network buffer with it.
      const bytes = Buffer.allocUnsafe(length)
      chunk.copy(bytes, 0, from, to)
      this.#emit(bytes)
    }
    return to + 2
  }

  /** Reads up to and with the next CR LF, or keeps what there is of the line; returns where to go on. */
  #readLine(chunk: Buffer, start: number): number {
    const lf = chunk.indexOf(LF, start)
    const end = lf < 0 ? chunk.length : lf + 1
    this.#lineBytes += end - start
    if (this.#lineBytes > INLINE_BYTES_MAX) throw protocolError(`a line is longer than ${INLINE_BYTES_MAX} bytes`)
    this.#count(end - start)
    if (lf < 0) {
      // A wrong first byte is refused at once: what speaks another protocol may never send a line end.
      if (this.#lineParts.length === 0) checkType(String.fromCharCode(chunk[start]!))
      this.#lineParts.push(Buffer.from(chunk.subarray(start)))
      return end
    }
    const isWhole = this.#lineParts.length === 0
    const line = isWhole ? chunk.subarray(start, end) : Buffer.concat([...this.#lineParts, chunk.subarray(start, end)])
    this.#lineParts.length = 0
    this.#lineBytes = 0
    if (line.length < 2 || line[line.length - 2] !== CR) throw protocolError('a line ends without a carriage return')
    this.#takeLine(String.fromCharCode(line[0]!), line.subarray(1, -2))
    return end
  }

  #takeLine(type: string, rest: Buffer): void {
    const aggregate = AGGREGATES[type]
    if (aggregate !== undefined) return this.#open(aggregate, parseLength(rest, REPLY_ITEMS_MAX, type === '*'))
    const blob = BLOBS[type]
    if (blob !== undefined) {
      const length = parseLength(rest, BULK_BYTES_MAX, type === '$')
      if (length < 0) return this.#emit(null)
      const isText = this.isText && !this.#isInPush
      this.#blob = {kind: blob, isText, length, parts: [], missing: length + 2}
      return
    }
    this.#emit(parseSimple(type, rest))
  }

  #open(kind: FrameKind, count: number): void {
    if (count < 0) return this.#emit(null)
    if (this.#stack.length >= REPLY_DEPTH_MAX)
      throw protocolError(`more than ${REPLY_DEPTH_MAX} aggregates inside each other`)
    if (kind === 'push' && this.#stack.length > 0) throw protocolError('a push stands inside a reply')
    const missing = kind === 'map' || kind === 'attribute' ? count * 2 : count
    this.#stack.push({kind, items: [], missing})
    if (missing === 0) this.#closeFull()
  }

  /** Takes what the chunk has of a blob and its CR LF; returns where to go on. */
  #readBlob(blob: Blob, chunk: Buffer, start: number): number {
    const end = Math.min(chunk.length, start + blob.missing)
    // Copied, so that a value that is kept does not keep the whole network buffer with it.
    blob.parts.push(Buffer.from(chunk.subarray(start, end)))
    blob.missing -= end - start
    this.#count(end - start)
    if (blob.missing > 0) return end
    this.#blob = undefined
    const bytes = blob.parts.length === 1 ? blob.parts[0]! : Buffer.concat(blob.parts, blob.length + 2)
    if (bytes[blob.length] !== CR || bytes[blob.length + 1] !== LF) {
      throw protocolError(`a string of ${blob.length} bytes does not end where its length says`)
    }
    this.#emit(parseBlob(blob, bytes.subarray(0, blob.length)))
    return end
  }

  /** Hands a value to the innermost open aggregate, or out if there is none. */
  #emit(value: Reply): void {
    const frame = this.#stack.at(-1)
    if (frame === undefined) {
      this.#replyBytes = 0
      this.#events.onReply(value)
      return
    }
    frame.items.push(value)
    frame.missing--
    if (frame.missing === 0) this.#closeFull()
  }

  /** Closes the innermost aggregate, which is complete; its parent may become complete with it. */
  #closeFull(): void {
    const frame = this.#stack.pop()!
    if (frame.kind === 'attribute') return
    if (frame.kind === 'push') {
      this.#replyBytes = 0
      this.#events.onPush(frame.items)
      return
    }
    if (frame.kind === 'array') this.#emit(frame.items)
    else if (frame.kind === 'set') this.#emit({kind: 'set', items: frame.items})
    else this.#emit({kind: 'map', entries: replyPairs(frame.items)})
  }

  get #isInPush(): boolean {
    return this.#stack.length > 0 && this.#stack[0]!.kind === 'push'
  }

  #count(bytes: number): void {
    this.#replyBytes += bytes
    if (this.#replyBytes > REPLY_BYTES_MAX) throw protocolError(`one reply is larger than ${REPLY_BYTES_MAX} bytes`)
  }
}

function checkType(type: string): void {
  if (!'+-:_#,($=!*%~>|'.includes(type)) {
    const shown = type >= ' ' && type <= '~' ? `"${type}"` : `0x${type.charCodeAt(0).toString(16).padStart(2, '0')}`
    throw protocolError(`a reply begins with ${shown}, which no RESP reply does`)
  }
}

function parseSimple(type: string, rest: Buffer): Reply {
  checkType(type)
  if (rest.includes(CR)) throw protocolError('a carriage return stands inside a line')
  const text = type === '+' || type === '-' ? rest.toString() : rest.toString('latin1')
  switch (type) {
    case '+':
      return text
    case '-':
      return {kind: 'error', text}
    case ':':
      return parseInteger(text)
    case '_':
      if (text === '') return null
      break
    case '#':
      if (text === 't') return true
      if (text === 'f') return false
      break
    case ',':
      return {kind: 'double', value: parseDouble(text)}
    case '(':
      if (/^[+-]?\d+$/.test(text)) return {kind: 'bigNumber', value: BigInt(text.replace(/^\+/, ''))}
      break
  }
  throw protocolError(`"${excerpt(text)}" is no value of type "${type}"`)
}

function parseBlob({kind, isText}: Blob, bytes: Buffer): Reply {
  if (kind === 'bulk') return isText ? bytes.toString() : bytes
  if (kind === 'error') return {kind: 'error', text: bytes.toString()}
  if (bytes.length < 4 || bytes[3] !== 0x3a) throw protocolError('a verbatim string has no format')
  return {kind: 'verbatim', format: bytes.toString('latin1', 0, 3), data: bytes.subarray(4)}
}

function parseInteger(text: string): number | bigint {
  if (!/^[+-]?\d{1,19}$/.test(text)) throw protocolError(`"${excerpt(text)}" is no integer`)
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value === 0 ? 0 : value
  return BigInt(text.replace(/^\+/, ''))
}

function parseDouble(text: string): number {
  if (text === 'inf' || text === '+inf') return Infinity
  if (text === '-inf') return -Infinity
  if (text === 'nan' || text === '-nan') return NaN
  if (/^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/.test(text)) return Number(text)
  throw protocolError(`"${excerpt(text)}" is no double`)
}

/** A length or count; -1 where the old nulls are allowed. */
function parseLength(rest: Buffer, max: number, isNullAllowed: boolean): number {
  const text = rest.toString('latin1')
  if (isNullAllowed && text === '-1') return -1
  if (!/^\d{1,10}$/.test(text)) throw protocolError(`"${excerpt(text)}" is no length`)
  const length = Number(text)
  if (length > max) throw protocolError(`a length of ${length} is over the limit of ${max}`)
  return length
}

function excerpt(text: string): string {
  const short = text.length > 40 ? `${text.slice(0, 40)}...` : text
  return short.replace(/[^ -~]/g, '?')
}

function protocolError(what: string): KvError {
  return new KvError(
    'E_PROTOCOL',
    `The answer is not RESP: ${what}.`,
    'Check that the address is the client port of a node.',
  )
}
