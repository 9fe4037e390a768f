/**
 * The terminal of `kv top`: takes it over, writes frames without flicker, hands over keys, and gives it back as it was, whatever ends the
 * process: a key, a signal, an error that nobody caught.
 */
import {emitKeypressEvents} from 'node:readline'
import type {ReadStream, WriteStream} from 'node:tty'
import type {ChalkInstance} from 'chalk'
import type {Key} from './ui.ts'
import type {Line, Look} from './view.ts'

/** Another screen, no cursor, no wrapping of lines. */
const ENTER = '\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J'
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l'
/** Terminals that know it show what lies in between at once; the others ignore it. */
const BEGIN_FRAME = '\x1b[?2026h\x1b[H'
const END_FRAME = '\x1b[?2026l'
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const

export interface TerminalEvents {
  readonly onKey: (key: Key) => void
  readonly onResize: () => void
  /** A signal: it is over. */
  readonly onEnd: () => void
}

export class Terminal {
  readonly #input: ReadStream
  readonly #output: WriteStream
  readonly #events: TerminalEvents
  readonly #looks: Readonly<Record<Look, (text: string) => string>>
  #isOpen = false

  constructor(input: ReadStream, output: WriteStream, style: ChalkInstance, events: TerminalEvents) {
    this.#input = input
    this.#output = output
    this.#events = events
    const plain = (text: string): string => text
    this.#looks = {plain, bold: style.bold, dim: style.dim, bad: style.red, warn: style.yellow, cursor: style.inverse}
  }

  /** Columns and rows; a terminal that does not say has the usual ones. */
  get size(): {readonly width: number; readonly height: number} {
    return {width: this.#output.columns || 80, height: this.#output.rows || 24}
  }

  open(): void {
    this.#isOpen = true
    emitKeypressEvents(this.#input)
    this.#input.setRawMode(true)
    this.#input.on('keypress', this.#onKey).on('end', this.#events.onEnd).resume()
    this.#output.on('resize', this.#events.onResize)
    for (const signal of SIGNALS) process.on(signal, this.#events.onEnd)
    process.on('exit', this.#restore)
    this.#output.write(ENTER)
  }

  draw(lines: readonly Line[]): void {
    if (!this.#isOpen) return
    const {width} = this.size
    // Blanks instead of "clear the rest of the line", which would take the last column away: there the cursor waits after a full line.
    this.drawRows(lines.map(({text: line, look}) => this.#looks[look](line.padEnd(width))))
  }

  /** Rows as they are, each as wide as the screen: whoever has colours within a row draws so. */
  drawRows(rows: readonly string[]): void {
    if (this.#isOpen) this.#output.write(BEGIN_FRAME + rows.join('\r\n') + END_FRAME)
  }

  close(): void {
    this.#restore()
    this.#input.off('keypress', this.#onKey).off('end', this.#events.onEnd).pause()
    this.#output.off('resize', this.#events.onResize)
    for (const signal of SIGNALS) process.off(signal, this.#events.onEnd)
    process.off('exit', this.#restore)
  }

  /** Also the last thing before the process ends by an error: `exit` comes then, too. */
  readonly #restore = (): void => {
    if (!this.#isOpen) return
    this.#isOpen = false
    this.#input.setRawMode(false)
    this.#output.write(LEAVE)
  }

  readonly #onKey = (text: string | undefined, key: {name?: string; ctrl?: boolean}): void => {
    this.#events.onKey({name: key.name ?? '', text: text ?? '', ctrl: key.ctrl === true})
  }
}
