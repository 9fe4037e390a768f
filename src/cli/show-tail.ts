/** `kv log tail`: first what is there, or the last lines of it, then what comes. */
import {Tail, placeAfter, type TailFilter, type TailSink, type TailSource} from '../datalog/tail.ts'
import type {LineOutput} from './line-output.ts'
import type {LogDamage, LogPlace, ReadOptions} from '../datalog/types.ts'

/** Lines that come before those that follow. */
const FOLLOW_LINES = 10
/** The log node stamps entries, the masters their records: their clocks may differ by so much, and records wait on their way. */
const CLOCK_SLACK_MS = 60_000

export interface TailOptions {
  readonly source: TailSource
  /** Where to begin to look for the last lines; null: nowhere. */
  recent(): Promise<LogPlace | null>
  readonly filter: TailFilter
  readonly output: LineOutput
  readonly makeSink: (take: (line: string) => void) => TailSink
  /** Only the last so many of what is there now; default all, or ten if it follows and nothing says since when. */
  readonly lines: number | undefined
  readonly follows: boolean
  readonly onDamage: ((damage: LogDamage) => void) | undefined
  /** Ends it, in good order. */
  readonly signal: AbortSignal
}

/** Resolves at the end of the log, or when it is aborted. Errors: those of the reader. */
export async function showTail(options: TailOptions): Promise<void> {
  const {filter, follows, output, signal} = options
  const lines = options.lines ?? (follows && filter.since === undefined ? FOLLOW_LINES : undefined)
  const reading: ReadOptions = {
    ...(options.onDamage && {onDamage: options.onDamage}),
    ...(filter.since !== undefined && {since: filter.since - CLOCK_SLACK_MS}),
  }
  const end = lines === undefined ? null : await showLast(options, lines, reading)
  if (lines === undefined || (follows && !signal.aborted)) {
    const tail = new Tail(filter, options.makeSink(output.line))
    const from = end === null ? {} : {from: end}
    for await (const entry of options.source.entries({...reading, ...from, ...(follows && {follow: signal})})) {
      if (signal.aborted) break
      tail.take(entry)
      if (output.isFull) await output.drain()
    }
  }
  output.flush()
  await output.drain()
}

/** Shows the last lines; returns where the log ended then, or null if nothing was read. */
async function showLast(options: TailOptions, lines: number, reading: ReadOptions): Promise<LogPlace | null> {
  const {source, filter, output, signal, follows} = options
  let last: string[] = []
  const keep = (line: string): void => {
    last.push(line)
    // Now and then, not with each line.
    if (last.length > 2 * lines + 1_000) last = last.slice(-lines)
  }
  const tail = new Tail(filter, options.makeSink(keep))
  // Who follows a log of many gigabytes does not want to wait for the beginning.
  const from = follows ? await options.recent() : null
  let end = from
  for await (const entry of source.entries({...reading, ...(from && {from})})) {
    if (signal.aborted) break
    tail.take(entry)
    end = placeAfter(entry)
  }
  for (const line of lines === 0 ? [] : last.slice(-lines)) output.line(line)
  return end
}
