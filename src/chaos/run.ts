/**
 * One run of the tester, from the first process to the record of what was seen.
 *
 *   starting -> loading -> running --time is over------------------> healing -> checking -> over
 *                            |  |--a wrong answer: faults stop, evidence is taken, processes are frozen --^
 *                            |--Ctrl-C, or the checker died: heal -----------------------------------------^
 *
 * The cluster is the driver's, the history the judge's; here is only who does what when. Whoever calls this ends the driver, whatever comes of it.
 */
import {statfs} from 'node:fs/promises'
import {setTimeout as sleep} from 'node:timers/promises'
import {Prng} from '../base/prng.ts'
import {operationCount} from '../checker/totals.ts'
import {formatCount} from '../cli/units.ts'
import {CHAOS_DISK_FREE_BYTES_MIN, CHECKER_BEHIND_MAX} from '../constants.ts'
import {shareKeys} from '../workload/kinds.ts'
import {Workload} from '../workload/workload.ts'
import {ChaosClient} from './client.ts'
import {compareCopies, countCrashes, healAll, readBack, seconds, type Ending} from './ending.ts'
import {gatherEvidence, type ViolationEvidence} from './evidence.ts'
import {Meter} from './meter.ts'
import {Nemesis} from './nemesis.ts'
import {judgeRun} from './verdict.ts'
import type {CheckerTotals, Finding} from '../checker/history.ts'
import type {Address} from '../base/address.ts'
import type {Clock} from '../workload/types.ts'
import type {Driver, FaultRecord, Place} from './driver.ts'
import type {Events} from './events.ts'
import type {Judge, JudgeEvents} from './judge.ts'
import type {Check, RunRecord, Sample} from './run-record.ts'
import type {Settings} from './settings.ts'

/** A node's clock and ours are the same machine's, but it counts whole ms and ours is another one. */
const TTL_SLACK_MS = 20
const SAMPLE_MS = 1_000
const MEMORY_EVERY_SAMPLES = 10
/** After Ctrl-C nobody wants to wait for long. */
const HASTY_HEAL_MS = 10_000
const IDLE_MS = 10_000
const CLOSE_MS = 50
/** One client in so many is stubborn. */
const STUBBORN_ONE_IN = 4
const INTERRUPTED = 'it was interrupted, so not all was checked'

export type Phase = 'starting' | 'loading' | 'running' | 'healing' | 'checking' | 'over'

export interface RunOptions {
  readonly driver: Driver
  /** Starts the checker; called once. */
  readonly makeJudge: (events: JudgeEvents) => Judge
  readonly settings: Settings
  readonly clock: Clock
  readonly events: Events
  /** Ctrl-C. */
  readonly signal: AbortSignal
  /** Where the cluster's files are: the run ends before the disk is full. */
  readonly folder?: string
  /** What else is looked at at the end, while the cluster still runs, healed and without clients. It may stop nodes. */
  readonly checks?: (workload: Workload) => Promise<readonly Check[]>
  readonly about: Pick<RunRecord, 'kvVersion' | 'machine' | 'command' | 'startedAt'>
}

export interface Status {
  readonly phase: Phase
  readonly nowMs: number
  /** Since clients began to work, and how long they are to. */
  readonly workedMs: number
  readonly durationMs: number
  readonly places: readonly Place[]
  readonly faults: readonly FaultRecord[]
  readonly last: Sample | undefined
  readonly totals: CheckerTotals
  readonly backlog: number
  readonly memoryMb: number
}

export class ChaosRun {
  readonly #o: RunOptions
  readonly #judge: Judge
  readonly #meter: Meter
  readonly #workload: Workload
  readonly #clients = new Set<ChaosClient>()
  readonly #random: Prng
  readonly #memory: [number, number][] = []
  readonly #checks: Check[] = []
  readonly #findings: Finding[] = []
  /** Resolves with the reason when clients shall not go on: '' if a wrong answer was found. */
  readonly #halt = Promise.withResolvers<string>()
  #evidence: ViolationEvidence | undefined
  #phase: Phase = 'starting'
  #cutShort = ''
  #workBeganMs = 0
  #workedMs = 0
  #wasBehind = false

