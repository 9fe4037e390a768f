/** What `kv chaos` does once its flags are read: a session with processes, or seeds of the simulator; and what is said about it. */
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {ChalkInstance} from 'chalk'
import {operationCount} from '../checker/totals.ts'
import {Progress} from '../cli/progress.ts'
import {selfCommand} from '../cli/shell.ts'
import {formatCount} from '../cli/units.ts'
import {untilInterrupted} from '../cli/watch-cluster.ts'
import {PLANTS} from '../core/cluster/plants.ts'
import {conclusionLines} from './conclusion.ts'
import {createDriver} from './drivers/create.ts'
import {requirePlants, type ChaosPlan} from './plan.ts'
import {Screen} from './screen.ts'
import {exitCodeOf, machine, runSession, writeRecord} from './session.ts'
import {runSeeds, type SimTotals} from './sim-run.ts'
import {simRecord} from './sim-record.ts'
import type {RunRecord} from './run-record.ts'

export {planChaos} from './plan.ts'

export interface ChaosOutcome {
  /** For a person. */
  readonly lines: readonly string[]
  /** For --json: the verdict, and where the whole record is. */
  readonly json: unknown
  readonly exitCode: number
}

/** Errors: those of the plan that can only be seen now (E_USAGE), and of `runSession`. */
export async function runChaos(plan: ChaosPlan, style: ChalkInstance): Promise<ChaosOutcome> {
  requirePlants(plan.settings.plants, Object.keys(PLANTS))
  const {record, files, exitCode} = plan.target.kind === 'sim' ? await runSim(plan) : await runProcesses(plan, style)
  return {lines: conclusionLines(record, files, style), json: brief(record, files), exitCode}
}

interface Ran {
  readonly record: RunRecord
  readonly files: readonly string[]
  readonly exitCode: number
}

async function runProcesses(plan: ChaosPlan, style: ChalkInstance): Promise<Ran> {
  const {target, ...session} = plan
  if (target.kind === 'sim') throw new Error('not processes')
  let screen: Screen | undefined
  return runSession(
    {...session, makeDriver: (options, hotBuckets) => createDriver(target.kind, {...options, hotBuckets, ...target})},
    {
      begun(status) {
        screen = new Screen(status, style)
        screen.start()
      },
      over() {
        screen?.stop()
        screen = undefined
      },
      isWatched: process.stderr.isTTY && process.stdin.isTTY,
      note: (text) => void process.stderr.write(`${text}\n`),
    },
  )
}

async function runSim(plan: ChaosPlan): Promise<Ran> {
  const {settings, target, folder, kvVersion} = plan
  if (target.kind !== 'sim') throw new Error('not a simulation')
  const startedAt = new Date().toISOString()
  const beganMs = performance.now()
  const progress = new Progress()
  let isInterrupted = false
  const totals = await untilInterrupted((signal) => {
    signal.addEventListener('abort', () => (isInterrupted = true))
    const {seed: firstSeed, durationMs, plants} = settings
    const shape = {firstSeed, seeds: target.seeds, durationMs, seconds: target.seedSeconds, plants, signal}
    return runSeeds(shape, (so) => progress.update(() => simLine(so, target.seeds)))
  })
  progress.done()
  const about = {kvVersion, machine: machine(), startedAt, durationMs: Math.round(performance.now() - beganMs)}
  const record = simRecord(totals, plan, about, againCommand(plan, totals), isInterrupted)
  await mkdir(folder, {recursive: true})
  const files = [...(await writeRecord(folder, record))]
  if (totals.failure) {
    const path = join(folder, `seed-${totals.failure.seed}.trace`)
    await writeFile(path, `${totals.failure.trace.join('\n')}\n`)
    files.push(path)
  }
  return {record, files, exitCode: exitCodeOf(record, isInterrupted)}
}

/** The seed that failed, alone. */
function againCommand({settings, target}: ChaosPlan, {failure}: SimTotals): string {
  const seconds = target.kind === 'sim' ? target.seedSeconds : 0
  const plants = settings.plants.map((name) => ` --plant ${name}`).join('')
  return `${selfCommand()} chaos --driver sim --seeds 1 --seed ${failure?.seed ?? settings.seed} --seed-seconds ${seconds}${plants}`
}

function simLine({seeds, checked, faults}: SimTotals, wanted: number): string {
  const count = Object.values(faults).reduce((sum, one) => sum + one, 0)
  const of = wanted === Infinity ? '' : ` of ${formatCount(wanted)}`
  return `${formatCount(seeds)}${of} seeds, ${formatCount(operationCount(checked))} operations, ${formatCount(count)} faults, no violation`
}

function brief(record: RunRecord, files: readonly string[]): unknown {
  const {verdict, reasons, seed, command, system, systemVersion, durationMs, totals, checks, faults, outages} = record
  const fired: Record<string, number> = {}
  for (const {kind, error} of faults) if (error === '') fired[kind] = (fired[kind] ?? 0) + 1
  const worstOutageMs = outages.reduce((worst, {beganMs, endedMs}) => Math.max(worst, endedMs - beganMs), 0)
  return {
    verdict,
    reasons,
    seed,
    command,
    system,
    systemVersion,
    durationMs,
    totals,
    checks,
    faults: fired,
    worstOutageMs,
    files,
  }
}
