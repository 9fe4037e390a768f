/** What `kv log replay` says of a replay that ran through, for a person and for a machine, and with which exit code it ends. */
import {formatBuckets} from '../base/bucket-ranges.ts'
import {EXIT} from '../errors.ts'
import type {Named, ReplayReport} from '../datalog/replay.ts'
import {counted, formatBytes, formatCount} from './units.ts'

/** 0: all is there. 7: something could not be brought over. 8: what is there is not what was sent. */
export function replayExit(report: ReplayReport): 0 | 7 | 8 {
  if (report.verified.differing.count > 0) return EXIT.violation
  const {unknown, unfinished, gaps, damages} = report.summary
  const ofLog = unknown.length + unfinished.length + gaps.length + damages
  const isPartial = report.refused.count + report.leftOut.count + ofLog > 0
  return isPartial ? EXIT.partial : EXIT.ok
}

/** Lines about what is good. */
export function replayLines(report: ReplayReport): string[] {
  const {written, expired, verified, summary, target, isDryRun} = report
  const {strings, maps, fields} = written
  const kinds = `${counted(strings, 'string')}, ${counted(maps, 'map')} with ${counted(fields, 'field')}`
  const verb = isDryRun ? 'would be written' : 'written'
  const lines = [
    `${formatCount(written.keys)} keys ${verb}: ${kinds}, ${formatBytes(written.bytes)}, ${formatCount(written.expiring)} with an expiry.`,
  ]
  if (expired.keys + expired.fields > 0) {
    lines.push(
      `${formatCount(expired.keys)} keys and ${formatCount(expired.fields)} fields ${isDryRun ? 'have' : 'had'} expired.`,
    )
  }
  lines.push(
    `${formatCount(summary.applied)} of ${formatCount(summary.records)} records of the log make up these buckets.`,
  )
  if (isDryRun) lines.push(`The target, ${target.product}, has ${formatCount(target.keys)} keys.`)
  else if (verified.differing.count === 0) {
    lines.push(
      `Read back: ${formatCount(verified.keys)} keys of ${formatCount(verified.buckets)} buckets are the same.`,
    )
  }
  return lines
}

/** Lines about what is not. */
export function replayRemarks({summary, refused, leftOut, verified}: ReplayReport): string[] {
  const remarks: string[] = []
  const {unknown, unfinished, gaps, damages} = summary
  if (damages > 0) remarks.push(`The log is damaged in ${formatCount(damages)} places; what stood there is missing.`)
  const ofBuckets = (list: readonly number[], words: string): void => {
    if (list.length > 0) remarks.push(`${formatCount(list.length)} buckets ${words}: ${formatBuckets(list)}`)
  }
  ofBuckets(unknown, 'have no whole image at that point of the log, so nothing is known of them')
  ofBuckets(unfinished, 'are older than that point: a newer image of them was begun and not finished')
  ofBuckets(gaps, 'lack records that are damaged or missing')
  const named = ({count, names}: Named, words: string): void => {
    if (count === 0) return
    remarks.push(`${formatCount(count)} ${words}:`, ...names.map((line) => `  ${line}`))
    if (count > names.length) remarks.push(`  and ${formatCount(count - names.length)} more`)
  }
  named(leftOut, 'fields have an expiry, which the target has no words for; they were left out')
  named(refused, 'keys were refused by the target')
  named(verified.differing, 'differences between the log and the target')
  if (verified.differing.count > 0) remarks.push('With --mode overwrite all keys of the log are written again.')
  return remarks
}

/** For --json. */
export function replayJson(report: ReplayReport): unknown {
  const {summary, target, isResumed, isDryRun, written, expired, leftOut, refused, verified} = report
  const {records, applied, lastTime, end} = summary
  return {
    dryRun: isDryRun,
    resumed: isResumed,
    target,
    log: {
      records,
      applied,
      lastTime,
      end,
      unknown: formatBuckets(summary.unknown),
      unfinished: formatBuckets(summary.unfinished),
      gaps: formatBuckets(summary.gaps),
      damages: summary.damages,
    },
    written,
    expired,
    leftOut,
    refused,
    verified: {...verified, differingBuckets: formatBuckets(verified.differingBuckets)},
  }
}