  constructor(options: RunOptions) {
    const {settings, driver, clock, signal, makeJudge} = options
    this.#o = options
    this.#judge = makeJudge({
      onFinding: (finding) => this.#found(finding),
      onFailure: (error) => this.#halt.resolve(`the checker died: ${error.message}`),
    })
    this.#random = new Prng(settings.seed)
    this.#meter = new Meter(() => driver.faults)
    const shape = {
      keys: shareKeys(settings.keys),
      prefix: settings.prefix,
      pace: (1000 * settings.clients) / settings.rate,
      valueBytes: settings.valueBytes,
      ttlSlackMs: TTL_SLACK_MS,
      choice: 'skewed',
      isSteady: true,
      mustWait: () => this.#isCheckerBehind(),
    } as const
    const makeClient = (): ChaosClient => this.#makeClient(undefined)
    this.#workload = new Workload(clock, this.#random.fork(), makeClient, this.#judge, shape, (ended) =>
      this.#meter.ended(ended),
    )
    signal.addEventListener('abort', () => this.#halt.resolve(INTERRUPTED), {
      once: true,
    })
  }

  /** Of the keys that are used most. */
  get hotBuckets(): readonly number[] {
    return this.#workload.hotBuckets
  }

  get status(): Status {
    const {clock, driver, settings} = this.#o
    const judge = this.#judge
    return {
      phase: this.#phase,
      nowMs: clock.now(),
      workedMs: this.#workBeganMs === 0 ? 0 : this.#workedMs || clock.now() - this.#workBeganMs,
      durationMs: settings.durationMs,
      places: driver.places,
      faults: driver.faults,
      last: this.#meter.samples.at(-1),
      totals: judge.totals,
      backlog: judge.behind,
      memoryMb: residentMb(),
    }
  }

  /** Runs it all. Errors: those of the driver's start. */
  async run(): Promise<RunRecord> {
    const {driver, events} = this.#o
    const halted = this.#halt.promise
    const isStarted = await Promise.race([driver.start().then(() => true), halted.then(() => false)])
    if (isStarted) {
      events.add('the cluster is up')
      const sampling = setInterval(() => this.#sample(), SAMPLE_MS)
      try {
        await this.#work()
      } finally {
        clearInterval(sampling)
        this.#sample()
      }
    } else this.#cutShort = await halted
    return this.#conclude()
  }

  async #work(): Promise<void> {
    const {clock, settings, driver, events} = this.#o
    this.#enter('loading')
    await Promise.race([this.#load(), this.#halt.promise])
    this.#workBeganMs = clock.now()
    this.#enter('running')
    this.#workload.start(settings.clients)
    const {faults: kinds, everyMs, durationMs} = settings
    const untilMs = clock.now() + durationMs
    const nemesis = new Nemesis({
      driver,
      kinds,
      clock,
      random: this.#random.fork(),
      everyMs,
      untilMs,
      event: events.add,
    })
    nemesis.start()
    const timer = setTimeout(() => this.#halt.resolve('over'), durationMs)
    const why = await this.#halt.promise
    clearTimeout(timer)
    this.#workedMs = clock.now() - this.#workBeganMs
    await nemesis.stop()
    if (this.#mustPreserve()) return this.#preserve()
    if (why !== 'over') return this.#leaveEarly(why)
    const interrupted = Promise.withResolvers<void>()
    this.#o.signal.addEventListener('abort', () => interrupted.resolve(), {once: true})
    const ending = this.#end().catch((error: unknown) => {
      this.#cutShort = `not all could be checked at the end: ${(error as Error).message}`
    })
    await Promise.race([ending, interrupted.promise])
    if (this.#o.signal.aborted) this.#cutShort = INTERRUPTED
  }

  /** Half of the ledger and all registers are there before the first fault; the rest of the ledger is written meanwhile. */
  async #load(): Promise<void> {
    const {keys} = this.#workload
    const first = keys.filter(
      ({kind}, i) => kind === 'register' || kind === 'field' || (kind === 'ledger' && i % 2 === 0),
    )
    await new Promise<void>((resolve) => this.#workload.load(first, resolve))
  }

  async #end(): Promise<void> {
    const {driver, settings, clock, checks} = this.#o
    const {prefix, replicas} = settings
    const makeClient = (first: Address | undefined): ChaosClient => this.#makeClient(first)
    const ending: Ending = {driver, workload: this.#workload, prefix, copies: replicas + 1, makeClient}
    this.#enter('healing')
    this.#checks.push(...(await healAll(ending)))
    await this.#idle()
    if (this.#mustPreserve()) return this.#preserve()
    this.#enter('checking')
    this.#checks.push(...(await readBack(ending)))
    // A value may have expired before its client was told of it: its end is noted a whole life after that.
    await new Promise<void>((resolve) => clock.after(this.#workload.expiryNotedMs, resolve))
    this.#workload.advance()
    if (this.#isBroken()) return
    this.#checks.push(await compareCopies(ending))
    if (!this.#isBroken() && checks) this.#checks.push(...(await checks(this.#workload)))
  }

  /** The clients wait for it then. */
  #isCheckerBehind(): boolean {
    const isBehind = this.#judge.behind > CHECKER_BEHIND_MAX
    if (isBehind && !this.#wasBehind) this.#o.events.add('the checker is behind: the clients wait for it')
    this.#wasBehind = isBehind
    return isBehind
  }

  /** What is wrong was seen, and is to be kept as it is. */
  #mustPreserve(): boolean {
    return this.#findings.length > 0 && !this.#o.settings.keepsGoing
  }

  #isBroken(): boolean {
    return this.#mustPreserve() || this.#checks.some(({result}) => result === 'wrong')
  }

  /** A wrong answer: what shows it is kept as it is. */
  async #preserve(): Promise<void> {
    const {driver, events} = this.#o
    events.add('an answer was wrong; faults stop, all processes are stopped where they are')
    this.#workload.stop()
    this.#evidence = await gatherEvidence(driver, this.#findings)
    driver.freeze()
  }

  async #leaveEarly(why: string): Promise<void> {
    this.#cutShort = why
    this.#enter('healing')
    this.#workload.stop()
    await Promise.race([this.#o.driver.heal(), wait(HASTY_HEAL_MS)])
  }

  /** No operation begins, and those under way end. */
  async #idle(): Promise<void> {
    await Promise.race([new Promise<void>((resolve) => this.#workload.stop(resolve)), wait(IDLE_MS)])
  }

  async #conclude(): Promise<RunRecord> {
    const {settings, driver, clock, events, about} = this.#o
    const judge = this.#judge
    // What is under way has ended now: as unknown, if it was sent.
    for (const client of this.#clients) client.close()
    await sleep(CLOSE_MS)
    this.#workload.close()
    const judged = await judge.finish().catch((error: unknown) => {
      this.#cutShort ||= `the checker died: ${(error as Error).message}`
      return {totals: judge.totals, findings: this.#findings}
    })
    const {totals, findings} = judged
    this.#checks.push(countCrashes(driver), decided(totals))
    const {faults: kinds, rate} = settings
    const proof = {findings, checks: this.#checks, totals, kinds, faults: driver.faults, rate}
    const verdict = judgeRun({...proof, workedMs: this.#workedMs, cutShort: this.#cutShort})
    this.#enter('over')
    return {
      ...verdict,
      ...about,
      system: driver.name,
      systemVersion: driver.version,
      seed: settings.seed,
      durationMs: Math.round(clock.now()),
      settings: shown(settings),
      totals,
      samples: this.#meter.samples,
      faults: driver.faults,
      outages: this.#meter.outages,
      checks: [...this.#checks],
      findings,
      memory: this.#memory,
      events: events.list,
      ...(this.#evidence && {evidence: this.#evidence}),
    }
  }

  #found(finding: Finding): void {
    this.#findings.push(finding)
    this.#o.events.add(`${finding.key}: ${finding.reason}`)
    if (!this.#o.settings.keepsGoing) this.#halt.resolve('')
  }

  #enter(phase: Phase): void {
    this.#phase = phase
    this.#o.events.add(phase)
  }

  #sample(): void {
    const {clock} = this.#o
    this.#meter.sample(clock.now())
    this.#workload.advance()
    if (this.#meter.samples.length % MEMORY_EVERY_SAMPLES !== 1) return
    this.#memory.push([residentMb(), Math.round(clock.now())])
    this.#lookAtDisk().catch((error: Error) => this.#o.events.add(`the disk cannot be looked at: ${error.message}`))
  }

  async #lookAtDisk(): Promise<void> {
    const {folder} = this.#o
    if (folder === undefined || (await freeBytes(folder)) >= CHAOS_DISK_FREE_BYTES_MIN) return
    this.#halt.resolve(`the disk of ${folder} is almost full`)
  }

  #makeClient(first: Address | undefined): ChaosClient {
    const {driver, events} = this.#o
    const client = new ChaosClient({
      addresses: () => driver.addresses(),
      random: this.#random.fork(),
      isStubborn: this.#clients.size % STUBBORN_ONE_IN === 0,
      onOddReply: (text) => events.add(`a node answered: ${text}`),
      ...(first && {first}),
    })
    this.#clients.add(client)
    return client
  }
}

function decided(totals: CheckerTotals): Check {
  const {undecided} = totals
  const what = 'every history is decided'
  if (undecided === 0) return {what, result: 'ok', detail: `${formatCount(operationCount(totals))} operations`}
  return {what, result: 'skipped', detail: `${undecided} keys took too long to search: neither right nor wrong`}
}

function shown({durationMs, everyMs, faults, plants, prefix: _, ...rest}: Settings): RunRecord['settings'] {
  const text = {duration: seconds(durationMs), every: seconds(everyMs), faults: faults.join(',')}
  return {...rest, ...text, ...(plants.length > 0 && {plants: plants.join(',')})}
}

/** What a user may still write there. */
export async function freeBytes(folder: string): Promise<number> {
  const {bavail, bsize} = await statfs(folder)
  return bavail * bsize
}

function residentMb(): number {
  return Math.round(process.memoryUsage.rss() / 2 ** 20)
}

/** For races: it keeps nobody waiting when they are over. */
function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms).unref())
}
