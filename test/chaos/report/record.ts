/** Records of made-up runs, for the report. */
import {Prng} from '../../../src/base/prng.ts'
import {OnlineChecker} from '../../../src/checker/online-checker.ts'
import type {Operation} from '../../../src/checker/history.ts'
import type {FaultKind, FaultRecord} from '../../../src/chaos/driver.ts'
import type {Outage, RunRecord, Sample} from '../../../src/chaos/run-record.ts'

const KINDS: readonly FaultKind[] = [
  'stop',
  'kill',
  'bounce',
  'pause',
  'partition',
  'one-way',
  'slow',
  'join',
  'leave',
  'move',
  'log-kill',
]

/** A run as it may be: a violation, an unknown swap, faults one over the other. The same seed makes the same record. */
export function makeRecord(change: Partial<RunRecord> = {}, minutes = 6, seed = 5): RunRecord {
  const random = new Prng(seed)
  const durationMs = minutes * 60_000
  const faults = makeFaults(random, durationMs)
  const outages = makeOutages(random, faults)
  const checker = new OnlineChecker()
  for (const operation of badHistory()) checker.take(operation)
  checker.finish()
  return {
    verdict: 'violation',
    reasons: ['2 keys were answered wrongly: first register:17, at 3:12'],
    kvVersion: '0.1.0',
    system: 'redis',
    systemVersion: 'redis-server 7.0.15, 5 nodes, 1 replica each',
    machine: 'Linux 6.1, 2 x Xeon, 24 GB, node v24.21.0',
    seed: 4711,
    command: `kv chaos --driver redis --minutes ${minutes} --nodes 5 --replicas 1 --seed 4711`,
    startedAt: '2026-11-23T01:30:00Z',
    durationMs,
    settings: {nodes: 5, replicas: 1, clients: 20, keys: 10_000, 'value-size': 64, 'log-node': true},
    totals: {
      operations: {register: 812_345, ledger: 90_210, cell: 120_033, counter: 60_127, pair: 0},
      ok: 1_080_112,
      failed: 1_403,
      unknown: 1_200,
      reads: 590_322,
      undecided: 1,
      findings: checker.totals.findings,
    },
    samples: makeSamples(random, durationMs, outages),
    faults,
    outages,
    checks: [
      {what: 'Every ledger key is read through every node', result: 'ok', detail: '2,048 keys, 5 nodes'},
      {what: 'Copies of a bucket are equal', result: 'wrong', detail: 'bucket 1201: n1 and n4 differ'},
      {what: 'The data log is replayed into a fresh cluster', result: 'skipped', detail: 'redis has none'},
    ],
    findings: checker.findings,
    memory: Array.from(
      {length: 60},
      (_, i) => [180 + 3 * Math.sin(i) + random.below(4), (i * durationMs) / 60] as const,
    ),
    events: [
      {atMs: 1_200, text: 'all 5 nodes are up'},
      {atMs: 63_000, text: 'n3 took over 3,277 buckets of n1 <after 812 ms>'},
    ],
    ...change,
  }
}

function makeFaults(random: Prng, durationMs: number): FaultRecord[] {
  const faults: FaultRecord[] = []
  for (let at = 8_000; at < durationMs - 15_000; at += 5_000 + random.below(7_000)) {
    const kind = KINDS[random.below(KINDS.length)]!
    const places = [`n${1 + random.below(5)}`]
    const error = random.below(25) === 0 ? 'the node did not stop within 30 s' : ''
    faults.push({
      kind,
      places,
      beganMs: at,
      endedMs: at + 500 + random.below(9_000),
      note: `${kind} of ${places[0]!}`,
      error,
    })
  }
  return faults
}

function makeOutages(random: Prng, faults: readonly FaultRecord[]): Outage[] {
  return faults
    .filter(({kind}) => ['kill', 'bounce', 'pause', 'partition'].includes(kind))
    .map(({kind, beganMs}, i) => {
      return {beganMs: beganMs + 20, endedMs: beganMs + 600 + random.below(900), key: `register:${i}`, during: [kind]}
    })
}

function makeSamples(random: Prng, durationMs: number, outages: readonly Outage[]): Sample[] {
  return Array.from({length: durationMs / 1_000}, (_, i): Sample => {
    const atMs = (i + 1) * 1_000
    const isOut = outages.some(({beganMs, endedMs}) => beganMs < atMs && endedMs > atMs - 1_000)
    const ok = (isOut ? 1_700 : 3_000) + random.below(300)
    const p50Ms = 0.6 + random.below(20) / 100
    const maxMs = isOut ? 600 + random.below(900) : 8 + random.below(30)
    return {
      atMs,
      ok,
      failed: isOut ? random.below(30) : 0,
      unknown: isOut ? random.below(60) : 0,
      p50Ms,
      p99Ms: isOut ? 90 : 2.4,
      maxMs,
    }
  })
}

/** A stale read, and a compare-and-set that won twice. */
function badHistory(): Operation[] {
  const operations: Operation[] = []
  const add = (
    key: string,
    kind: Operation['kind'],
    value: string | null,
    start: number,
    end: number,
    client: number,
    more: Partial<Operation> = {},
  ): void => {
    const times = {startMs: 190_000 + start * 3.7, endMs: 190_000 + end * 3.7}
    operations.push({
      rule: 'register',
      key,
      kind,
      value,
      start,
      end,
      hasFailed: false,
      client,
      node: `n${1 + (client % 5)}`,
      ...times,
      ...more,
    })
  }
  for (let i = 0; i < 6; i++) {
    add('register:17', 'write', `v${100 + i}`, 10 * i, 10 * i + 3, i % 4)
    add('register:17', 'read', `v${100 + i}`, 10 * i + 5, 10 * i + 7, (i + 1) % 4)
  }
  add('register:17', 'write', 'v106', 61, Infinity, 5)
  add('register:17', 'write', 'v107', 62, 66, 2, {hasFailed: true})
  add('register:17', 'read', 'v104', 70, 74, 3)
  add('swap:3 <b>&', 'write', 'w1', 1, 2, 0)
  add('swap:3 <b>&', 'swap', 'w2', 4, 9, 1, {expected: 'w1'})
  add('swap:3 <b>&', 'swap', 'w3', 5, 8, 12, {expected: 'w1'})
  // Of the unknown one nobody hears more than that it was given up.
  return operations.sort((a, b) => Math.min(a.end, a.start + 7) - Math.min(b.end, b.start + 7))
}
