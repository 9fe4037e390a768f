/** What a cluster holds under the keys of the tester, read by an ordinary client; and how two of those differ. */
import {ClusterClient} from '../client/cluster-client.ts'
import {isError, isList, replyText, type Reply} from '../client/reply.ts'
import type {Address} from '../base/address.ts'
import type {WorkKey} from '../workload/workload.ts'

const AT_A_TIME = 500
const TRIES = 5
const PAUSE_MS = 200
const NAMES_MAX = 5

/** By key as it is stored. */
export type Content = ReadonlyMap<string, string>

/** Reads every key of the workload. Errors: those of the connection, if they last; E_REPLY. */
export async function readContent(addresses: readonly Address[], keys: readonly WorkKey[]): Promise<Content> {
  let lastError: unknown
  for (let i = 0; i < TRIES; i++) {
    try {
      return await readOnce(addresses, keys)
    } catch (error) {
      lastError = error
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
  throw lastError
}

async function readOnce(addresses: readonly Address[], keys: readonly WorkKey[]): Promise<Content> {
  const client = await ClusterClient.connect(addresses, {resp: 2})
  try {
    const requests = keys.flatMap(requestsOf)
    const content = new Map<string, string>()
    for (let at = 0; at < requests.length; at += AT_A_TIME) {
      const some = requests.slice(at, at + AT_A_TIME)
      const replies = await Promise.all(some.map((request) => client.send(request, request[1])))
      replies.forEach((reply, i) => content.set(some[i]![1], textOf(reply)))
    }
    return content
  } finally {
    await client.close()
  }
}

function requestsOf({kind, key}: WorkKey): (readonly [string, string])[] {
  if (kind === 'field') return [['HGETALL', key]]
  if (kind !== 'pair') return [['GET', key]]
  return [
    ['GET', `{${key}}a`],
    ['GET', `{${key}}b`],
  ]
}

/** Fields have no order. */
function textOf(reply: Reply): string {
  if (isError(reply)) throw new Error(reply.text)
  if (reply === null) return '(nothing)'
  if (!isList(reply)) return replyText(reply) ?? '(?)'
  const fields = Array.from(
    {length: reply.length / 2},
    (_, i) => `${textOf(reply[2 * i]!)}=${textOf(reply[2 * i + 1]!)}`,
  )
  return fields.length === 0 ? '(nothing)' : fields.sort().join(' ')
}

/** The first differences, one sentence each, and how many there are. */
export function differences(
  expected: Content,
  found: Content,
): {readonly count: number; readonly first: readonly string[]} {
  const first: string[] = []
  let count = 0
  for (const [key, value] of expected) {
    const other = found.get(key) ?? '(nothing)'
    if (other === value) continue
    count++
    if (first.length < NAMES_MAX) first.push(`${key}: ${brief(value)}, and there ${brief(other)}`)
  }
  return {count, first}
}

const BRIEF_CHARS = 60

function brief(text: string): string {
  return text.length > BRIEF_CHARS ? `${text.slice(0, BRIEF_CHARS)}...` : text
}
