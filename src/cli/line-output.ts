/**
 * Many lines to stdout: gathered into large writes, and no faster than the reader takes them. Lines that come alone (`tail -f`) leave at
 * the end of the turn of the loop in which they came.
 */
import {once} from 'node:events'
import type {Writable} from 'node:stream'

const WRITE_CHARS = 64 * 1024

export class LineOutput {
  readonly #out: Writable
  #text = ''
  #mustWait = false
  #isScheduled = false

  constructor(out: Writable = process.stdout) {
    this.#out = out
  }

  /** True if `drain` should be awaited before more is written. */
  get isFull(): boolean {
    return this.#mustWait
  }

  readonly line = (text: string): void => {
    this.#text += `${text}\n`
    if (this.#text.length >= WRITE_CHARS) this.flush()
    else if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(() => {
        this.#isScheduled = false
        this.flush()
      })
    }
  }

  flush(): void {
    if (this.#text === '') return
    if (!this.#out.write(this.#text)) this.#mustWait = true
    this.#text = ''
  }

  /** Resolves when the reader has caught up. */
  async drain(): Promise<void> {
    if (!this.#mustWait) return
    this.#mustWait = false
    if (this.#out.writableNeedDrain) await once(this.#out, 'drain')
  }
}
