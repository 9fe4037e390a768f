/**
 * How far a replay has come, in a small file, so that the same command goes on after Ctrl-C, a crash or a lost target. It stands beside
 * the log (or savefile), under a name that is different for each target and choice, and is gone when the replay is done.
 *
 * It also names the last entry that counted: what is appended to the log later is not part of what was begun. Written in one step
 * (durable-file.ts), before the first key and after each partition. It only saves work: a partition that is written twice ends the same.
 */
import {createHash} from 'node:crypto'
import {readFile, rm} from 'node:fs/promises'
import {resolve} from 'node:path'
import {parseBuckets, formatBuckets} from '../base/bucket-ranges.ts'
import {KvError} from '../errors.ts'
import {describeErrno, errnoCode, replaceFile} from '../disk/durable-file.ts'
import type {LogPlace} from './types.ts'

const FORMAT = 1

/** What makes two runs the same replay. */
export interface ReplayIdentity {
  /** Path of the log or savefile. */
  readonly path: string
  /** Who wrote it, or when: another one at the same path is another. */
  readonly source: string
  readonly to: string
  readonly until: number | undefined
  /** Ranges of buckets; '' = all. */
  readonly buckets: string
  /** Glob; '' = all keys. */
  readonly key: string
  readonly mode: string
}

export interface ReplayProgress {
  /** The last entry that counts; null: a savefile. */
  readonly end: LogPlace | null
  /** Unix ms at which it began. */
  readonly startedAt: number
  /** Ids of the target's nodes (replay-target.ts). */
  readonly target: readonly string[]
  /** Buckets whose keys are all on the target. */
  readonly done: ReadonlySet<number>
}

export function statePath(identity: ReplayIdentity): string {
  const name = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 10)
  return `${resolve(identity.path)}.replay-${name}.json`
}

/** What an earlier run left; null: there was none. Errors: E_REPLAY_STATE. */
export async function readProgress(path: string): Promise<ReplayProgress | null> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errnoCode(error) === 'ENOENT') return null
    throw unusable(path, `cannot be read: ${describeErrno(error)}`)
  }
  const progress = parse(text)
  if (progress === null) throw unusable(path, 'is none of this version of kv, or damaged')
  return progress
}

function parse(text: string): ReplayProgress | null {
  try {
    const {format, end, startedAt, target, done} = JSON.parse(text) as Record<string, unknown>
    const buckets = typeof done === 'string' ? parseBuckets(done) : null
    if (format !== FORMAT || buckets === null || typeof startedAt !== 'number' || !isPlace(end)) return null
    if (!Array.isArray(target) || !target.every((id) => typeof id === 'string')) return null
    return {end, startedAt, target, done: new Set(buckets)}
  } catch {
    return null
  }
}

function isPlace(value: unknown): value is LogPlace | null {
  if (value === null) return true
  if (typeof value !== 'object') return false
  const {segment, offset} = value as Record<string, unknown>
  return Number.isSafeInteger(segment) && Number.isSafeInteger(offset)
}

/** Errors: E_REPLAY_STATE. */
export async function writeProgress(path: string, {end, startedAt, target, done}: ReplayProgress): Promise<void> {
  const buckets = formatBuckets([...done].sort((a, b) => a - b))
  try {
    const text = JSON.stringify({format: FORMAT, startedAt, end, target, done: buckets})
    await replaceFile(path, Buffer.from(`${text}\n`))
  } catch (error) {
    throw unusable(path, `cannot be written: ${describeErrno(error)}`)
  }
}

/** The replay is done. Never throws: a file that stays only means that the same command has nothing to write. */
export async function removeProgress(path: string): Promise<void> {
  await rm(path, {force: true}).catch(() => undefined)
}

function unusable(path: string, words: string): KvError {
  return new KvError(
    'E_REPLAY_STATE',
    `The file ${path}, which keeps how far the replay has come, ${words}.`,
    'Make room for it, or remove it to begin anew (with --mode overwrite).',
  )
}
