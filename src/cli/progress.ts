/**
 * What a long command is doing, on stderr. On a terminal one line that is written over; elsewhere a plain line every
 * few seconds, so that a log shows progress without being flooded. stdout is never touched.
 */
import {isRichTerminal} from './style.ts'

const TERMINAL_INTERVAL_MS = 100
const PLAIN_INTERVAL_MS = 5_000
const CLEAR_LINE = '\r\x1b[2K'

/** The part of stderr that is used; tests hand in their own. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

export class Progress {
  readonly #output: ProgressOutput
  readonly #isRich: boolean
  readonly #now: () => number
  #lastMs: number
  #isShown = false

  constructor(output: ProgressOutput = process.stderr, now: () => number = () => performance.now()) {
    this.#output = output
    this.#isRich = isRichTerminal(output)
    this.#now = now
    // The first plain line comes after an interval: a command that is quick says nothing.
    this.#lastMs = this.#isRich ? -Infinity : now()
  }

  /** Shows a line; call it as often as you like. The text is only made when it is shown. */
  update(text: () => string): void {
    const nowMs = this.#now()
    if (nowMs - this.#lastMs < (this.#isRich ? TERMINAL_INTERVAL_MS : PLAIN_INTERVAL_MS)) return
    this.#lastMs = nowMs
    if (!this.#isRich) {
      this.#output.write(`${text()}\n`)
      return
    }
    this.#isShown = true
    this.#output.write(CLEAR_LINE + text().slice(0, (this.#output.columns ?? 80) - 1))
  }

  /** Takes the line away, so that the next output starts on an empty one. */
  done(): void {
    if (this.#isShown) this.#output.write(CLEAR_LINE)
    this.#isShown = false
  }
}
