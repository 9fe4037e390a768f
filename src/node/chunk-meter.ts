/**
 * What a chunk of a client's input took: for the slow log, the command's histogram, and the latency events. A few additions for each chunk,
 * not for each command. The time of a pipeline counts as its last command's in sums, and each command's share of it as the sample.
 */
import {LatencyHistogram} from '../core/latency.ts'
import {withoutSecrets} from '../core/monitor.ts'
import {shownArguments} from '../core/slowlog.ts'
import type {Engine} from '../core/engine.ts'
import type {Request} from '../resp/request-decoder.ts'
import type {Session} from '../core/session.ts'

/** `count`: commands that were executed, at least one; `last`: the request of the last one, null: it was answered later. */
export function meterChunk(
  engine: Engine,
  session: Session,
  last: Request | null,
  count: number,
  tookUs: number,
): void {
  const {slowlog, latency, now, lastCommand} = engine
  lastCommand.usec += tookUs
  const histogram = (lastCommand.latency ??= new LatencyHistogram())
  histogram.add(tookUs / count)
  if (slowlog.isSlow(tookUs)) {
    const args = last === null ? [Buffer.from(session.lastCommand)] : shownArguments(withoutSecrets(last))
    slowlog.add(session, now, tookUs, args)
  }
  if (latency.thresholdMs > 0 && tookUs >= latency.thresholdMs * 1000) {
    const isFast = count === 1 && lastCommand.spec.flags.includes('fast')
    latency.note(isFast ? 'fast-command' : 'command', now, tookUs / 1000)
  }
}
