/** What is kept when an answer was wrong: what each node has under the key, and what each thinks of the cluster. Taken before the processes are stopped. */
import {Connection} from '../client/connection.ts'
import {isError, isList, replyText, type Reply} from '../client/reply.ts'
import type {Finding} from '../checker/history.ts'
import type {Driver, FaultRecord, Place} from './driver.ts'

/** A node that hangs must not keep the evidence of the others. */
const TIMEOUT_MS = 1_000
const FINDINGS_LOOKED_AT = 5
const FAULTS_KEPT = 20

export interface ViolationEvidence {
  /** By key, what each place answers when it is asked directly, as a replica may. */
  readonly values: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly lastFaults: readonly FaultRecord[]
  /** What the driver knows: maps, positions of copies. */
  readonly cluster: unknown
}

export async function gatherEvidence(driver: Driver, findings: readonly Finding[]): Promise<ViolationEvidence> {
  const keys = [...new Set(findings.slice(0, FINDINGS_LOOKED_AT).flatMap(storedKeys))]
  const values = await Promise.all(keys.map(async (key) => [key, await valuesOf(driver.places, key)] as const))
  return {
    values: Object.fromEntries(values),
    lastFaults: driver.faults.slice(-FAULTS_KEPT),
    cluster: await driver.describe(),
  }
}

/** A field is found under its key; a pair is two keys. */
function storedKeys({rule, key}: Finding): string[] {
  if (rule === 'pair') return [`{${key}}a`, `{${key}}b`]
  return [key.replace(/\.[^.]*$/, '')]
}

async function valuesOf(places: readonly Place[], key: string): Promise<Record<string, string>> {
  const running = places.filter(({pid}) => pid !== null)
  const pairs = await Promise.all(running.map(async (place) => [place.name, await valueAt(place, key)] as const))
  return Object.fromEntries(pairs)
}

async function valueAt({address}: Place, key: string): Promise<string> {
  try {
    const timeouts = {connectTimeoutMs: TIMEOUT_MS, replyTimeoutMs: TIMEOUT_MS, resp: 2} as const
    const connection = await Connection.connect(address, timeouts)
    try {
      await connection.send(['READONLY'])
      const type = replyText(await connection.send(['TYPE', key]))
      return textOf(await connection.send([type === 'hash' ? 'HGETALL' : 'GET', key]))
    } finally {
      connection.close()
    }
  } catch (error) {
    return `(${(error as Error).message})`
  }
}

function textOf(reply: Reply): string {
  if (isError(reply)) return `(${reply.text})`
  if (isList(reply)) return reply.map(textOf).join(' ')
  return reply === null ? '(nothing)' : (replyText(reply) ?? '(?)')
}
