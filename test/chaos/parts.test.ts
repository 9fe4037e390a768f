/** The parts of the tester that decide something, one by one: plan, verdict, meter, nemesis, screen, conclusion, contents. */
import {Chalk} from 'chalk'
import {describe, expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {NO_TOTALS, sumTotals} from '../../src/checker/totals.ts'
import {bucketKeys} from '../../src/chaos/buckets.ts'
import {conclusionLines} from '../../src/chaos/conclusion.ts'
import {differences} from '../../src/chaos/content.ts'
import {Meter} from '../../src/chaos/meter.ts'
import {Nemesis} from '../../src/chaos/nemesis.ts'
import {planChaos, requirePlants, type ChaosFlags} from '../../src/chaos/plan.ts'
import {plainLine, screenLines} from '../../src/chaos/screen.ts'
import {exitCodeOf} from '../../src/chaos/session.ts'
import {judgeRun, type Evidence} from '../../src/chaos/verdict.ts'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {Schedule} from '../../src/sim/schedule.ts'
import type {Driver, FaultKind, FaultRecord} from '../../src/chaos/driver.ts'
import type {RunRecord} from '../../src/chaos/run-record.ts'
import type {Status} from '../../src/chaos/run.ts'
import type {Outcome} from '../../src/workload/types.ts'

const PLAIN = new Chalk({level: 0})

const FLAGS: ChaosFlags = {
  nodes: 5,
  replicas: 1,
  'log-node': false,
  keys: '2k',
  clients: 10,
  rate: '1k',
  'value-size': '64',
  faults: 'all',
  every: '10s',
  seed: 7,
  report: 'out',
  driver: 'kv',
  'seed-seconds': 10,
  plants: [],
  'keep-going': false,
  yes: false,
}

describe('a plan', () => {
  const refusal = (flags: Partial<ChaosFlags>): string => {
    try {
      planChaos({...FLAGS, ...flags}, '1')
      return ''
    } catch (error) {
      return (error as Error).message
    }
  }

  test('takes hours, minutes and seconds together, and a minute without any', () => {
    expect(planChaos({...FLAGS, hours: '1', minutes: '0.5'}, '1').settings.durationMs).toBe(3_630_000)
    expect(planChaos(FLAGS, '1').settings.durationMs).toBe(60_000)
  })

  test('takes all faults that the cluster can have: those of a log node only with one', () => {
    expect(planChaos(FLAGS, '1').settings.faults).not.toContain('log-kill')
    expect(planChaos({...FLAGS, 'log-node': true}, '1').settings.faults).toContain('log-kill')
  })

  test('draws a seed if none is given, and tells what to type to have it again', () => {
    const {seed: _, ...rest} = FLAGS
    const {settings, command} = planChaos({...rest, faults: 'kill,pause', 'log-node': true}, '1', () => 0.5)
    expect(settings.seed).toBe(500_000)
    expect(command).toMatch(/ chaos --driver kv --nodes 5 .*--log-node .*--faults kill,pause .*--seed 500000$/)
  })

  test.each<[string, Partial<ChaosFlags>, RegExp]>([
    ['an unknown fault', {faults: 'kil'}, /no fault "kil"/],
    ['no fault named', {faults: ','}, /names no fault/],
    ['too few nodes', {nodes: 2}, /needs at least 3 nodes, and there are 2/],
    ['no replica for faults that lose memory', {replicas: 0, faults: 'kill'}, /replica/],
    ['log faults without a log node', {faults: 'log-kill'}, /log-node/],
    ['--attach without --on-fault', {attach: 'h:1'}, /--attach wants --on-fault/],
    ['--on-fault alone', {'on-fault': 'x'}, /--on-fault is for --attach/],
    ['an address that is none', {attach: 'a b', 'on-fault': 'x'}, /not an address/],
    ['--attach and another driver', {attach: 'h:1', 'on-fault': 'x', driver: 'redis'}, /exclude each other/],
    ['--server for kv', {server: 'redis-server'}, /--driver redis/],
    ['--seeds for kv', {seeds: 5}, /--driver sim/],
    ['a time that is none', {minutes: 'x'}, /--minutes wants a number/],
    ['no time', {seconds: '0'}, /a second at least/],
    ['faults too often', {every: '1ms'}, /--every must be/],
    ['a rate of nothing', {rate: '0'}, /--rate must be/],
    ['plants in Redis', {driver: 'redis', plants: ['x']}, /--plant is for/],
  ])('refuses %s', (_name, flags, text) => {
    expect(refusal(flags)).toMatch(text)
  })

  test('knows the names of planted bugs, and guesses', () => {
    expect(() => requirePlants(['early-joint'], ['early-join'])).toThrow(
      expect.objectContaining({hint: 'Did you mean early-join?'}),
    )
    expect(() => requirePlants(['early-join'], ['early-join'])).not.toThrow()
  })
})

describe('a verdict', () => {
  const fired: FaultRecord = {kind: 'kill', places: [], beganMs: 0, endedMs: 1, note: '', error: ''}
  const good: Evidence = {
    findings: [],
    checks: [],
    totals: {...NO_TOTALS, ok: 5_000, reads: 100},
    kinds: ['kill'],
    faults: [fired],
    rate: 1_000,
    workedMs: 10_000,
    cutShort: '',
  }

  test('is pass if enough happened and nothing was wrong', () => {
    expect(judgeRun(good)).toEqual({verdict: 'pass', reasons: []})
  })

  test.each<[string, Partial<Evidence>]>([
    ['no read', {totals: {...good.totals, reads: 0}}],
    ['few operations', {totals: {...good.totals, ok: 499}}],
    ['a silent fault', {kinds: ['kill', 'pause']}],
    ['a fault that did not work', {faults: [{...fired, error: 'no such process'}]}],
    ['cut short', {cutShort: 'it was interrupted'}],
  ])('is void with %s', (_name, change) => {
    expect(judgeRun({...good, ...change}).verdict).toBe('void')
  })

  test('is violation whatever else there is', () => {
    const finding = {rule: 'register', key: 'a', reason: 'stale', operations: []} as const
    expect(judgeRun({...good, totals: NO_TOTALS, findings: [finding]})).toEqual({
      verdict: 'violation',
      reasons: ['a: stale'],
    })
    const check = {what: 'copies are equal', result: 'wrong', detail: 'bucket 3'} as const
    expect(judgeRun({...good, checks: [check]}).verdict).toBe('violation')
  })

  test('has an exit code', () => {
    expect(exitCodeOf({verdict: 'pass'}, false)).toBe(0)
    expect(exitCodeOf({verdict: 'violation'}, true)).toBe(8)
    expect(exitCodeOf({verdict: 'void'}, false)).toBe(3)
    expect(exitCodeOf({verdict: 'void'}, true)).toBe(130)
  })
})

describe('the meter', () => {
  const fault: FaultRecord = {kind: 'kill', places: ['n1'], beganMs: 900, endedMs: 1_500, note: '', error: ''}
  const end = (meter: Meter, key: string, outcome: Outcome, startMs: number, endMs: number): void =>
    meter.ended({
      kind: 'register',
      key,
      outcome,
      isRead: true,
      span: {start: 1, end: 2, hasFailed: false, startMs, endMs},
    })

  test('counts what ended in each second, with its latencies', () => {
    const meter = new Meter(() => [])
    for (let i = 1; i <= 100; i++) end(meter, 'a', 'ok', 0, i)
    end(meter, 'a', 'failed', 0, 500)
    expect(meter.sample(1_000)).toEqual({
      atMs: 1_000,
      ok: 100,
      failed: 1,
      unknown: 0,
      p50Ms: 51,
      p99Ms: 100,
      maxMs: 100,
    })
    expect(meter.sample(2_000)).toMatchObject({ok: 0, maxMs: 0})
  })

  test('an outage goes from the first attempt that failed to the next answer, and names its faults', () => {
    const meter = new Meter(() => [fault])
    end(meter, 'a', 'ok', 0, 1)
    for (let at = 1_000; at < 1_800; at += 100) end(meter, 'a', 'failed', at, at + 1)
    end(meter, 'a', 'ok', 1_850, 1_860)
    expect(meter.outages).toEqual([{beganMs: 1_000, endedMs: 1_860, key: 'a', during: ['kill']}])
  })

  test('an answer that took long is an outage as well', () => {
    const meter = new Meter(() => [])
    end(meter, 'a', 'ok', 100, 900)
    expect(meter.outages).toEqual([{beganMs: 100, endedMs: 900, key: 'a', during: []}])
  })

  test('a key that nobody tried for long was not away all the time', () => {
    const meter = new Meter(() => [])
    end(meter, 'a', 'failed', 1_000, 1_001)
    end(meter, 'a', 'ok', 20_000, 20_001)
    expect(meter.outages).toEqual([])
  })

  test('of keys that go away together the worst stands for all', () => {
    const meter = new Meter(() => [])
    end(meter, 'a', 'ok', 1_000, 1_500)
    end(meter, 'b', 'ok', 1_100, 2_000)
    end(meter, 'c', 'ok', 9_000, 9_500)
    expect(meter.outages.map(({key}) => key)).toEqual(['b', 'c'])
  })
})

describe('the nemesis', () => {
  /** `fails`: a kind that does not work the first time. */
  const strike = async (forbidden: readonly FaultKind[], ms: number, fails = ''): Promise<FaultKind[]> => {
    const schedule = new Schedule()
    const fired: FaultKind[] = []
    const driver = {
      inject: async (kind: FaultKind) => {
        if (forbidden.includes(kind)) return null
        fired.push(kind)
        const isBad = kind === fails && fired.filter((other) => other === kind).length === 1
        return {kind, places: ['n1'], beganMs: 0, endedMs: 0, note: '', error: isBad ? 'it did not' : ''}
      },
    } as unknown as Driver
    const clock = {now: () => schedule.now, after: (after: number, run: () => void) => schedule.after(after, run)}
    const kinds: FaultKind[] = ['kill', 'pause', 'move', 'slow']
    const nemesis = new Nemesis({
      driver,
      kinds,
      clock,
      random: new Prng(1),
      everyMs: 1_000,
      untilMs: ms,
      event: () => undefined,
    })
    nemesis.start()
    for (let at = 0; at <= ms; at += 100) {
      schedule.run(at, () => true)
      // Injections are promises.
      await new Promise((resolve) => setImmediate(resolve))
    }
    await nemesis.stop()
    return fired
  }

  test('lets each kind come once before any comes again', async () => {
    const fired = await strike([], 20_000)
    expect(fired.length).toBeGreaterThan(10)
    expect(new Set(fired.slice(0, 4)).size).toBe(4)
    expect(new Set(fired.slice(4, 8)).size).toBe(4)
  })

  test('goes on with others while the budget does not allow one', async () => {
    const fired = await strike(['kill'], 20_000)
    expect(new Set(fired)).toEqual(new Set(['pause', 'move', 'slow']))
  })

  test('tries again what did not work, before all others', async () => {
    const fired = await strike([], 20_000, 'move')
    const first = fired.indexOf('move')
    expect(fired[first + 1]).toBe('move')
    expect(new Set(fired.slice(0, 5)).size).toBe(4)
  })

  test('hurries when kinds are missing and time is short', async () => {
    expect(new Set(await strike([], 5_000)).size).toBe(4)
  })
})

describe('what a person sees', () => {
  const status: Status = {
    phase: 'running',
    nowMs: 65_000,
    workedMs: 62_000,
    durationMs: 3_600_000,
    places: [
      {name: 'n1', address: {host: 'h', port: 1}, state: 'up', pid: 1},
      {name: 'n2', address: {host: 'h', port: 2}, state: 'paused', pid: 2},
      {name: 'n3', address: {host: 'h', port: 3}, state: 'off', pid: null},
    ],
    faults: [
      {kind: 'kill', places: ['n1'], beganMs: 1_000, endedMs: 2_000, note: '', error: ''},
      {kind: 'pause', places: ['n2'], beganMs: 60_000, endedMs: null, note: 'n2 for 9 s', error: ''},
    ],
    last: {atMs: 65_000, ok: 1_234, failed: 3, unknown: 1, p50Ms: 0.5, p99Ms: 12, maxMs: 90},
    totals: {...NO_TOTALS, operations: {...NO_TOTALS.operations, register: 100_000}},
    backlog: 40,
    memoryMb: 150,
  }

  test('without a terminal: one line with everything', () => {
    expect(plainLine(status)).toBe(
      '1:02 of 1:00:00 running, 1 of 2 nodes up, 1,234 ok/s, p99 12 ms, 100,000 operations checked, 2 faults (now pause n2), 0 violations, 150 MB',
    )
  })

  test('on a terminal: the cluster, faults, rates, latency and violations, none wider than it', () => {
    const lines = screenLines(status, PLAIN, 80)
    expect(lines.join('\n')).toContain('n1 up   n2 paused')
    expect(lines.join('\n')).toContain('pause n2 for 9 s (5 s)')
    expect(lines.join('\n')).toContain('100,000 operations checked, no violations, checker 40 behind')
    for (const line of screenLines(status, PLAIN, 30)) expect(line.length).toBeLessThanOrEqual(30)
  })

  test('at the end: the verdict, why, and how to run it again', () => {
    const record = {
      verdict: 'violation',
      reasons: ['chaos:register:1: stale'],
      totals: status.totals,
      faults: status.faults,
      outages: [{beganMs: 1_000, endedMs: 1_900, key: 'a', during: ['kill']}],
      checks: [{what: 'copies are equal', result: 'ok', detail: '16,384 buckets'}],
      settings: {},
      command: 'kv chaos --seed 7',
    } as unknown as RunRecord
    const text = conclusionLines(record, ['out/report.html'], PLAIN).join('\n')
    expect(text).toContain('VIOLATION  1 violation in 100,000 checked operations under 2 faults')
    expect(text).toMatch(/kill +1 +0 +900 ms +900 ms/)
    expect(text).toContain('Again: kv chaos --seed 7')
    expect(text).toContain('out/report.html')
  })
})

test('there is a key for each bucket', () => {
  const keys = bucketKeys('p:')
  expect(keys.length).toBe(BUCKET_COUNT)
  keys.forEach((key, bucket) => expect(keyBucket(Buffer.from(key), 0, key.length)).toBe(bucket))
})

test('contents differ where a value does, or is missing', () => {
  const expected = new Map([
    ['a', '1'],
    ['b', '2'],
    ['c', '3'],
  ])
  const found = new Map([
    ['a', '1'],
    ['b', 'x'],
  ])
  expect(differences(expected, found)).toEqual({count: 2, first: ['b: 2, and there x', 'c: 3, and there (nothing)']})
})

test('figures add up', () => {
  const one = {...NO_TOTALS, ok: 2, operations: {...NO_TOTALS.operations, cell: 3}}
  expect(sumTotals(one, one)).toMatchObject({ok: 4, operations: {cell: 6, pair: 0}})
})
