/**
 * One key from a rebuilt bucket to a target and back: what is sent to make it, and whether what the target says is what was sent.
 * All of it are absolute effects: a key that is written again, whole or from the middle on, ends the same.
 *
 *   string   SET key value [PXAT ms]
 *   map      DEL key, HSET key field value ..., HPEXPIREAT key ms FIELDS ... for each time, PEXPIREAT key ms
 *
 * The requests of a map are sent one after the other, each when the one before was answered: a redirect must not bring them out of
 * order. Other keys are on their way meanwhile.
 *
 * What has expired is not written. A field that expires cannot be said to a target without HPEXPIREAT: it is left out, because without its
 * time it would live for ever, and it is counted and named.
 */
import {REPLAY_CHUNK_BYTES_MAX, REPLAY_CHUNK_FIELDS_MAX} from '../constants.ts'
import {isList, type Reply} from '../client/reply.ts'
import {NO_EXPIRY} from './bucket-store.ts'
import type {BucketStore, RebuiltField, RebuiltKey} from './bucket-store.ts'
import type {Argument} from '../client/encoder.ts'
import type {ReplayTarget} from './replay-target.ts'

/** Milliseconds by which an expiry may seem to differ where only PTTL tells it. */
const PTTL_TOLERANCE_MS = 5_000

export interface Written {
  /** False: nothing of it is left to write, all has expired or has no equivalent. */
  readonly isWritten: boolean
  readonly bytes: number
  readonly fields: number
  readonly expiredFields: number
  /** Fields that were left out: the target has no expiry of fields. */
  readonly leftOut: readonly string[]
}

/** Makes the key on the target. It is not expired. `isFresh`: nothing of it can be there. Errors: as `ReplayTarget.call`. */
export async function writeKey(
  target: ReplayTarget,
  store: BucketStore,
  {key, node, isMap, expireAt}: RebuiltKey,
  isFresh: boolean,
): Promise<Written> {
  if (isMap) return writeMap(target, store, {key, node, expireAt}, isFresh)
  const value = store.value(node)
  const times: Argument[] = expireAt === NO_EXPIRY ? [] : ['PXAT', expireAt]
  await target.call(['SET', key, value, ...times], key)
  return {isWritten: true, bytes: key.length + value.length, fields: 0, expiredFields: 0, leftOut: []}
}

async function writeMap(
  target: ReplayTarget,
  store: BucketStore,
  {key, node, expireAt}: {readonly key: Buffer; readonly node: number; readonly expireAt: number},
  isFresh: boolean,
): Promise<Written> {
  const leftOut: string[] = []
  let [bytes, fields, expiredFields] = [key.length, 0, 0]
  if (!isFresh) await target.call(['DEL', key], key)
  for (const chunk of chunksOf(store, node)) {
    const now = Date.now()
    const request: Argument[] = ['HSET', key]
    const times = new Map<number, Buffer[]>()
    for (const {field, value, expireAt: at} of chunk) {
      if (at <= now) expiredFields++
      else if (at !== NO_EXPIRY && !target.facts.hasFieldExpiry) leftOut.push(field.toString())
      else {
        request.push(field, value)
        bytes += field.length + value.length
        fields++
        if (at !== NO_EXPIRY) times.set(at, [...(times.get(at) ?? []), field])
      }
    }
    if (request.length > 2) await target.call(request, key)
    for (const [at, names] of times) {
      await target.call(['HPEXPIREAT', key, at, 'FIELDS', names.length, ...names], key)
    }
  }
  if (fields > 0 && expireAt !== NO_EXPIRY) await target.call(['PEXPIREAT', key, expireAt], key)
  return {isWritten: fields > 0, bytes, fields, expiredFields, leftOut}
}

/** A map's fields in portions that make requests of a bounded size (unless one field alone is larger). */
function* chunksOf(store: BucketStore, node: number): Generator<RebuiltField[]> {
  let chunk: RebuiltField[] = []
  let bytes = 0
  for (const some of store.fields(node, REPLAY_CHUNK_FIELDS_MAX)) {
    for (const entry of some) {
      const size = entry.field.length + entry.value.length
      if (chunk.length === REPLAY_CHUNK_FIELDS_MAX || (chunk.length > 0 && bytes + size > REPLAY_CHUNK_BYTES_MAX)) {
        yield chunk
        chunk = []
        bytes = 0
      }
      chunk.push(entry)
      bytes += size
    }
  }
  if (chunk.length > 0) yield chunk
}

