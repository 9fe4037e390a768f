/**
 * Which buckets are busy: CLUSTER SLOT-STATS of every node, twice, and what it grew by in between. A bucket's operations are those of all
 * its copies together (READONLY clients read from replicas), its keys are its master's.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import type {ChalkInstance} from 'chalk'
import {formatAddress} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {isError, isList, replyEntries, replyText, type Reply} from '../client/reply.ts'
import {ReplyError} from '../client/errors.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {KvError} from '../errors.ts'
import {addressOf, BucketTable, memberName} from './cluster-state.ts'
import {shown} from './log-lines.ts'
import {renderTable, type Column} from './table.ts'
import {formatBytes, formatCount} from './units.ts'
import type {ClusterState, MemberState} from './cluster-state.ts'
import type {Address} from '../base/address.ts'

const ASK_TIMEOUT_MS = 5_000
/** Buckets of one request: its reply should keep no node for long. */
const STEP = 2_048

export const TOP_METRICS = ['ops', 'bytes', 'keys'] as const
export type TopMetric = (typeof TOP_METRICS)[number]

/** Counters of all buckets at one moment; they only grow, unless a node forgot them. */
export interface BucketSample {
  /** Monotonic ms. */
  readonly atMs: number
  readonly keys: Float64Array
  readonly operations: Float64Array
  readonly bytesIn: Float64Array
  readonly bytesOut: Float64Array
}

export interface BusyBucket {
  readonly bucket: number
  readonly opsPerSecond: number
  readonly bytesInPerSecond: number
  readonly bytesOutPerSecond: number
  readonly keys: number
}

export interface SilentNode {
  readonly member: MemberState
  readonly error: KvError
}

export function emptySample(atMs: number): BucketSample {
  const figures = (): Float64Array => new Float64Array(BUCKET_COUNT)
  return {atMs, keys: figures(), operations: figures(), bytesIn: figures(), bytesOut: figures()}
}

/** The busiest first, those with nothing left out. A counter that is smaller than before began anew. */
export function busiest(before: BucketSample, after: BucketSample, by: TopMetric, limit: number): BusyBucket[] {
  const seconds = Math.max(after.atMs - before.atMs, 1) / 1_000
  const rate = (name: 'operations' | 'bytesIn' | 'bytesOut', bucket: number): number => {
    const now = after[name][bucket]!
    const was = before[name][bucket]!
    return (now >= was ? now - was : now) / seconds
  }
  const rows = Array.from({length: BUCKET_COUNT}, (_, bucket): BusyBucket => ({
    bucket,
    opsPerSecond: rate('operations', bucket),
    bytesInPerSecond: rate('bytesIn', bucket),
    bytesOutPerSecond: rate('bytesOut', bucket),
    keys: after.keys[bucket]!,
  }))
  const weight = WEIGHTS[by]
  return rows
    .filter((row) => weight(row) > 0)
    .sort((a, b) => weight(b) - weight(a) || a.bucket - b.bucket)
    .slice(0, limit)
}

const WEIGHTS: Readonly<Record<TopMetric, (row: BusyBucket) => number>> = {
  ops: ({opsPerSecond}) => opsPerSecond,
  bytes: ({bytesInPerSecond, bytesOutPerSecond}) => bytesInPerSecond + bytesOutPerSecond,
  keys: ({keys}) => keys,
}

/** Connections to the nodes of a cluster that have buckets, for as long as samples are taken. */
export class BucketSampler {
  readonly #state: ClusterState
  readonly #table: BucketTable
  readonly #connections = new Map<MemberState, Connection>()
  /** Who did not answer, and is not asked any more. */
  readonly silent: SilentNode[] = []

  private constructor(state: ClusterState) {
    this.#state = state
    this.#table = new BucketTable(state)
  }

