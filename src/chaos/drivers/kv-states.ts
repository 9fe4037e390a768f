/** What the nodes of a cluster of kv processes say about it: asked node by node, since some may be wrong, late or silent. */
import {Connection} from '../../client/connection.ts'
import {isError, replyText} from '../../client/reply.ts'
import {parseState, type ClusterState} from '../../cli/cluster-state.ts'
import {BUCKET_COUNT, COPYHASH_BUCKETS_MAX} from '../../constants.ts'
import {KvError} from '../../errors.ts'
import type {Address} from '../../base/address.ts'
import type {CopyHash} from '../driver.ts'

const CONNECT_TIMEOUT_MS = 1_000
const REPLY_TIMEOUT_MS = 3_000
const HASH_TIMEOUT_MS = 60_000

/** A place that can be asked. */
export interface Asked {
  readonly name: string
  readonly address: Address
}

/** What each of them says, by name; what it does not say in time is left out. */
export async function statesOf(places: readonly Asked[]): Promise<Map<string, ClusterState>> {
  const states = new Map<string, ClusterState>()
  const asking = places.map(async ({name, address}) => {
    const state = await stateOf(address).catch(() => null)
    if (state) states.set(name, state)
  })
  await Promise.all(asking)
  return states
}

/** Errors: E_CONNECT and its kin, E_PROTOCOL. */
export async function stateOf(address: Address): Promise<ClusterState> {
  const text = await ask(address, ['CLUSTER', 'STATE'], REPLY_TIMEOUT_MS)
  return parseState(text, address)
}

/** Of several nodes' views the newest. */
export function newestOf(states: Iterable<ClusterState>): ClusterState | null {
  let newest: ClusterState | null = null
  for (const state of states) if (!newest || state.revision > newest.revision) newest = state
  return newest
}

async function ask(address: Address, request: readonly string[], replyTimeoutMs: number): Promise<string> {
  const connection = await Connection.connect(address, {connectTimeoutMs: CONNECT_TIMEOUT_MS, replyTimeoutMs})
  try {
    const reply = await connection.send(request)
    if (isError(reply)) throw new KvError('E_REPLY', reply.text)
    return replyText(reply) ?? ''
  } finally {
    connection.close()
  }
}

type HashLine = readonly [bucket: number, epoch: number, seq: number, hash: string]

/**
 * Position and hash of every copy that the map counts as in sync; one that its node does not have is there with an empty hash. `placeOf`: of a
 * member's id. Errors: E_CONNECT and its kin if a node that has copies does not answer.
 */
export async function hashesOf(
  state: ClusterState,
  placeOf: (id: string) => Asked | undefined,
): Promise<readonly CopyHash[]> {
  const holders = new Map<number, {readonly name: string; readonly lines: ReadonlyMap<number, HashLine>}>()
  for (const {id, slot, copies} of state.members) {
    const place = placeOf(id)
    if (place && copies > 0) holders.set(slot, {name: place.name, lines: await hashLines(place.address)})
  }
  const hashes: CopyHash[] = []
  for (const [first, last, master, replicas] of state.ranges) {
    for (const slot of [master, ...replicas]) {
      const holder = holders.get(slot)
      for (let bucket = first; bucket <= last; bucket++) {
        const [, epoch, seq, hash] = holder?.lines.get(bucket) ?? [bucket, 0, 0, '']
        hashes.push({bucket, place: holder?.name ?? 'nobody', epoch, seq, hash})
      }
    }
  }
  return hashes
}

async function hashLines(address: Address): Promise<ReadonlyMap<number, HashLine>> {
  const lines = new Map<number, HashLine>()
  const connection = await Connection.connect(address, {replyTimeoutMs: HASH_TIMEOUT_MS})
  try {
    for (let first = 0; first < BUCKET_COUNT; first += COPYHASH_BUCKETS_MAX) {
      const last = Math.min(first + COPYHASH_BUCKETS_MAX, BUCKET_COUNT) - 1
      const reply = await connection.send(['CLUSTER', 'COPYHASH', String(first), String(last)])
      if (isError(reply)) throw new KvError('E_REPLY', reply.text)
      for (const line of JSON.parse(replyText(reply) ?? '[]') as HashLine[]) lines.set(line[0], line)
    }
  } finally {
    connection.close()
  }
  return lines
}
