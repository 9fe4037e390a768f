/** The workload on a server that is always right, and on virtual time: what it asks, what it writes down, and what it says may be forgotten. */
import {describe, expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {runSeed} from '../../src/sim/simulation.ts'
import {Schedule} from '../../src/sim/schedule.ts'
import {ALL_KINDS, shareKeys} from '../../src/workload/kinds.ts'
import {Recorder} from '../../src/workload/recorder.ts'
import {Values} from '../../src/workload/values.ts'
import {Workload, type WorkloadShape} from '../../src/workload/workload.ts'
import type {HistorySink, Operation} from '../../src/checker/history.ts'
import type {Clock, Finish, Outcome, Reply, Request, WorkClient} from '../../src/workload/types.ts'

const LATENCY_MS = 5

class Sink implements HistorySink {
  readonly operations: Operation[] = []
  floor = 0

  take(operation: Operation): void {
    // What is taken after the floor was told must not lie before it.
    expect(operation.start).toBeGreaterThanOrEqual(this.floor)
    this.operations.push(operation)
  }

  advance(floor: number): void {
    expect(floor).toBeGreaterThanOrEqual(this.floor)
    this.floor = floor
  }
}

function clockOf(schedule: Schedule): Clock {
  return {now: () => schedule.now, after: (ms, run) => schedule.after(ms, run)}
}

/** Answers everything after a while as an empty server would; or what `judge` says. */
class Client implements WorkClient {
  readonly sent: Request[] = []
  readonly #schedule: Schedule
  readonly #judge: () => Outcome

  constructor(schedule: Schedule, judge: () => Outcome = () => 'ok') {
    this.#schedule = schedule
    this.#judge = judge
  }

  send(_key: string, requests: readonly Request[], then: Finish): void {
    this.sent.push(...requests)
    const outcome = this.#judge()
    this.#schedule.after(LATENCY_MS, () => then(outcome, outcome === 'ok' ? requests.map(emptyReply) : [], 'n1'))
  }
}

function emptyReply([name]: Request): Reply {
  return name === 'EXEC' ? ['0', '0'] : name === 'INCR' ? 1 : name === 'HGETALL' ? [] : null
}

function start(shape: Partial<WorkloadShape>, judge?: () => Outcome, isTwice = false): Trial {
  const schedule = new Schedule()
  const sink = new Sink()
  const clients: Client[] = []
  const makeClient = (): WorkClient => {
    const client = new Client(schedule, judge)
    clients.push(client)
    if (!isTwice) return client
    return {
      send: (key, requests, then) => client.send(key, requests, then),
      sendTwice: (key, first, next, then) =>
        client.send(key, first, (outcome, replies, node) => {
          const second = outcome === 'ok' ? next(replies) : null
          if (second) client.send(key, second, then)
          else then(outcome, replies, node)
        }),
    }
  }
  const full = {keys: shareKeys(50), pace: 20, ttlSlackMs: 2, choice: 'skewed', ...shape} as const
  const workload = new Workload(clockOf(schedule), new Prng(1), makeClient, sink, full)
  return {schedule, sink, clients, workload}
}

interface Trial {
  readonly schedule: Schedule
  readonly sink: Sink
  readonly clients: readonly Client[]
  readonly workload: Workload
}

function run({schedule, workload}: Trial, ms: number): void {
  workload.start(5)
  schedule.run(ms, () => true)
}

test('every kind has keys, and every rule comes about', () => {
  const trial = start({})
  expect(new Set(trial.workload.keys.map(({kind}) => kind))).toEqual(new Set(ALL_KINDS))
  run(trial, 10_000)
  const rules = new Set(trial.sink.operations.map(({rule}) => rule))
  expect(rules).toEqual(new Set(['register', 'ledger', 'cell', 'counter', 'pair']))
  expect(new Set(trial.sink.operations.map(({kind}) => kind)).size).toBe(6)
})

test('a ledger key is written once', () => {
  const trial = start({keys: {ledger: 4}})
  run(trial, 5_000)
  const writes = trial.clients.flatMap(({sent}) => sent.filter(([name]) => name === 'SET'))
  expect(writes.length).toBe(4)
  expect(new Set(writes.map(([, key]) => key)).size).toBe(4)
})

describe('a swap', () => {
  test('watches, and writes on the same connection', () => {
    const trial = start({keys: {swap: 1}}, undefined, true)
    run(trial, 1_000)
    const names = trial.clients[1]!.sent.map(([name]) => name)
    expect(names.join(' ')).toContain('WATCH GET MULTI SET EXEC')
    expect(trial.sink.operations.find(({kind}) => kind === 'swap')).toMatchObject({expected: null, rule: 'register'})
  })

  test('needs no connection where there is none', () => {
    const trial = start({keys: {swap: 1}})
    run(trial, 1_000)
    expect(trial.clients.flatMap(({sent}) => sent).some((request) => request.at(-1) === 'NX')).toBe(true)
    // The reply nil says that nothing was done.
    const swaps = trial.sink.operations.filter(({kind}) => kind === 'swap')
    expect(swaps.length).toBeGreaterThan(0)
    for (const swap of swaps) expect(swap.hasFailed).toBe(true)
  })
})

test('the floor follows what is in flight, also when nobody knows what became of it', () => {
  let i = 0
  const trial = start({}, () => (['ok', 'unknown', 'failed'] as const)[i++ % 3]!)
  run(trial, 20_000)
  trial.workload.advance()
  expect(trial.sink.operations.length).toBeGreaterThan(1_000)
  const last = trial.sink.operations.at(-1)!.start
  expect(trial.sink.floor).toBeGreaterThan(last - 1_000)
  for (const {end} of trial.sink.operations.filter(({hasFailed}) => hasFailed)) expect(end).not.toBe(Infinity)
})

test('who is steady keeps to the pace though answers take time', () => {
  const counts = [true, false].map((isSteady) => {
    const trial = start({pace: 10, isSteady, keys: {register: 5}})
    run(trial, 10_000)
    return trial.sink.operations.length
  })
  expect(counts[0]).toBeGreaterThan(4_700)
  expect(counts[1]).toBeLessThan(3_700)
})

test('no operation begins while whoever takes the history is behind, and the pace is taken up again', () => {
  let isBehind = false
  const trial = start({isSteady: true, mustWait: () => isBehind})
  const sent = (until: number): number => {
    trial.schedule.run(until, () => true)
    return trial.clients.reduce((sum, client) => sum + client.sent.length, 0)
  }
  trial.workload.start(5)
  const before = sent(1_000)
  expect(before).toBeGreaterThan(100)
  isBehind = true
  // Those under way may have a second part.
  const held = sent(1_000 + 10 * LATENCY_MS)
  expect(sent(3_000)).toBe(held)
  isBehind = false
  expect(sent(4_000)).toBeGreaterThan(held + 100)
})

test('a stop waits for what is under way', () => {
  const trial = start({keys: {register: 5}})
  run(trial, 1_000)
  const before = trial.sink.operations.length
  let isIdle = false
  trial.workload.stop(() => (isIdle = true))
  trial.schedule.run(trial.schedule.now + 100, () => true)
  expect(isIdle).toBe(true)
  const after = trial.sink.operations.length
  expect(after - before).toBeLessThanOrEqual(5)
  trial.schedule.run(trial.schedule.now + 1_000, () => true)
  expect(trial.sink.operations.length).toBe(after)
})

test('when it is closed values that live on may vanish at any time, and then nothing more comes', () => {
  const trial = start({keys: {cell: 3}})
  run(trial, 1_000)
  trial.workload.close()
  const {operations} = trial.sink
  const count = operations.length
  expect(operations.some(({kind, end}) => kind === 'expire' && end === Infinity)).toBe(true)
  trial.schedule.run(trial.schedule.now + 3_000, () => true)
  expect(operations.length).toBe(count)
})

test('a moment that has passed has its stamp before any that is given later, be its timer as late as it may', () => {
  let now = 0
  const timers: (() => void)[] = []
  const recorder = new Recorder({now: () => now, after: (_, run) => void timers.push(run)}, new Sink())
  const marked = recorder.mark(10)
  const before = recorder.stamp()
  now = 11
  const after = recorder.stamp()
  expect(marked()).toBeGreaterThan(before)
  expect(marked()).toBeLessThan(after)
  for (const timer of timers) timer()
  expect(marked()).toBeLessThan(after)
})

describe('values', () => {
  test('are unique, as long as asked for, and known again', () => {
    const values = new Values(20)
    const names = Array.from({length: 1_000}, () => values.next())
    expect(new Set(names).size).toBe(1_000)
    for (const name of names) {
      expect(values.stored(name).length).toBe(20)
      expect(values.nameOf(values.stored(name))).toBe(name)
    }
  })

  test('that came back damaged are not known', () => {
    const values = new Values(20)
    const stored = values.stored(values.next())
    expect(values.nameOf(stored.slice(0, -1))).not.toBe('v1')
    expect(values.nameOf(`${stored.slice(0, -1)}!`)).not.toBe('v1')
  })
})

test('simulated clusters pass with all kinds, ledger and swap among them', () => {
  for (const seed of [1, 2, 3]) {
    const {violations, checked} = runSeed(seed, {seconds: 5, kinds: ALL_KINDS})
    expect(violations, `seed ${seed}`).toEqual([])
    expect(checked.operations.ledger).toBeGreaterThan(0)
  }
})
