/** Whole runs of the tester on a cluster that is only pretended: what is right passes, what is wrong is found, and what proves nothing is void. */
import {describe, expect, test} from 'vitest'
import {startClock} from '../../src/chaos/clock.ts'
import {Events} from '../../src/chaos/events.ts'
import {CHECKER_BEHIND_MAX} from '../../src/constants.ts'
import {ChaosRun} from '../../src/chaos/run.ts'
import {FakeDriver} from './fake-driver.ts'
import {LocalJudge} from './local-judge.ts'
import type {RunRecord} from '../../src/chaos/run-record.ts'
import type {Settings} from '../../src/chaos/settings.ts'

const SETTINGS: Settings = {
  nodes: 3,
  replicas: 0,
  hasLogNode: false,
  keys: 60,
  clients: 10,
  rate: 600,
  valueBytes: 32,
  durationMs: 2_200,
  everyMs: 1_000,
  faults: ['kill', 'pause'],
  seed: 3,
  plants: [],
  keepsGoing: false,
  prefix: 'chaos:',
}

interface Trial {
  readonly settings?: Partial<Settings>
  /** Before it starts. */
  readonly prepare?: (driver: FakeDriver) => void
  /** As soon as clients work. */
  readonly meddle?: (driver: FakeDriver, judge: LocalJudge, abort: AbortController) => void
}

async function runTrial({settings, prepare, meddle}: Trial): Promise<{record: RunRecord; calls: readonly string[]}> {
  const clock = startClock()
  const driver = new FakeDriver(clock)
  prepare?.(driver)
  const abort = new AbortController()
  let judge: LocalJudge | undefined
  const run = new ChaosRun({
    driver,
    settings: {...SETTINGS, ...settings},
    clock,
    events: new Events(clock),
    signal: abort.signal,
    makeJudge: (events) => (judge = new LocalJudge(events)),
    about: {kvVersion: '0', machine: 'a test', command: 'kv chaos', startedAt: ''},
  })
  const looking = setInterval(() => {
    if (run.status.phase !== 'running') return
    clearInterval(looking)
    meddle?.(driver, judge!, abort)
  }, 5)
  try {
    return {record: await run.run(), calls: [...driver.calls]}
  } finally {
    clearInterval(looking)
    await driver.end()
  }
}

describe.concurrent('a run', () => {
  test('of a cluster that is right passes, faults and all', async () => {
    const {record, calls} = await runTrial({})
    expect(record.reasons).toEqual([])
    expect(record.verdict).toBe('pass')
    expect(new Set(record.faults.map(({kind}) => kind))).toEqual(new Set(['kill', 'pause']))
    for (const rule of ['register', 'ledger', 'cell', 'counter', 'pair'] as const)
      expect(record.totals.operations[rule], rule).toBeGreaterThan(0)
    expect(record.totals.reads).toBeGreaterThan(100)
    expect(record.samples.length).toBeGreaterThan(1)
    expect(record.checks.map(({result}) => result)).not.toContain('wrong')
    expect(calls).toEqual(['start', 'heal'])
  })

  test('finds writes that were acknowledged and lost, and keeps what shows it', async () => {
    const {record, calls} = await runTrial({meddle: ({cluster}) => (cluster.switches.loseEvery = 20)})
    expect(record.verdict).toBe('violation')
    expect(record.findings[0]!.operations.length).toBeGreaterThan(1)
    expect(calls).toEqual(['start', 'freeze'])
    expect(record.evidence).toMatchObject({cluster: {nodes: 3}})
    const {values} = record.evidence as {values: Record<string, Record<string, string>>}
    expect(Object.keys(Object.values(values)[0]!)).toEqual(['n1', 'n2', 'n3'])
  })

  test('goes on after a wrong answer if it is told to, and counts to the end', async () => {
    const meddle: Trial['meddle'] = ({cluster}) => (cluster.switches.loseEvery = 20)
    const {record, calls} = await runTrial({settings: {keepsGoing: true, faults: []}, meddle})
    expect(record.verdict).toBe('violation')
    expect(record.findings.length).toBeGreaterThan(1)
    expect(record.totals.findings).toBe(record.findings.length)
    expect(record.checks.map(({what}) => what)).toContain('every key can be read at the end')
    expect(calls).toEqual(['start', 'heal'])
  })

  test('finds stale reads', async () => {
    const {record} = await runTrial({meddle: ({cluster}) => (cluster.switches.staleEvery = 50)})
    expect(record.verdict).toBe('violation')
  })

  test('is void if a fault never came about', async () => {
    const {record} = await runTrial({prepare: (driver) => (driver.forbidden = ['pause'])})
    expect(record).toMatchObject({verdict: 'void', reasons: ['never came about: pause']})
  })

  test('is void if hardly anything was answered', async () => {
    const {record} = await runTrial({settings: {rate: 20, durationMs: 1_200, faults: [], keys: 20}})
    expect(record.verdict).toBe('void')
    expect(record.reasons[0]).toMatch(/^only \d+ operations were answered/)
  })

  test('is void if the checker dies, and heals all the same', async () => {
    const {record, calls} = await runTrial({meddle: (_, judge) => judge.die()})
    expect(record.verdict).toBe('void')
    expect(record.reasons[0]).toBe('the checker died: out of memory')
    expect(calls).toEqual(['start', 'heal'])
  })

  test('lets its clients wait while the checker is behind', async () => {
    const {record} = await runTrial({
      settings: {faults: []},
      meddle: (_, judge) => {
        judge.behind = CHECKER_BEHIND_MAX + 1
        setTimeout(() => (judge.behind = 0), 500)
      },
    })
    expect(record.events.filter(({text}) => text.includes('the checker is behind'))).toHaveLength(1)
    expect(record.verdict).toBe('pass')
  })

  test('that is interrupted heals, and says so', async () => {
    const {record, calls} = await runTrial({meddle: (_driver, _judge, abort) => abort.abort()})
    expect(record.verdict).toBe('void')
    expect(record.reasons[0]).toMatch(/interrupted/)
    expect(calls).toEqual(['start', 'heal'])
  })

  test('finds copies that differ', async () => {
    const copy = {bucket: 7, epoch: 1, seq: 2}
    const copies = [
      {...copy, place: 'n1', hash: 'a'},
      {...copy, place: 'n2', hash: 'b'},
    ]
    const {record} = await runTrial({settings: {faults: []}, prepare: (driver) => (driver.copies = copies)})
    expect(record.verdict).toBe('violation')
    expect(record.reasons.join()).toContain('bucket 7: n1 1.2 a, n2 1.2 b')
  })

  test('is void if the end cannot be looked at', async () => {
    const prepare = (driver: FakeDriver): void => {
      driver.hashes = () => Promise.reject(new Error('no node answers'))
    }
    const {record} = await runTrial({settings: {faults: []}, prepare})
    expect(record).toMatchObject({
      verdict: 'void',
      reasons: ['not all could be checked at the end: no node answers'],
    })
  })
})
