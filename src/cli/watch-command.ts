/**
 * The commands that show a cluster once, or with `--watch` again and again. A command says only what it sees in one look (a `View`); here it is
 * printed, redrawn in place on a terminal, written as blocks of lines elsewhere, or as an object a line under `--json`.
 *
 * While it watches, nodes may come and go: another one is asked (ClusterLink), and if none answers that is shown and asked again. Only
 * the first look's error ends it: then it is more likely the address than the cluster. Ctrl-C is how it ends, so the exit code is 0.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {Flags} from '@oclif/core'
import {BaseCommand} from './base-command.ts'
import {ClusterLink, withCluster} from './cluster-link.ts'
import {amountOf} from './flags.ts'
import {fitRows} from './screen-rows.ts'
import {isRichTerminal} from './style.ts'
import {Terminal} from './top/terminal.ts'
import {clock} from './top/view.ts'
import {PASSING, untilInterrupted} from './watch-cluster.ts'
import {KvError, type EXIT} from '../errors.ts'
import type {ConnectFlags} from './connect.ts'

/** A node that hangs holds a look up no longer than this. */
const LOOK_TIMEOUT_MS = 2_000
const INTERVAL_MS_MIN = 50
const INTERVAL = '2s'

export const watchFlags = {
  watch: Flags.boolean({char: 'w', description: 'Show it again and again, until Ctrl-C.'}),
  interval: Flags.string({
    helpValue: 'time',
    // No default of oclif's: it would count as typed, and ask for --watch each time.
    dependsOn: ['watch'],
    description: `Time between two looks with --watch; ${INTERVAL} without it.`,
  }),
}

/** What a command sees in one look. */
export interface View {
  readonly text: string
  /** For stderr: what is missing in it. */
  readonly notes?: readonly string[]
  readonly exit?: (typeof EXIT)[keyof typeof EXIT]
  readonly document: object
}

export interface WatchFlags extends ConnectFlags {
  readonly watch: boolean
  readonly interval?: string | undefined
}

type Look = (link: ClusterLink) => Promise<View>

/** What came of one look while it watches: a view, or why there is none. */
interface Seen {
  /** Milliseconds since 1970, as in kv top. */
  readonly time: number
  readonly view: View | null
  readonly error: KvError | null
}

export abstract class WatchCommand extends BaseCommand {
  /** Shows what `look` sees, once or again and again. Errors: those of the first look. */
  protected async show(flags: WatchFlags, look: Look): Promise<unknown> {
    if (!flags.watch) return this.showOnce(await withCluster(flags, look))
    const intervalMs = Math.max(INTERVAL_MS_MIN, amountOf('milliseconds', 'interval', flags.interval ?? INTERVAL))
    const link = new ClusterLink(flags, LOOK_TIMEOUT_MS)
    try {
      await untilInterrupted((signal) => this.#watch(link, look, intervalMs, signal))
    } finally {
      link.close()
    }
    return undefined
  }

  protected showOnce(view: View): object {
    this.print(view.text)
    for (const note of view.notes ?? []) this.note(`${this.errorStyle.yellow('kv:')} ${note}`)
    if (view.exit !== undefined) this.setExit(view.exit)
    return view.document
  }

  async #watch(link: ClusterLink, look: Look, intervalMs: number, signal: AbortSignal): Promise<void> {
    const isLive = process.stdin.isTTY && isRichTerminal(process.stdout) && !this.jsonEnabled()
    if (isLive) return this.#showLive((over) => looks(link, look, intervalMs, AbortSignal.any([signal, over])))
    let isFirst = true
    for await (const seen of looks(link, look, intervalMs, signal)) {
      if (this.jsonEnabled()) this.emitJson(documentOf(seen))
      else this.print(`${isFirst ? '' : '\n'}${this.#blockOf(seen)}`)
      isFirst = false
    }
  }

  async #showLive(seenUntil: (over: AbortSignal) => AsyncGenerator<Seen>): Promise<void> {
    const over = new AbortController()
    let text = 'Looking at the cluster...'
    const draw = (): void => {
      const {width, height} = terminal.size
      terminal.drawRows(fitRows(text, width, height))
    }
    const terminal = new Terminal(process.stdin, process.stdout, this.style, {
      onKey: ({name, ctrl}) => {
        if (name === 'q' || (ctrl && (name === 'c' || name === 'd'))) over.abort()
      },
      onResize: draw,
      onEnd: () => over.abort(),
    })
    terminal.open()
    try {
      draw()
      for await (const seen of seenUntil(over.signal)) {
        text = this.#blockOf(seen)
        draw()
      }
    } finally {
      terminal.close()
    }
  }

  #blockOf({time, view, error}: Seen): string {
    const lines = [this.style.dim(clock(time))]
    if (error) lines.push(`${this.style.red('no node answers:')} ${error.message}`)
    if (view) lines.push(view.text, ...(view.notes ?? []))
    return lines.join('\n')
  }
}

async function* looks(link: ClusterLink, look: Look, intervalMs: number, signal: AbortSignal): AsyncGenerator<Seen> {
  for (let isFirst = true; !signal.aborted; isFirst = false) {
    const seen = await lookOnce(link, look, isFirst)
    if (signal.aborted) return
    yield seen
    await sleep(intervalMs, undefined, {signal}).catch(() => undefined)
  }
}

async function lookOnce(link: ClusterLink, look: Look, isFirst: boolean): Promise<Seen> {
  const time = Date.now()
  try {
    return {time, view: await look(link), error: null}
  } catch (error) {
    if (isFirst || !(error instanceof KvError) || !PASSING.has(error.code)) throw error
    return {time, view: null, error}
  }
}

/** Stable names: `time` and `error` beside what the command says without --watch; that is missing if no node answered. */
function documentOf({time, view, error}: Seen): object {
  return {time, error: error && {code: error.code, message: error.message}, ...view?.document}
}
