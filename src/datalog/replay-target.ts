/**
 * Where a replay writes to: one of our clusters, or any Redis or Valkey, with or without cluster mode. It is asked first what it can do; then
 * ordinary commands are sent, many at a time, to the master of each key.
 *
 * Everything that a replay sends may be sent twice, so a lost connection, a failover or a move of a bucket is waited out and the request
 * sent again, for a while; after that the caller hears of it.
 */
import {setTimeout as sleep} from 'node:timers/promises'
import {formatAddress, type Address} from '../base/address.ts'
import {BUCKET_COUNT, REPLAY_RETRY_MS, REPLAY_RETRY_PAUSE_MS} from '../constants.ts'
import {KvError, type ErrorCode} from '../errors.ts'
import {ClusterClient} from '../client/cluster-client.ts'
import {ReplyError} from '../client/errors.ts'
import {isError, replyText, type Reply} from '../client/reply.ts'
import type {Argument} from '../client/encoder.ts'

/** What ends by itself: a node that is gone for a moment, or what a server says meanwhile. */
const PASSING_CODES: ReadonlySet<ErrorCode> = new Set(['E_CONNECT', 'E_CLOSED_UNSENT', 'E_CLOSED_MAYBE', 'E_TIMEOUT'])
const PASSING_WORDS: ReadonlySet<string> = new Set([
  ...['CLUSTERDOWN', 'TRYAGAIN', 'ASK', 'MOVED', 'LOADING', 'MASTERDOWN', 'READONLY', 'NOREPLICAS', 'BUSY'],
])

export interface TargetFacts {
  /** `kv 0.1.0`, `Redis 7.0.15`, `Valkey 8.0.1`: of one of its nodes. */
  readonly product: string
  readonly isCluster: boolean
  readonly masters: number
  /** HPEXPIREAT and its kin are there. */
  readonly hasFieldExpiry: boolean
  /** PEXPIRETIME is there; else only PTTL, which is less exact. */
  readonly hasExpireTime: boolean
  /** Ids of its nodes; of a server without cluster mode, that of its process. Who has none of them is another target. */
  readonly ids: readonly string[]
  /** Keys on all masters when it was asked. */
  readonly keys: number
}

export interface TargetOptions {
  readonly password?: string | undefined
  /** Aborted: nothing is waited out any more. */
  readonly signal?: AbortSignal | undefined
  /** How long a target that is away is waited for; default REPLAY_RETRY_MS. */
  readonly retryMs?: number
}

export class ReplayTarget {
  readonly facts: TargetFacts
  readonly #client: ClusterClient
  readonly #options: TargetOptions

  private constructor(client: ClusterClient, facts: TargetFacts, options: TargetOptions) {
    this.#client = client
    this.facts = facts
    this.#options = options
  }

  /** Connects and asks. Errors: those of the connection, E_TARGET if it cannot take the data. */
  static async connect(seeds: readonly Address[], options: TargetOptions = {}): Promise<ReplayTarget> {
    const client = await ClusterClient.connect(seeds, {password: options.password})
    try {
      return new ReplayTarget(client, await ask(client), options)
    } catch (error) {
      client.cut()
      throw error
    }
  }

  /** The reply to a request about this key. Errors: ReplyError, those of the connection, if they last; E_INTERRUPTED. */
  async call(args: readonly Argument[], key: Uint8Array): Promise<Reply> {
    const {signal, retryMs = REPLAY_RETRY_MS} = this.#options
    let endMs = 0
    for (let pauseMs = REPLAY_RETRY_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, 1_000)) {
      const failure = await this.#try(args, key)
      if (!(failure instanceof KvError)) return failure
      endMs ||= performance.now() + retryMs
      if (!isPassing(failure) || performance.now() + pauseMs > endMs) throw failure
      // Not cut short in the middle of a key if it can be helped: Ctrl-C ends it at the next key.
      if (signal?.aborted) throw new KvError('E_INTERRUPTED', `Interrupted while this lasted: ${failure.message}`)
      await sleep(pauseMs)
      await this.#client.refresh().catch(() => undefined)
    }
  }

  async #try(args: readonly Argument[], key: Uint8Array): Promise<Exclude<Reply, null> | null | KvError> {
    try {
      const reply = await this.#client.send(args, key)
      return isError(reply) ? new ReplyError(reply.text) : reply
    } catch (error) {
      if (error instanceof KvError) return error
      throw error
    }
  }

  /** Keys that there are now: of one bucket in a cluster, of everything (`bucket` is ignored) without. Errors: as `call`. */
  async countKeys(bucket: number): Promise<number> {
    const {map} = this.#client
    const owner = map.ownerOf(bucket) ?? map.masters[0]!
    const command = this.facts.isCluster ? ['CLUSTER', 'COUNTKEYSINSLOT', bucket] : ['DBSIZE']
    const {reply} = await this.#client.sendTo(owner, command)
    if (isError(reply)) throw new ReplyError(reply.text)
    return Number(reply)
  }

  /** Never throws. */
  close(): Promise<void> {
    return this.#client.close()
  }
}

