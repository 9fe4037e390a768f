/** Can every bucket be written? A key for each of them, tried until it takes a value. */
import {setTimeout as sleep} from 'node:timers/promises'
import {keyBucket} from '../base/crc16.ts'
import {BUCKET_COUNT, CHAOS_CONNECT_TIMEOUT_MS, CHAOS_REPLY_TIMEOUT_MS} from '../constants.ts'
import {ClusterClient} from '../client/cluster-client.ts'
import {isError} from '../client/reply.ts'
import type {Address} from '../base/address.ts'

const AT_A_TIME = 1_000
const PAUSE_MS = 20

/** One key for each bucket. */
export function bucketKeys(prefix: string): readonly string[] {
  const keys: string[] = Array.from({length: BUCKET_COUNT}, () => '')
  let missing = BUCKET_COUNT
  for (let i = 0; missing > 0; i++) {
    const key = `${prefix}probe:${i}`
    const bucket = keyBucket(Buffer.from(key), 0, key.length)
    if (keys[bucket] !== '') continue
    keys[bucket] = key
    missing--
  }
  return keys
}

/** Writes each key once, again and again those that are refused; resolves to those that were not written within `timeoutMs`. */
export async function writeAll(
  addresses: () => readonly Address[],
  keys: readonly string[],
  timeoutMs: number,
): Promise<readonly string[]> {
  const until = performance.now() + timeoutMs
  let left = keys
  let client: ClusterClient | null = null
  try {
    while (left.length > 0 && performance.now() < until) {
      client ??= await open(addresses())
      const refused: string[] = client ? await writeOnce(client, left) : [...left]
      if (refused.length > 0) {
        // The next round asks anew who serves what, over new connections.
        client?.cut()
        client = null
        await sleep(PAUSE_MS)
      }
      left = refused
    }
    return left
  } finally {
    client?.cut()
  }
}

async function open(addresses: readonly Address[]): Promise<ClusterClient | null> {
  if (addresses.length === 0) return null
  const timeouts = {
    connectTimeoutMs: CHAOS_CONNECT_TIMEOUT_MS,
    replyTimeoutMs: CHAOS_REPLY_TIMEOUT_MS,
    resp: 2,
  } as const
  return ClusterClient.connect(addresses, timeouts).catch(() => null)
}

async function writeOnce(client: ClusterClient, keys: readonly string[]): Promise<string[]> {
  const refused: string[] = []
  for (let at = 0; at < keys.length; at += AT_A_TIME) {
    const some = keys.slice(at, at + AT_A_TIME)
    const replies = await Promise.all(some.map((key) => client.send(['SET', key, '1'], key).catch(() => null)))
    replies.forEach((reply, i) => {
      if (reply === null || isError(reply)) refused.push(some[i]!)
    })
  }
  return refused
}