  /** Errors: none, who cannot be reached is among the `silent`. `alone`: where the node was found if it is in no cluster. */
  static async open(state: ClusterState, password: string | undefined, alone: Address | null): Promise<BucketSampler> {
    const sampler = new BucketSampler(state)
    const options = {password, connectTimeoutMs: ASK_TIMEOUT_MS, replyTimeoutMs: ASK_TIMEOUT_MS}
    const members = state.members.filter(({isDown, masters, copies}) => !isDown && masters + copies > 0)
    const connect = async (member: MemberState): Promise<void> => {
      const connection = await Connection.connect(alone ?? {host: member.host, port: member.port}, options)
      sampler.#connections.set(member, connection)
    }
    await Promise.all(members.map((member) => sampler.#try(member, () => connect(member))))
    return sampler
  }

  close(): void {
    for (const connection of this.#connections.values()) connection.close()
    this.#connections.clear()
  }

  async sample(): Promise<BucketSample> {
    const sample = emptySample(performance.now())
    const asked = [...this.#connections].map(([member, connection]) =>
      this.#try(member, () => this.#addNode(sample, member, connection)),
    )
    await Promise.all(asked)
    return sample
  }

  /** What grew in this time. Errors: aborted by `signal`. */
  async top(intervalMs: number, by: TopMetric, limit: number, signal?: AbortSignal): Promise<BusyBucket[]> {
    const before = await this.sample()
    await sleep(intervalMs, undefined, {signal})
    return busiest(before, await this.sample(), by, limit)
  }

  masterOf(bucket: number): MemberState | undefined {
    return this.#state.members.find(({slot}) => slot === this.#table.master[bucket])
  }

  /** Some key of each of these buckets, to see what lies in it; null where there is none. */
  sampleKeys(buckets: readonly number[]): Promise<(Buffer | null)[]> {
    return Promise.all(
      buckets.map(async (bucket) => {
        const master = this.masterOf(bucket)
        const connection = master && this.#connections.get(master)
        if (!connection) return null
        let key: Reply | undefined
        await this.#try(master, async () => {
          const reply = await connection.send(['CLUSTER', 'GETKEYSINSLOT', String(bucket), '1'])
          key = isList(reply) ? reply[0] : undefined
        })
        return Buffer.isBuffer(key) ? key : null
      }),
    )
  }

  async #addNode(sample: BucketSample, member: MemberState, connection: Connection): Promise<void> {
    for (let first = 0; first < BUCKET_COUNT; first += STEP) {
      const range = [String(first), String(Math.min(first + STEP, BUCKET_COUNT) - 1)]
      const reply = await connection.send(['CLUSTER', 'SLOT-STATS', 'SLOTSRANGE', ...range])
      if (isError(reply)) throw new ReplyError(`${addressOf(member)} gives no figures of its buckets: ${reply.text}`)
      for (const row of isList(reply) ? reply : []) this.#addRow(sample, member, row)
    }
  }

  #addRow(sample: BucketSample, member: MemberState, row: Reply): void {
    const [slot, fields] = isList(row) ? row : []
    const entries = fields === undefined ? undefined : replyEntries(fields)
    const bucket = Number(slot)
    if (!entries || !(bucket >= 0 && bucket < BUCKET_COUNT)) {
      throw new KvError('E_PROTOCOL', `${addressOf(member)} gives figures of its buckets that this kv does not know.`)
    }
    const figures = new Map(entries.map(([name, value]) => [replyText(name), Number(value)]))
    const figure = (name: string): number => figures.get(name) ?? 0
    sample.operations[bucket]! += figure('operations')
    sample.bytesIn[bucket]! += figure('network-bytes-in')
    sample.bytesOut[bucket]! += figure('network-bytes-out')
    if (this.#table.master[bucket] === member.slot) sample.keys[bucket] = figure('key-count')
  }

  async #try(member: MemberState, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!(error instanceof KvError)) throw error
      this.#connections.get(member)?.close()
      this.#connections.delete(member)
      if (!this.silent.some((other) => other.member === member)) this.silent.push({member, error})
    }
  }
}

const COLUMNS: readonly Column[] = [
  {title: 'BUCKET', align: 'right'},
  {title: 'OPS/S', align: 'right'},
  {title: 'IN/S', align: 'right'},
  {title: 'OUT/S', align: 'right'},
  {title: 'KEYS', align: 'right'},
  {title: 'MASTER'},
  {title: 'A KEY'},
]

/** `keys`: one for each row, see `sampleKeys`. */
export function topTable(
  rows: readonly BusyBucket[],
  keys: readonly (Buffer | null)[],
  sampler: Pick<BucketSampler, 'masterOf'>,
  style: ChalkInstance,
): string {
  const cells = rows.map((row, i) => {
    const master = sampler.masterOf(row.bucket)
    const key = keys[i] ?? null
    return [
      String(row.bucket),
      formatCount(row.opsPerSecond),
      formatBytes(Math.round(row.bytesInPerSecond)),
      formatBytes(Math.round(row.bytesOutPerSecond)),
      formatCount(row.keys),
      master ? addressOf(master) : '-',
      key === null ? '-' : shown(key, 0, key.length),
    ]
  })
  return renderTable(COLUMNS, cells, style.bold)
}

/** Stable names for programs. A key that is no UTF-8 has `{base64}`. */
export function topJson(
  rows: readonly BusyBucket[],
  keys: readonly (Buffer | null)[],
  sampler: Pick<BucketSampler, 'masterOf'>,
): object[] {
  return rows.map((row, i) => {
    const master = sampler.masterOf(row.bucket)
    return {
      ...row,
      master: master ? {id: master.id, address: formatAddress(master)} : null,
      sampleKey: keyJson(keys[i] ?? null),
    }
  })
}

function keyJson(key: Buffer | null): unknown {
  if (key === null) return null
  const text = key.toString()
  return Buffer.from(text).equals(key) ? text : {base64: key.toString('base64')}
}

export function silenceText({member, error}: SilentNode): string {
  return `the buckets of ${memberName(member)} are not counted: ${error.message}`
}
