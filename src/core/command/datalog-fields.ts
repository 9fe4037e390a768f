/** INFO datalog: on a master, how far each data-log node is behind it; on a data-log node, what it has written. */
import type {Context} from './context.ts'

export function datalogFields(c: Context): (readonly [string, string | number])[] {
  const {cluster} = c.engine
  if (!cluster) return []
  const fields = cluster
    .logLags()
    .map(({id, mode, isOn, records, bytes, seconds, buckets}, i): readonly [string, string] => {
      const lag = `lag_records=${records},lag_bytes=${bytes},lag_seconds=${seconds.toFixed(3)},buckets_behind=${buckets}`
      return [`log${i}`, `id=${id},mode=${mode},counted_on=${isOn ? 1 : 0},${lag}`]
    })
  const {recorder} = cluster
  if (!recorder) return fields
  return [
    ['log_mode', cluster.self.log ?? 'async'],
    ['log_counted_on', cluster.map.member(cluster.self.id)?.isLogOn ? 1 : 0],
    ['log_records_total', recorder.recordCount],
    ['log_gaps_total', recorder.gaps],
    ['log_buckets_whole', recorder.countWhole()],
    ['log_entries_written', recorder.mark],
    ['log_entries_durable', cluster.loggedMark],
    ...fields,
  ]
}
