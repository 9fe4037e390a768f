/**
 * The console on a terminal: node:repl for editing, history, Ctrl-R and Tab, with hints drawn behind the cursor. It shows
 * and reads; what is typed is carried out by whoever is handed in.
 *
 * While a command runs the terminal is given back: it is in its ordinary mode, so that Ctrl-C is a signal for us and
 * for a child process alike, and a child may ask questions.
 */
import {start, Recoverable, type REPLServer} from 'node:repl'
import {emitKeypressEvents, type Key} from 'node:readline'
import type {ChalkInstance} from 'chalk'
import {isSecret, prepareHistory} from './history.ts'
import {parseLine} from './words.ts'
import type {Completion} from './completion.ts'

export interface TerminalOptions {
  readonly style: ChalkInstance
  /** It can move its cursor: keys are read one by one. */
  readonly isRich: boolean
  readonly historyPath: string | undefined
  readonly prompt: () => string
  readonly hint: (line: string) => string
  readonly complete: (line: string) => Promise<Completion>
  /** Carries out what was typed; true: go on. Never rejects. */
  readonly run: (text: string, signal: AbortSignal) => Promise<boolean>
  readonly note: (text: string) => void
}

const SAVE_CURSOR = '\x1b7'
const RESTORE_CURSOR = '\x1b8'
const CLEAR_TO_END = '\x1b[K'
const CONTINUATION = '... '

/** Resolves when the person has left. */
export async function runTerminal(options: TerminalOptions): Promise<void> {
  await new Terminal(options).over
}

class Terminal {
  readonly #o: TerminalOptions
  readonly #server: REPLServer
  readonly #over = Promise.withResolvers<void>()
  /** Commands are carried out one after the other, however fast they are pasted. */
  #queue: Promise<void> = Promise.resolve()
  #isLeaving = false
  #isSearching = false
  #isHintShown = false

  constructor(options: TerminalOptions) {
    this.#o = options
    const {historyPath, note, isRich} = options
    const problem = historyPath === undefined || !isRich ? undefined : prepareHistory(historyPath)
    if (problem !== undefined) note(`${problem} This session is not kept.`)
    this.#server = start({
      prompt: options.prompt(),
      terminal: options.isRich,
      preview: false,
      ignoreUndefined: true,
      eval: (text, _context, _file, done) => this.#take(text, done),
      completer: (line: string, done: (error: Error | null, found: Completion) => void) => this.#complete(line, done),
      writer: String,
    })
    this.#takeOver()
    if (options.isRich) this.#drawHints()
    this.#keepHistory(isRich && problem === undefined ? historyPath : undefined)
  }

  get over(): Promise<void> {
    return this.#over.promise
  }

  /** node:repl is made for JavaScript: its own words and its answer to Ctrl-C go. */
  #takeOver(): void {
    const server = this.#server
    for (const name of Object.keys(server.commands)) delete (server.commands as Record<string, unknown>)[name]
    server.removeAllListeners('SIGINT')
    server.on('SIGINT', () => {
      this.#isSearching = false
      server.clearBufferedCommand()
      process.stdout.write('\n')
      // What was typed is given up, as in a shell.
      const line = server as unknown as {line: string; cursor: number}
      line.line = ''
      line.cursor = 0
      this.#prompt()
    })
    server.on('exit', () => {
      this.#isLeaving = true
      void this.#queue.then(() => this.#over.resolve())
    })
  }

  #prompt(): void {
    this.#server.setPrompt(this.#o.prompt())
    this.#server.displayPrompt()
  }

  #take(text: string, done: (error: Error | null, value: undefined) => void): void {
    // The last line end is node:repl's own; between lines it writes others than were typed.
    const typed = text.replace(/\r\n?/g, '\n').replace(/\n$/, '')
    if (parseLine(typed).kind === 'unfinished') {
      this.#server.setPrompt(CONTINUATION)
      done(new Recoverable(new SyntaxError('unfinished')), undefined)
      return
    }
    this.#queue = this.#queue.then(async () => {
      if (this.#isLeaving) return
      const goesOn = await this.#run(typed)
      this.#server.setPrompt(this.#o.prompt())
      if (goesOn) done(null, undefined)
      else this.#server.close()
    })
  }

  async #run(typed: string): Promise<boolean> {
    const abort = new AbortController()
    const interrupt = (): void => abort.abort()
    const {stdin} = process
    process.on('SIGINT', interrupt)
    this.#server.pause()
    if (stdin.isTTY) stdin.setRawMode(false)
    try {
      return await this.#o.run(typed, abort.signal)
    } finally {
      if (stdin.isTTY && this.#o.isRich) stdin.setRawMode(true)
      this.#server.resume()
      process.off('SIGINT', interrupt)
    }
  }

  #complete(line: string, done: (error: Error | null, found: Completion) => void): void {
    const offer = (found: Completion): void => {
      done(null, found)
      // What was put in came with no key.
      if (this.#o.isRich) setImmediate(() => this.#showHint())
    }
    this.#o.complete(line).then(offer, () => offer([[], line]))
  }

  #keepHistory(path: string | undefined): void {
    // The array is node:repl's own: what is taken out of it is not written either.
    this.#server.on('history', (lines: string[]) => {
      if (lines.length > 0 && isSecret(lines[0]!)) lines.shift()
    })
    if (path !== undefined) this.#server.setupHistory(path, () => undefined)
  }

  #drawHints(): void {
    const {stdin} = process
    emitKeypressEvents(stdin)
    stdin.prependListener('keypress', (_text: string, key: Key | undefined) => this.#clearHint(key))
    stdin.on('keypress', () => this.#showHint())
  }

  /** Before the key does what it does: what stands behind the cursor is not part of the line. */
  #clearHint(key: Key | undefined): void {
    const name = key?.name ?? ''
    if (key?.ctrl === true && (name === 'r' || name === 's')) this.#isSearching = true
    else if (name === 'return' || name === 'escape' || name === 'up' || name === 'down') this.#isSearching = false
    if (!this.#isHintShown) return
    this.#isHintShown = false
    process.stdout.write(CLEAR_TO_END)
  }

  #showHint(): void {
    const {line, cursor} = this.#server
    const isSingle = line !== '' && !/[\r\n]/.test(line)
    if (this.#isSearching || this.#isLeaving || !isSingle || cursor !== line.length) return
    const hint = this.#o.hint(line)
    // It must not reach the edge: the terminal would go to the next line, and the cursor not come back.
    const room = (process.stdout.columns ?? 80) - this.#server.getCursorPos().cols - 1
    if (hint === '' || room <= 1) return
    this.#isHintShown = true
    process.stdout.write(`${SAVE_CURSOR}${this.#o.style.dim(hint.slice(0, room))}${RESTORE_CURSOR}`)
  }
}
