/**
 * Replay: the content of a log or savefile, key by key, into a running cluster or server.
 *
 *   what an earlier run left (replay-state) -> rebuild -> is the target fit? -> write, one partition after the other -> read all back
 *
 * After each partition it is written down that it is done. Ending it at any moment, by Ctrl-C, kill -9 or a target that goes away, costs
 * no more than writing one partition again. At the end every key is read back and compared, byte by byte and with its times, and in a
 * target that was empty the keys of each bucket are counted, so that nothing is there that should not be.
 */
import {KvError} from '../errors.ts'
import {ReplyError} from '../client/errors.ts'
import {REPLAY_NAMES_MAX, REPLAY_REFUSED_MAX} from '../constants.ts'
import {bucketsOf} from './partition-files.ts'
import {partitionsWith} from './rebuild.ts'
import {differenceOf, weightOf, writeKey, type Written} from './replay-key.ts'
import {readProgress, removeProgress, statePath, writeProgress} from './replay-state.ts'
import {ReplayWindow} from './replay-window.ts'
import type {BucketStore, RebuiltKey} from './bucket-store.ts'
import type {ReplayIdentity, ReplayProgress} from './replay-state.ts'
import type {ReplayTarget, TargetFacts} from './replay-target.ts'
import type {Rebuilt, RebuildSummary} from './rebuild.ts'
import type {LogPlace} from './types.ts'

/** `into-empty`: the target must have no keys. `overwrite`: keys of the log replace those of the target, which keeps its others. */
export type ReplayMode = 'into-empty' | 'overwrite'

export interface ReplayOptions {
  readonly identity: ReplayIdentity
  /** Up to this entry, if an earlier run began with that; null: to the end (or a savefile). */
  readonly rebuild: (end: LogPlace | null) => Promise<Rebuilt>
  readonly connect: () => Promise<ReplayTarget>
  readonly mode: ReplayMode
  /** Which keys; default all. */
  readonly matches?: ((key: Buffer) => boolean) | undefined
  /** Keys/s; 0 = as fast as it goes. */
  readonly rate: number
  /** Only counts; nothing is written. */
  readonly isDryRun: boolean
  readonly signal: AbortSignal
  readonly onProgress: (progress: ReplaySteps) => void
}

export interface ReplaySteps {
  readonly phase: 'count' | 'write' | 'verify'
  /** Records of the log whose keys are done, and all of them; keys so far. */
  readonly done: number
  readonly total: number
  readonly keys: number
}

/** A count, and the first few names. */
export interface Named {
  count: number
  readonly names: string[]
}

export interface ReplayReport {
  readonly summary: RebuildSummary
  readonly target: TargetFacts
  /** It went on with what an earlier run had begun. */
  readonly isResumed: boolean
  readonly isDryRun: boolean
  /** Of this run; with `isDryRun`, what would be written. */
  readonly written: {keys: number; strings: number; maps: number; fields: number; bytes: number; expiring: number}
  /** Not written: their time has come. */
  readonly expired: {keys: number; fields: number}
  /** Fields with an expiry that the target cannot express: left out. */
  readonly leftOut: Named
  /** Keys that the target refused, and why. */
  readonly refused: Named
  /** Keys read back, and those that differ. Buckets: that have a difference. */
  readonly verified: {keys: number; buckets: number; readonly differing: Named; readonly differingBuckets: number[]}
}

/**
 * Runs it. Errors: E_TARGET (refused before anything is written), E_REPLAY_STATE, E_INTERRUPTED, those of the rebuild and of the target. A
 * report with `refused`, `leftOut` or differences is no error: the caller says so.
 */
export async function replay(options: ReplayOptions): Promise<ReplayReport> {
  const path = statePath(options.identity)
  const target = await options.connect()
  try {
    const earlier = await earlierProgress(path, target.facts)
    if (earlier === null && !options.isDryRun) refuseUnfit(target.facts, options.mode)
    const rebuilt = await options.rebuild(earlier?.end ?? null)
    try {
      refuseChanged(path, earlier, rebuilt.summary)
      return await new Run(options, path, target, rebuilt, earlier).run()
    } finally {
      await rebuilt.close()
    }
  } finally {
    await target.close()
  }
}

/**
 * What an earlier run into this target left. A target that is empty has nothing of it: it lost its memory, or another one took its
 * place. One that is not empty and has none of the nodes that were written to is another one: null, as if nothing had been begun.
 */
async function earlierProgress(path: string, {keys, ids}: TargetFacts): Promise<ReplayProgress | null> {
  const progress = await readProgress(path)
  if (progress === null) return null
  if (keys === 0) return {...progress, target: ids, done: new Set()}
  return progress.target.some((id) => ids.includes(id)) ? progress : null
}