function isPassing(error: KvError): boolean {
  return error instanceof ReplyError ? PASSING_WORDS.has(error.word) : PASSING_CODES.has(error.code)
}

async function ask(client: ClusterClient): Promise<TargetFacts> {
  const {masters} = client.map
  const isCluster = await hasClusterMode(client)
  let unserved = 0
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (!client.map.ownerOf(bucket)) unserved++
  if (unserved > 0 || masters.length === 0) {
    throw new KvError(
      'E_TARGET',
      `The target does not serve ${unserved} of the ${BUCKET_COUNT} buckets (hash slots) now.`,
      'Mend it first: `kv cluster check` for a kv cluster, `redis-cli --cluster check` for a Redis cluster.',
    )
  }
  const sizes = await Promise.all(masters.map(async (master) => Number(await callAt(client, master, ['DBSIZE']))))
  const hasFieldExpiry = await hasCommand(client, ['HPEXPIRETIME', 'kv', 'FIELDS', 1, 'f'])
  const hasExpireTime = await hasCommand(client, ['PEXPIRETIME', 'kv'])
  return {
    product: await productOf(client),
    ids: await idsOf(client, isCluster),
    isCluster,
    masters: masters.length,
    hasFieldExpiry,
    hasExpireTime,
    keys: sizes.reduce((sum, size) => sum + size, 0),
  }
}

async function callAt(client: ClusterClient, address: Address, args: readonly Argument[]): Promise<Reply> {
  const connection = await client.connectionTo(address)
  return connection.call(args)
}

async function hasClusterMode(client: ClusterClient): Promise<boolean> {
  const connection = await client.connectionTo(client.map.masters[0] ?? failNoMaster())
  return !isError(await connection.send(['CLUSTER', 'COUNTKEYSINSLOT', 0]))
}

function failNoMaster(): never {
  throw new KvError('E_TARGET', 'The target has no master that could be written to.')
}

async function idsOf(client: ClusterClient, isCluster: boolean): Promise<string[]> {
  const reply = await callAt(client, client.map.masters[0]!, isCluster ? ['CLUSTER', 'NODES'] : ['INFO', 'server'])
  const ids = isCluster ? /^[0-9a-f]{40}(?= )/gm : /(?<=^run_id:)[0-9a-f]{40}/gm
  return [...new Set(replyText(reply)?.match(ids) ?? [])]
}

/** True if every master knows the command; MOVED and the like are said by those who do. */
async function hasCommand(client: ClusterClient, probe: readonly Argument[]): Promise<boolean> {
  for (const master of client.map.masters) {
    const reply = await (await client.connectionTo(master)).send(probe)
    if (isError(reply) && /unknown command/i.test(reply.text)) return false
  }
  return true
}

/** Errors: E_TARGET if it is too old. */
async function productOf(client: ClusterClient): Promise<string> {
  const [master] = client.map.masters
  const info = replyText(await callAt(client, master!, ['INFO', 'server'])) ?? ''
  const versionOf = (name: string): string | undefined => new RegExp(`^${name}_version:(\\S+)`, 'm').exec(info)?.[1]
  const redis = versionOf('redis')
  const [major = 0, minor = 0] = (redis ?? '').split('.').map(Number)
  if (redis !== undefined && (major < 6 || (major === 6 && minor < 2))) {
    throw new KvError(
      'E_TARGET',
      `${formatAddress(master!)} is Redis ${redis}; a replay needs 6.2 or later (SET with PXAT).`,
    )
  }
  const [kv, valkey] = [versionOf('kv'), versionOf('valkey')]
  if (kv !== undefined) return `kv ${kv}`
  return valkey !== undefined ? `Valkey ${valkey}` : `Redis ${redis ?? '(of unknown version)'}`
}
