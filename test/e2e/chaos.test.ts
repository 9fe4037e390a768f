/** `kv chaos` as a person runs it, on real processes: a right cluster passes, planted bugs are found, and nothing that it started survives it. */
import {readFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {processesOf} from '../../src/chaos/drivers/leftovers.ts'
import {startChild, type Child} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import type {RunRecord} from '../../src/chaos/run-record.ts'

interface Run {
  readonly child: Child
  readonly folder: string
}

function startChaos(...flags: readonly string[]): Run {
  const seed = flags.includes('--seed') ? [] : ['--seed', '7']
  const folder = join(tempDir('chaos').path, 'report')
  const child = startChild(join(REPO_ROOT, 'bin/kv'), ['chaos', '--report', folder, ...seed, ...flags])
  return {child, folder}
}

function recordOf({folder}: Run): RunRecord {
  return JSON.parse(readFileSync(join(folder, 'report.json'), 'utf8')) as RunRecord
}

test('a right cluster passes, and all that is looked at is in order', async () => {
  const faults = ['kill', 'stop', 'pause', 'partition', 'move', 'log-kill']
  const run = startChaos('--seconds', '25', '--every', '3s', '--log-node', '--nodes', '4', '--faults', faults.join(','))
  expect(await run.child.exited, run.child.stdout()).toBe(0)
  const record = recordOf(run)
  expect(record).toMatchObject({verdict: 'pass', reasons: [], system: 'kv'})
  expect(new Set(record.faults.map(({kind}) => kind))).toEqual(new Set(faults))
  expect(record.checks.map(({result}) => result)).toEqual(record.checks.map(() => 'ok'))
  expect(record.totals.reads).toBeGreaterThan(1_000)
  expect(run.child.stdout()).toMatch(/^PASS {2}0 violations in [\d,]+ checked operations under \d+ faults$/m)
  expect(readFileSync(join(run.folder, 'report.html'), 'utf8')).toContain('</html>')
})

describe('a planted bug is found within two minutes:', () => {
  test.each([
    ['ack-before-replica', 'partition,one-way,late,kill'],
    ['read-without-lease', 'partition,one-way,isolate-leader,pause'],
    ['serve-after-handoff', 'move,join'],
  ])('%s', async (plant, faults) => {
    const run = startChaos('--minutes', '2', '--every', '2s', '--nodes', '4', '--plant', plant, '--faults', faults)
    expect(await run.child.exited, run.child.stdout()).toBe(8)
    const {verdict, findings, evidence} = recordOf(run)
    expect(verdict).toBe('violation')
    expect(findings[0]!.operations.length).toBeGreaterThan(1)
    expect(evidence).toMatchObject({values: expect.any(Object), lastFaults: expect.any(Array)})
    expect(run.child.stdout()).toMatch(/^Again: .*--seed 7.*--plant /m)
  })
})

/** The token of the run's processes, as its files of pids have it. */
async function tokenOf({folder}: Run): Promise<string> {
  const path = join(folder, 'cluster/pids/n1.json')
  return waitFor('the first node is noted', () => {
    try {
      return (JSON.parse(readFileSync(path, 'utf8')) as {token: string}).token
    } catch {
      return undefined
    }
  })
}

describe('nothing survives it', () => {
  test('when it is interrupted: it heals, reports and ends', async () => {
    const run = startChaos('--minutes', '5', '--every', '2s', '--nodes', '3', '--faults', 'kill,stop')
    const token = await tokenOf(run)
    await waitFor('faults begin', () => run.child.stderr().includes('running') || undefined, {timeoutMs: 90_000})
    run.child.process.kill('SIGINT')
    expect(await run.child.exited).toBe(130)
    expect(recordOf(run)).toMatchObject({
      verdict: 'void',
      reasons: expect.arrayContaining([expect.stringMatching(/interrupted/)]),
    })
    expect(processesOf(token)).toEqual([])
  })

  test('when it is killed', async () => {
    const run = startChaos('--minutes', '5', '--nodes', '3', '--faults', 'kill')
    const token = await tokenOf(run)
    run.child.process.kill('SIGKILL')
    await run.child.exited
    await waitFor('all are gone', () => processesOf(token).length === 0 || undefined, {timeoutMs: 20_000})
  })
})

describe('bad input is refused before anything is started:', () => {
  test.each([
    [['--faults', 'kil'], /no fault "kil".*Did you mean kill/],
    [['--nodes', '2', '--faults', 'kill'], /needs at least 3 nodes, and there are 2/],
    [['--attach', '127.0.0.1:1'], /--attach wants --on-fault/],
    [['--plant', 'ack-before-replicas'], /Did you mean ack-before-replica\?/],
  ])('%s', async (flags, text) => {
    const run = startChaos(...flags)
    expect(await run.child.exited).toBe(2)
    expect(run.child.stderr()).toMatch(text)
  })
})

test('simulated clusters: seeds pass, and a planted bug comes with the command that brings it back', async () => {
  const good = startChaos('--driver', 'sim', '--seeds', '6', '--seed-seconds', '3')
  expect(await good.child.exited, good.child.stdout()).toBe(0)
  const bad = startChaos('--driver', 'sim', '--seeds', '40', '--plant', 'ack-before-replica')
  expect(await bad.child.exited).toBe(8)
  const again = /^Again: \S+ chaos (.*)$/m.exec(bad.child.stdout())![1]!.split(' ')
  expect(again).toContain('--seeds')
  const once = startChaos(...again.filter((_, i) => again[i] !== '--report' && again[i - 1] !== '--report'))
  expect(await once.child.exited).toBe(8)
})
