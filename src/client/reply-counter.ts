/**
 * Counts replies without building them: for a load generator, whose own cost per reply must stay far below the
 * server's. Hot path; `kv bench` measures it with every run. Bytes may be cut anywhere.
 *
 * No stack is needed to know where a reply ends: `#missing` counts the values that are still due, an aggregate of n
 * elements takes one away and adds n, and when it reaches zero the reply is complete. Only the framing is checked;
 * ReplyDecoder is the one to distrust bytes.
 */
import {BULK_BYTES_MAX, REPLY_ITEMS_MAX} from '../constants.ts'
import {KvError} from '../errors.ts'

const LF = 0x0a
const MINUS = 0x2d
const ERROR = 0x2d // -
const NULL = 0x5f // _
const ERROR_TEXT_MAX = 200

/** How many values the header `type` with the number `n` adds to those still due, beyond being one itself. */
const FACTOR = new Uint8Array(256)
for (const type of '*~>') FACTOR[type.charCodeAt(0)] = 1
for (const type of '%|') FACTOR[type.charCodeAt(0)] = 2
const IS_BLOB = new Uint8Array(256)
for (const type of '$=!') IS_BLOB[type.charCodeAt(0)] = 1
const IS_SCALAR = new Uint8Array(256)
for (const type of '+-:_#,(') IS_SCALAR[type.charCodeAt(0)] = 1
const PUSH = 0x3e // >
const ATTRIBUTE = 0x7c // |
const BLOB_ERROR = 0x21 // !

export class ReplyCounter {
  /** Replies that were null: `GET` of a key that is not there. */
  nulls = 0
  /** Error replies, by their first word. */
  readonly errors = new Map<string, number>()
  /** Text of the first error reply. */
  firstError: string | undefined

  /** Values still due of the reply under way; 0 between replies. */
  #missing = 0
  /** What is under way belongs to no request. */
  #isPush = false
  /** Inside an aggregate, where a null is no reply of its own. */
  #isNested = false
  /** Type byte of the header under way; 0 between headers. */
  #type = 0
  #number = 0
  #isNegative = false
  /** Bytes of a blob and its CR LF that are still to come. */
  #skip = 0
  #errorText = ''

  /** Takes bytes [0, length) of the chunk; returns how many replies were completed by them. Errors: E_PROTOCOL. */
  count(chunk: Buffer, length = chunk.length): number {
    let replies = 0
    let at = 0
    while (at < length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, length - at)
        at += step
        this.#skip -= step
        if (this.#skip === 0) replies += this.#endValue(0)
      } else if (this.#type === 0) {
        this.#beginHeader(chunk[at++]!)
      } else {
        const byte = chunk[at++]!
        if (byte === LF) replies += this.#endHeader()
        else if (byte >= 0x30 && byte <= 0x39) this.#number = this.#number * 10 + byte - 0x30
        else if (byte === MINUS) this.#isNegative = true
        if (this.#type === ERROR && this.#errorText.length < ERROR_TEXT_MAX)
          this.#errorText += String.fromCharCode(byte)
      }
    }
    return replies
  }

  #beginHeader(type: number): void {
    if (this.#missing === 0) {
      this.#missing = 1
      this.#isPush = type === PUSH
      this.#isNested = false
    }
    this.#type = type
    this.#number = 0
    this.#isNegative = false
  }

  /** Returns 1 if this completed a reply. */
  #endHeader(): number {
    const type = this.#type
    this.#type = 0
    if (IS_BLOB[type]) {
      if (this.#isNegative) return this.#endNull()
      if (this.#number > BULK_BYTES_MAX) throw badReply('a string over the limit')
      if (type === BLOB_ERROR) this.#countError('BLOB error')
      this.#skip = this.#number + 2
      return 0
    }
    if (FACTOR[type]) {
      if (this.#isNegative) return this.#endNull()
      if (this.#number > REPLY_ITEMS_MAX) throw badReply('a count over the limit')
      this.#isNested = true
      const added = this.#number * FACTOR[type]
      // An attribute stands before a value and is none itself.
      return this.#endValue(type === ATTRIBUTE ? added + 1 : added)
    }
    if (!IS_SCALAR[type]) throw badReply(`a reply of type "${String.fromCharCode(type)}"`)
    if (type === NULL) return this.#endNull()
    if (type === ERROR) {
      this.#countError(this.#errorText.trimEnd())
      this.#errorText = ''
    }
    return this.#endValue(0)
  }

  #endNull(): number {
    if (!this.#isNested) this.nulls++
    return this.#endValue(0)
  }

  #endValue(added: number): number {
    this.#missing += added - 1
    if (this.#missing > 0) return 0
    return this.#isPush ? 0 : 1
  }

  #countError(text: string): void {
    this.firstError ??= text
    const word = text.split(' ', 1)[0]!
    this.errors.set(word, (this.errors.get(word) ?? 0) + 1)
  }
}

function badReply(what: string): KvError {
  return new KvError('E_PROTOCOL', `The answer is not RESP: ${what}.`)
}
