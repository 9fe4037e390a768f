/** `kv top`: looks at the cluster again and again, and shows what it saw: live on a terminal, as blocks of lines or as objects elsewhere. */
import {setTimeout as sleep} from 'node:timers/promises'
import type {ChalkInstance} from 'chalk'
import {BucketSampler, busiest, type BucketSample} from '../buckets-top.ts'
import {addressOf, isAlone} from '../cluster-state.ts'
import {KvError} from '../../errors.ts'
import {nextModel, type TopModel, type TopNode} from './model.ts'
import {ClusterPoller} from './snapshot.ts'
import {Terminal} from './terminal.ts'
import {FIRST_UI, press, shownNodes, type Ui} from './ui.ts'
import {clock, frameLines, nodeTable, type BucketRow} from './view.ts'
import type {ClusterLink} from '../cluster-link.ts'

const BUCKETS_SHOWN = 100
/** Lines are not cut where no terminal says how long they may be. */
const PLAIN_WIDTH = 500

export interface TopOptions {
  readonly link: ClusterLink
  readonly intervalMs: number
  readonly signal: AbortSignal
}

/** A model for each look, from the second on, which knows rates. Errors: the first look's, if no node answers. */
export async function* models({link, intervalMs, signal}: TopOptions): AsyncGenerator<TopModel> {
  const poller = new ClusterPoller(link)
  try {
    let model = nextModel(null, await poller.look())
    // Nothing was ever seen: it is more likely the address than the cluster.
    if (model.state === null) await link.state()
    while (!signal.aborted) {
      await sleep(intervalMs, undefined, {signal}).catch(() => undefined)
      if (signal.aborted) return
      model = nextModel(model, await poller.look())
      yield model
    }
  } finally {
    poller.close()
  }
}

/** For a log or a pipe. */
export function plainText(model: TopModel, seen: TopModel | null): string {
  const {snapshot, moves, events} = model
  const lines = [clock(snapshot.time)]
  if (snapshot.error !== null) lines.push(`no node answers: ${snapshot.error}`)
  lines.push(...nodeTable(shownNodes(FIRST_UI, model), PLAIN_WIDTH, null).map(({text}) => text))
  if (moves !== 'nothing' && moves !== '') lines.push(`under way: ${moves}`)
  const news = events.filter((event) => !seen?.events.includes(event))
  return [...lines, ...news.map(({time, text}) => `${clock(time)}  ${text}`)].join('\n')
}

/** Stable names for programs. */
export function topDocument({snapshot, state, nodes, moves, events}: TopModel): object {
  return {
    time: snapshot.time,
    error: snapshot.error,
    clusterId: state?.clusterId ?? null,
    revision: state?.revision ?? null,
    leader: state?.leader ?? null,
    nodes: nodes.map(({commands, ...node}: TopNode) => ({...node, commands: commands.slice(0, 10)})),
    underWay: moves,
    moves: state?.moves ?? [],
    events,
  }
}

/** The live screen; resolves when the person has had enough. Errors: those of the first look. */
export async function showLive(options: TopOptions, style: ChalkInstance): Promise<void> {
  const over = new AbortController()
  const signal = AbortSignal.any([options.signal, over.signal])
  let ui: Ui = FIRST_UI
  let model: TopModel | null = null
  const watch = new BucketWatch(options.link)
  const draw = (): void => {
    if (model) terminal.draw(frameLines({model, ui, buckets: watch.rows, ...terminal.size}))
  }
  const terminal = new Terminal(process.stdin, process.stdout, style, {
    onKey: (key) => {
      const next = model ? press(ui, key, model) : key.name === 'q' || key.ctrl ? null : ui
      if (next === null) return over.abort()
      ui = next
      draw()
    },
    onResize: draw,
    onEnd: () => over.abort(),
  })
  try {
    for await (const seen of models({...options, signal: openWith(signal, terminal)})) {
      model = seen
      await watch.look(ui.screen === 'buckets' ? model : null)
      draw()
    }
  } finally {
    terminal.close()
    watch.close()
  }
}

/** The terminal is taken over before the first look: what is typed meanwhile is not shown. */
function openWith(signal: AbortSignal, terminal: Terminal): AbortSignal {
  terminal.open()
  terminal.draw([{text: 'Looking at the cluster...', look: 'dim'}])
  return signal
}

/** The busiest buckets, as long as somebody looks at them. */
class BucketWatch {
  readonly #link: ClusterLink
  #sampler: BucketSampler | null = null
  #revision = -1
  #before: BucketSample | null = null
  rows: readonly BucketRow[] | null = null

  constructor(link: ClusterLink) {
    this.#link = link
  }

  /** Null: nobody looks. */
  async look(model: TopModel | null): Promise<void> {
    const state = model?.state
    if (!state || model.snapshot.error !== null) return this.close()
    if (this.#revision !== state.revision || (this.#sampler?.silent.length ?? 0) > 0) {
      this.#sampler?.close()
      this.#revision = state.revision
      this.#sampler = await BucketSampler.open(state, this.#link.password, isAlone(state) ? this.#link.address : null)
    }
    const sampler = this.#sampler!
    try {
      const sample = await sampler.sample()
      if (this.#before) {
        const nameOf = (bucket: number): string => {
          const master = sampler.masterOf(bucket)
          return master ? addressOf(master) : '-'
        }
        const rows = busiest(this.#before, sample, 'ops', BUCKETS_SHOWN)
        this.rows = rows.map((row) => ({...row, master: nameOf(row.bucket)}))
      }
      this.#before = sample
    } catch (error) {
      if (!(error instanceof KvError)) throw error
      this.close()
    }
  }

  close(): void {
    this.#sampler?.close()
    this.#sampler = null
    this.#revision = -1
    this.#before = null
    this.rows = null
  }
}