/**
 * Compares the key with what the target has now; undefined: it is the same, else what differs, in words. What expires while it is looked at
 * is no difference. `since`: Unix ms at which the replay began; what had expired then was not written. Errors: as `ReplayTarget.call`.
 */
export async function differenceOf(
  target: ReplayTarget,
  store: BucketStore,
  entry: RebuiltKey,
  since: number,
): Promise<string | undefined> {
  const {difference, isThere} = entry.isMap
    ? await mapDifference(target, store, entry, since)
    : {difference: await stringDifference(target, store, entry), isThere: true}
  const found = difference ?? (isThere ? await expiryDifference(target, entry) : undefined)
  return entry.expireAt <= Date.now() ? undefined : found
}

async function stringDifference(
  target: ReplayTarget,
  store: BucketStore,
  entry: RebuiltKey,
): Promise<string | undefined> {
  const reply = await readOr(target, ['GET', entry.key], entry.key)
  if (reply === undefined) return 'it is no string'
  if (reply === null) return 'it is missing'
  return Buffer.isBuffer(reply) && reply.equals(store.value(entry.node)) ? undefined : 'it has another value'
}

async function expiryDifference(target: ReplayTarget, {key, expireAt}: RebuiltKey): Promise<string | undefined> {
  const {hasExpireTime} = target.facts
  const reply = Number(await target.call([hasExpireTime ? 'PEXPIRETIME' : 'PTTL', key], key))
  if (reply === -2) return 'it is missing'
  if (reply === -1 || expireAt === NO_EXPIRY) {
    return reply === -1 && expireAt === NO_EXPIRY ? undefined : reply === -1 ? 'it does not expire' : 'it expires'
  }
  const isSame = hasExpireTime ? reply === expireAt : Math.abs(Date.now() + reply - expireAt) < PTTL_TOLERANCE_MS
  return isSame ? undefined : 'it expires at another time'
}

/** `isThere` false: none of its fields need be on the target. */
async function mapDifference(
  target: ReplayTarget,
  store: BucketStore,
  {key, node}: RebuiltKey,
  since: number,
): Promise<{readonly difference?: string; readonly isThere: boolean}> {
  const {hasFieldExpiry} = target.facts
  let [least, most] = [0, 0]
  for (const chunk of chunksOf(store, node)) {
    const fields = chunk.filter(({expireAt}) => expireAt > since && (hasFieldExpiry || expireAt === NO_EXPIRY))
    if (fields.length === 0) continue
    const difference = await fieldsDifference(target, key, fields)
    if (difference !== undefined) return {difference, isThere: true}
    const now = Date.now()
    most += fields.length
    least += fields.filter(({expireAt}) => expireAt > now).length
  }
  if (most === 0) return {isThere: false}
  const length = Number(await target.call(['HLEN', key], key))
  const isThere = least > 0
  if (length > most) return {difference: 'it has more fields', isThere}
  return length < least ? {difference: 'it has fewer fields', isThere} : {isThere}
}

async function fieldsDifference(
  target: ReplayTarget,
  key: Buffer,
  fields: readonly RebuiltField[],
): Promise<string | undefined> {
  const names = fields.map(({field}) => field)
  const values = await readOr(target, ['HMGET', key, ...names], key)
  if (values === undefined || values === null || !isList(values)) return 'it is no map'
  const times = target.facts.hasFieldExpiry
    ? await target.call(['HPEXPIRETIME', key, 'FIELDS', names.length, ...names], key)
    : null
  const now = Date.now()
  for (const [i, {field, value, expireAt}] of fields.entries()) {
    if (expireAt <= now) continue
    const found = values[i]
    if (!Buffer.isBuffer(found)) return `its field ${field.toString()} is missing`
    if (!found.equals(value)) return `its field ${field.toString()} has another value`
    const time = times === null ? -1 : isList(times) ? Number(times[i]) : Number.NaN
    if (times !== null && time !== (expireAt === NO_EXPIRY ? -1 : expireAt)) {
      return `its field ${field.toString()} expires at another time`
    }
  }
  return undefined
}

/** The reply; undefined: the key is of another type. Errors: as `ReplayTarget.call`. */
async function readOr(target: ReplayTarget, args: readonly Argument[], key: Buffer): Promise<Reply | undefined> {
  try {
    return await target.call(args, key)
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('WRONGTYPE')) return undefined
    throw error
  }
}

/** Bytes that writing the key keeps on their way, at most about. */
export function weightOf(store: BucketStore, {key, node, isMap}: RebuiltKey): number {
  return key.length + (isMap ? Math.min(REPLAY_CHUNK_BYTES_MAX, 64 * store.fieldCount(node)) : store.value(node).length)
}