function refuseUnfit({keys}: TargetFacts, mode: ReplayMode): void {
  if (mode === 'overwrite' || keys === 0) return
  throw new KvError(
    'E_TARGET',
    `The target is not empty, it has ${keys} keys; nothing was written.`,
    'With --mode overwrite the keys of the log replace those of the target, which keeps its others.',
  )
}

function refuseChanged(path: string, earlier: ReplayProgress | null, {end}: RebuildSummary): void {
  if (!earlier?.end) return
  if (end?.segment === earlier.end.segment && end.offset === earlier.end.offset) return
  throw new KvError(
    'E_REPLAY_STATE',
    `The log was compacted or cut since the replay began that ${path} tells of.`,
    'Remove that file to begin anew (with --mode overwrite).',
  )
}

class Run {
  readonly #options: ReplayOptions
  readonly #path: string
  readonly #target: ReplayTarget
  readonly #rebuilt: Rebuilt
  readonly #report: ReplayReport
  readonly #done: Set<number>
  readonly #startedAt: number
  readonly #isFresh: boolean
  readonly #partitions: readonly number[]
  readonly #totalRecords: number
  readonly #differing = new Set<number>()
  /** Keys that a target which was empty may have, by bucket. */
  readonly #expected = new Map<number, number>()

  constructor(
    options: ReplayOptions,
    path: string,
    target: ReplayTarget,
    rebuilt: Rebuilt,
    earlier: ReplayProgress | null,
  ) {
    this.#options = options
    this.#path = path
    this.#target = target
    this.#rebuilt = rebuilt
    this.#done = new Set(earlier?.done)
    this.#startedAt = earlier?.startedAt ?? Date.now()
    this.#isFresh = earlier === null && options.mode === 'into-empty'
    this.#partitions = partitionsWith(rebuilt.summary.known).filter((partition) => rebuilt.records(partition) > 0)
    this.#totalRecords = this.#partitions.reduce((sum, partition) => sum + rebuilt.records(partition), 0)
    const none = (): Named => ({count: 0, names: []})
    this.#report = {
      summary: rebuilt.summary,
      target: target.facts,
      isResumed: earlier !== null,
      isDryRun: options.isDryRun,
      written: {keys: 0, strings: 0, maps: 0, fields: 0, bytes: 0, expiring: 0},
      expired: {keys: 0, fields: 0},
      leftOut: none(),
      refused: none(),
      verified: {keys: 0, buckets: 0, differing: none(), differingBuckets: []},
    }
  }

  async run(): Promise<ReplayReport> {
    if (this.#options.isDryRun) {
      await this.#walk('count', async (store, entry) => this.#countKey(store, entry))
      return this.#report
    }
    await this.#save()
    try {
      await this.#walk(
        'write',
        (store, entry) => this.#writeKey(store, entry),
        this.#done,
        async (partition) => {
          const {from, to} = bucketsOf(partition)
          for (let bucket = from; bucket < to; bucket++) this.#done.add(bucket)
          await this.#save()
        },
      )
      await this.#walk('verify', (store, entry) => this.#verifyKey(store, entry))
      await this.#countTarget()
    } catch (error) {
      throw this.#goOnWith(error)
    }
    this.#report.verified.differingBuckets.push(...[...this.#differing].sort((a, b) => a - b))
    await removeProgress(this.#path)
    return this.#report
  }

  #save(): Promise<void> {
    const {end} = this.#rebuilt.summary
    const {ids: target} = this.#target.facts
    return writeProgress(this.#path, {end, startedAt: this.#startedAt, target, done: this.#done})
  }

  /** Says how to go on after it. */
  #goOnWith(error: unknown): unknown {
    if (!(error instanceof KvError) || error.code === 'E_REPLAY_STATE') return error
    const {keys} = this.#report.written
    const text = `${error.message} The replay stopped after ${keys} keys of this run; how far it has come is in ${this.#path}.`
    const hint = [error.hint, 'Run the same command again to go on.'].filter(Boolean).join(' ')
    return new KvError(error.code, text, hint)
  }

  /** Does something with every key, partition by partition; those in `skipped` are done already. */
  async #walk(
    phase: ReplaySteps['phase'],
    work: (store: BucketStore, entry: RebuiltKey) => Promise<void>,
    skipped: ReadonlySet<number> = new Set(),
    onDone: (partition: number) => Promise<void> = async () => undefined,
  ): Promise<void> {
    const window = new ReplayWindow(phase === 'write' ? this.#options.rate : 0)
    let done = 0
    for (const partition of this.#partitions) {
      const {from} = bucketsOf(partition)
      if (!skipped.has(from)) {
        const store = await this.#rebuilt.load(partition)
        await this.#walkPartition(window, store, partition, work, () => this.#tell(phase, done))
        await onDone(partition)
      }
      done += this.#rebuilt.records(partition)
      this.#tell(phase, done)
    }
  }

  async #walkPartition(
    window: ReplayWindow,
    store: BucketStore,
    partition: number,
    work: (store: BucketStore, entry: RebuiltKey) => Promise<void>,
    tell: () => void,
  ): Promise<void> {
    const {signal, matches} = this.#options
    const {from, to} = bucketsOf(partition)
    for (let bucket = from; bucket < to; bucket++) {
      for (const entry of store.keys(bucket)) {
        if (matches && !matches(entry.key)) continue
        const weight = weightOf(store, entry)
        if (signal.aborted) {
          await window.drain()
          throw new KvError('E_INTERRUPTED', 'Interrupted.')
        }
        if (window.isClosed(weight)) {
          tell()
          await window.admit(weight)
        }
        window.begin(weight, work(store, entry))
      }
    }
    await window.drain()
  }

  #tell(phase: ReplaySteps['phase'], done: number): void {
    const keys = phase === 'verify' ? this.#report.verified.keys : this.#report.written.keys
    this.#options.onProgress({phase, done, total: this.#totalRecords, keys})
  }

  #countKey(store: BucketStore, entry: RebuiltKey): void {
    if (entry.expireAt <= Date.now()) {
      this.#report.expired.keys++
      return
    }
    let [bytes, fields, expiredFields] = [entry.key.length, 0, 0]
    const leftOut: string[] = []
    if (!entry.isMap) bytes += store.value(entry.node).length
    else {
      for (const some of store.fields(entry.node, 1_000)) {
        for (const {field, value, expireAt} of some) {
          if (expireAt <= Date.now()) expiredFields++
          else if (expireAt !== Infinity && !this.#target.facts.hasFieldExpiry) leftOut.push(field.toString())
          else {
            fields++
            bytes += field.length + value.length
          }
        }
      }
    }
    this.#note(entry, {isWritten: !entry.isMap || fields > 0, bytes, fields, expiredFields, leftOut})
  }

  async #writeKey(store: BucketStore, entry: RebuiltKey): Promise<void> {
    if (entry.expireAt <= Date.now()) {
      this.#report.expired.keys++
      return
    }
    try {
      this.#note(entry, await writeKey(this.#target, store, entry, this.#isFresh))
    } catch (error) {
      if (!(error instanceof ReplyError)) throw error
      name(this.#report.refused, `${entry.key.toString()}: ${error.message}`)
      if (this.#report.refused.count >= REPLAY_REFUSED_MAX) {
        throw new KvError(
          'E_REPLY',
          `The target refused ${REPLAY_REFUSED_MAX} keys, the last one with: ${error.message}.`,
        )
      }
    }
  }

  #note({key, isMap, expireAt}: RebuiltKey, {isWritten, bytes, fields, expiredFields, leftOut}: Written): void {
    const {written, expired} = this.#report
    expired.fields += expiredFields
    for (const field of leftOut) name(this.#report.leftOut, `${key.toString()} ${field}`)
    if (!isWritten) {
      if (leftOut.length === 0) expired.keys++
      return
    }
    written.keys++
    written.bytes += bytes
    written.fields += fields
    if (isMap) written.maps++
    else written.strings++
    if (expireAt !== Infinity) written.expiring++
  }

  async #verifyKey(store: BucketStore, entry: RebuiltKey): Promise<void> {
    const {bucket, key, expireAt} = entry
    if (expireAt <= this.#startedAt) return
    this.#expected.set(bucket, (this.#expected.get(bucket) ?? 0) + 1)
    if (expireAt <= Date.now()) return
    const difference = await differenceOf(this.#target, store, entry, this.#startedAt)
    this.#report.verified.keys++
    if (difference === undefined) return
    this.#differing.add(bucket)
    name(this.#report.verified.differing, `${key.toString()} (bucket ${bucket}): ${difference}`)
  }

  /** In a target that was empty there is nothing but what was written. */
  async #countTarget(): Promise<void> {
    const {known, unknown} = this.#rebuilt.summary
    this.#report.verified.buckets = known.length
    if (this.#options.mode !== 'into-empty') return
    const {isCluster} = this.#target.facts
    const all = [...this.#expected.values()].reduce((sum, count) => sum + count, 0)
    const checked = isCluster
      ? [...known, ...unknown].map((bucket) => [bucket, this.#expected.get(bucket) ?? 0] as const)
      : [[0, all] as const]
    await Promise.all(
      checked.map(async ([bucket, expected]) => {
        const found = await this.#target.countKeys(bucket)
        if (found <= expected) return
        if (isCluster) this.#differing.add(bucket)
        const where = isCluster ? `bucket ${bucket}` : 'the target'
        name(this.#report.verified.differing, `${where} has ${found} keys, not ${expected}: some are not from the log`)
      }),
    )
  }
}

function name(list: Named, text: string): void {
  list.count++
  if (list.names.length < REPLAY_NAMES_MAX) list.names.push(text)
}
