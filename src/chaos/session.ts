/**
 * `kv chaos` against real processes, from the look at what an earlier run left to the report on the disk. Whatever happens, nothing that was started survives it:
 * Ctrl-C once heals, stops and still reports; twice ends at once.
 *
 *   folder/report.json, report.html     what came of it
 *   folder/cluster/                     data dirs and logs of the nodes; kept if something was wrong
 */
import {mkdir, rm} from 'node:fs/promises'
import {availableParallelism, cpus, release, totalmem, type} from 'node:os'
import {join} from 'node:path'
import {CHAOS_DISK_FREE_BYTES_MIN} from '../constants.ts'
import {formatBytes} from '../cli/units.ts'
import {describeErrno, errnoCode} from '../disk/durable-file.ts'
import {EXIT, KvError} from '../errors.ts'
import {checkAftermath} from './aftermath.ts'
import {CheckerClient} from './checker-client.ts'
import {startClock} from './clock.ts'
import {endLeftovers, findLeftovers} from './drivers/leftovers.ts'
import {KvDriver} from './drivers/kv-driver.ts'
import {Events} from './events.ts'
import {writeReport} from './report/write-report.ts'
import {ChaosRun, freeBytes, type Status} from './run.ts'
import type {Driver, DriverOptions} from './driver.ts'
import type {RunRecord} from './run-record.ts'
import type {Settings} from './settings.ts'

/** A driver, made when everything it is told is known. `hotBuckets`: what the workload uses much. */
export type MakeDriver = (options: DriverOptions, hotBuckets: () => readonly number[]) => Driver

export interface SessionPlan {
  readonly settings: Settings
  readonly makeDriver: MakeDriver
  /** Of the report; made if missing. */
  readonly folder: string
  /** Processes that an earlier run left are ended. */
  readonly endsLeftovers: boolean
  /** What was typed, with the seed. */
  readonly command: string
  readonly kvVersion: string
}

export interface SessionUi {
  /** The run begins: what it is like can be asked for at any time. */
  begun(status: () => Status): void
  /** The run is over: nothing more is shown of it. */
  over(): void
  /** Somebody looks: processes that show a violation are kept until they say so. */
  readonly isWatched: boolean
  /** A remark. */
  note(text: string): void
}

export interface SessionOutcome {
  readonly record: RunRecord
  readonly exitCode: number
  /** Files that were written. */
  readonly files: readonly string[]
}

/** Errors: E_REFUSED (leftovers), E_REPORT, those of the driver's start. */
export async function runSession(plan: SessionPlan, ui: SessionUi): Promise<SessionOutcome> {
  const clusterFolder = join(plan.folder, 'cluster')
  await prepareFolder(plan, clusterFolder)
  const clock = startClock()
  const events = new Events(clock)
  const {settings} = plan
  const {nodes, replicas, hasLogNode, faults, plants} = settings
  const options = {
    nodes,
    replicas,
    hasLogNode,
    faults,
    plants,
    folder: clusterFolder,
    now: () => clock.now(),
    event: events.add,
  }
  let run: ChaosRun | undefined
  const driver = plan.makeDriver(options, () => run?.hotBuckets ?? [])
  const signals = new Signals(driver)
  let checker: CheckerClient | undefined
  try {
    run = new ChaosRun({
      driver,
      settings,
      clock,
      events,
      signal: signals.signal,
      folder: clusterFolder,
      makeJudge: (told) => (checker = new CheckerClient(told)),
      ...(driver instanceof KvDriver && {
        checks: (workload) => checkAftermath(driver, options, workload, signals.signal),
      }),
      about: {
        kvVersion: plan.kvVersion,
        machine: machine(),
        command: plan.command,
        startedAt: new Date().toISOString(),
      },
    })
    const running = run
    ui.begun(() => running.status)
    const record = await running.run().catch(asOurs)
    ui.over()
    const files = await writeRecord(plan.folder, record)
    const isKept = record.verdict === 'violation'
    if (isKept && ui.isWatched && record.findings.length > 0 && !signals.signal.aborted) {
      ui.note('The processes are stopped where they are. Ctrl-C ends them.')
      await signals.next()
    }
    await driver.end()
    if (!isKept) await rm(clusterFolder, {recursive: true, force: true})
    return {record, exitCode: exitCodeOf(record, signals.signal.aborted), files}
  } finally {
    ui.over()
    await driver.end()
    await checker?.end()
    signals.close()
  }
}

export function exitCodeOf({verdict}: Pick<RunRecord, 'verdict'>, isInterrupted: boolean): number {
  if (verdict === 'violation') return EXIT.violation
  if (isInterrupted) return EXIT.interrupted
  return verdict === 'pass' ? EXIT.ok : EXIT.unhealthy
}

/** What the report says about where it ran. */
export function machine(): string {
  const model = cpus()[0]?.model ?? 'unknown processor'
  return `${availableParallelism()} x ${model}, ${formatBytes(totalmem())}, ${type()} ${release()}, Node.js ${process.versions.node}`
}

async function prepareFolder({folder, endsLeftovers: isYes}: SessionPlan, clusterFolder: string): Promise<void> {
  const leftovers = findLeftovers(clusterFolder)
  if (leftovers.length > 0 && !isYes) {
    const names = leftovers.map(({name, pid}) => `${name} (${pid})`).join(', ')
    throw new KvError(
      'E_REFUSED',
      `An earlier run left processes that still run: ${names}.`,
      'With --yes they are ended first.',
    )
  }
  endLeftovers(clusterFolder)
  try {
    await rm(clusterFolder, {recursive: true, force: true})
    await mkdir(clusterFolder, {recursive: true})
  } catch (error) {
    throw folderError(folder, error)
  }
  const free = await freeBytes(clusterFolder)
  if (free >= CHAOS_DISK_FREE_BYTES_MIN) return
  throw new KvError(
    'E_REPORT',
    `The disk of ${folder} has ${formatBytes(free)} left; the nodes need ${formatBytes(CHAOS_DISK_FREE_BYTES_MIN)} at least.`,
    'Name another folder with --report.',
  )
}

export async function writeRecord(folder: string, record: RunRecord): Promise<readonly string[]> {
  try {
    return await writeReport(folder, record)
  } catch (error) {
    throw folderError(folder, error)
  }
}

function folderError(folder: string, error: unknown): unknown {
  if (error instanceof KvError || errnoCode(error) === '') return error
  const why = describeErrno(error)
  return new KvError('E_REPORT', `The folder ${folder} cannot be written: ${why}.`, 'Name another one with --report.')
}

/** A disk that is full may show itself anywhere. */
function asOurs(error: unknown): never {
  if (errnoCode(error) === 'ENOSPC')
    throw new KvError('E_REPORT', 'The disk is full.', 'Name another folder with --report.')
  throw error
}

/** Ctrl-C and its like: the first time they ask for the end, the second time they make it. */
class Signals {
  readonly #abort = new AbortController()
  readonly #driver: Driver
  #waiting: (() => void) | undefined
  readonly #listen = (): void => this.#take()

  constructor(driver: Driver) {
    this.#driver = driver
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, this.#listen)
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Resolves with the next one, which then asks for nothing else. */
  next(): Promise<void> {
    return new Promise((resolve) => (this.#waiting = resolve))
  }

  close(): void {
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, this.#listen)
  }

  #take(): void {
    if (this.#waiting) return this.#waiting()
    if (!this.#abort.signal.aborted) return this.#abort.abort()
    void this.#driver.end().finally(() => process.exit(EXIT.interrupted))
  }
}
