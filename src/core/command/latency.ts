/** LATENCY: what took long, by event and by command. How it comes to be known is in ../latency.ts. */
import {ADVICE} from '../latency.ts'
import {helpReply} from './help.ts'
import {withSubcommands} from './command.ts'
import {LATENCY_SPEC} from './server-container-specs.ts'
import type {Command, CommandSpec} from './command.ts'
import type {Context} from './context.ts'
import type {LatencyEvent} from '../latency.ts'

function latest(c: Context): void {
  const {events} = c.engine.latency
  c.out.array(events.length)
  for (const event of events) {
    c.out.array(4)
    c.out.bulkString(event.name)
    c.out.integer(event.latest.time)
    c.out.integer(event.latest.ms)
    c.out.integer(event.maxMs)
  }
}

function history(c: Context): void {
  const samples = c.engine.latency.event(c.text(2))?.samples ?? []
  c.out.array(samples.length)
  for (const {time, ms} of samples) {
    c.out.array(2)
    c.out.integer(time)
    c.out.integer(ms)
  }
}

function doctor(c: Context): void {
  const {events, thresholdMs} = c.engine.latency
  c.out.verbatim('txt', `${diagnosis(events, thresholdMs, c.now)}\n`)
}

function diagnosis(events: readonly LatencyEvent[], thresholdMs: number, now: number): string {
  if (events.length > 0) return events.map((event, i) => `${i + 1}. ${eventText(event, now)}`).join('\n')
  if (thresholdMs > 0) return `No event took ${thresholdMs} ms or longer.`
  return 'No latency events are kept. To keep those of 100 ms and longer: CONFIG SET latency-monitor-threshold 100'
}

function eventText({name, samples, maxMs, latest}: LatencyEvent, now: number): string {
  const mean = samples.reduce((sum, {ms}) => sum + ms, 0) / samples.length
  const agoS = Math.max(0, Math.floor(now / 1000) - latest.time)
  const count = samples.length === 1 ? 'in 1 second' : `in ${samples.length} seconds`
  const text = `${name}: seen ${count}, ${mean.toFixed(0)} ms on average, ${maxMs} ms at worst, the last ${agoS} s ago.`
  return name in ADVICE ? `${text}\n   ${ADVICE[name]}` : text
}

function histogram(c: Context): void {
  const commands = c.argc === 2 ? [...c.engine.table.byName.values()] : wantedCommands(c)
  const known = commands.flatMap(withSubcommandsOf).filter(({latency}) => latency !== null)
  c.out.map(known.length)
  for (const {fullName, latency} of known) {
    const rows = latency!.cumulative()
    c.out.bulkString(fullName)
    c.out.map(2)
    c.out.bulkString('calls')
    c.out.integer(latency!.count)
    c.out.bulkString('histogram_usec')
    c.out.map(rows.length)
    for (const [us, count] of rows) {
      c.out.integer(us)
      c.out.integer(count)
    }
  }
}

/** Names that are none are left out, as in Redis. */
function wantedCommands(c: Context): Command[] {
  const found = new Set<Command>()
  for (let i = 2; i < c.argc; i++) {
    const [name, sub] = c.text(i).toLowerCase().split('|')
    const command = c.engine.table.byName.get(name!)
    const wanted = sub === undefined ? command : command?.subcommands?.get(sub)
    if (wanted) found.add(wanted)
  }
  return [...found]
}

function withSubcommandsOf(command: Command): Command[] {
  return [command, ...(command.subcommands?.values() ?? [])]
}

export const LATENCY_COMMAND: CommandSpec = withSubcommands(LATENCY_SPEC, {
  latest,
  history,
  reset: (c) => {
    const names = Array.from({length: c.argc - 2}, (_, i) => c.text(i + 2))
    c.out.integer(c.engine.latency.reset(names))
  },
  doctor,
  histogram,
  help: (c) => helpReply(c, LATENCY_SPEC),
})
