/**
 * Every difference, in full, without a test runner: `node test/compat/differential/report.ts [family...]`.
 * COMPAT_SUBJECT=redis compares two redis-servers. Exit code 1 when something differs that is not a known difference.
 */
import {startRedis} from '../../support/redis.ts'
import {startSubject, SUBJECT} from '../../support/subject.ts'
import {
  compareExpected,
  compareServers,
  countSteps,
  describeDifference,
  loadScripts,
  type Difference,
} from './compare.ts'
import {judge} from './known-differences.ts'
import type {Delivery, Protocol} from './run.ts'

const wanted = process.argv.slice(2)
const only = (scripts: ReturnType<typeof loadScripts>) =>
  scripts.filter((script) => wanted.length === 0 || wanted.includes(script.family))

const reference = await startRedis()
const subject = await startSubject()
const byFamily = only(loadScripts('scripts'))
const newer = SUBJECT === 'kv' ? only(loadScripts('newer')) : []
const surprises = new Map<string, Difference>()
const stale: string[] = []

for (const protocol of [2, 3] as Protocol[]) {
  for (const delivery of ['whole', 'bytes', 'chunks'] as Delivery[]) {
    const mode = {protocol, delivery, seed: 1, replyTimeoutMs: 2_000}
    for (const script of byFamily) {
      const verdict = judge(await compareServers(reference, subject, script, mode), script.family, protocol)
      for (const d of verdict.surprises) {
        const key = `${d.family}:${d.line}:${d.step}`
        if (!surprises.has(key)) surprises.set(key, d)
      }
      for (const known of verdict.stale) stale.push(`${known.family} [${known.section}] ${known.step}`)
    }
    for (const script of newer)
      for (const d of await compareExpected(subject, script, mode)) {
        const key = `${d.family}:${d.line}:${d.step}`
        if (!surprises.has(key)) surprises.set(key, d)
      }
  }
}
await Promise.all([reference.stop(), subject.stop()])

for (const d of surprises.values()) console.log(describeDifference(d))
for (const line of new Set(stale)) console.log(`no longer differs: ${line}`)
console.log(`${SUBJECT}: ${surprises.size} of ${countSteps([...byFamily, ...newer])} steps differ`)
process.exitCode = surprises.size + stale.length > 0 ? 1 : 0
