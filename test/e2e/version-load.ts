/**
 * Clients that write version after version of what is theirs alone, and write down which were acknowledged: what a log gives back in the end is
 * judged by it. Each has one request in flight, nothing is sent twice, and a version whose fate is unknown is never used again.
 */
import {keyBucket} from '../../src/base/crc16.ts'
import {ClusterClient} from '../../src/client/cluster-client.ts'
import {isError, isList} from '../../src/client/reply.ts'
import {waitFor} from '../support/wait.ts'
import type {Contents} from './contents.ts'

const REPLY_TIMEOUT_MS = 3_000
const CLIENTS_PER_CONNECTION = 8
const KEYS_PER_CLIENT = 12

/** One thing that has a version: a string, a field of a map, or a pair of strings that a transaction writes. */
interface Register {
  readonly kind: 'string' | 'field' | 'pair'
  readonly name: string
  /** Last one sent. */
  sent: number
  /** Acknowledged, ascending. */
  readonly acknowledged: number[]
}

export interface Verdict {
  /** What must not be: a value that nobody sent, half of a transaction. */
  readonly wrong: readonly string[]
  /** Records of acknowledged writes that are newer than what is there, and some of their names. */
  readonly missing: number
  readonly examples: readonly string[]
}

export class VersionLoad {
  readonly #clients: ClusterClient[] = []
  readonly #registers: Register[] = []
  readonly #workers: Promise<void>[] = []
  #isStopped = false
  /** Records that acknowledged writes made. */
  acknowledged = 0

  static async start(ports: readonly number[], clients: number): Promise<VersionLoad> {
    const load = new VersionLoad()
    const seeds = ports.map((port) => ({host: '127.0.0.1', port}))
    for (let i = 0; i < clients; i++) {
      if (i % CLIENTS_PER_CONNECTION === 0) {
        load.#clients.push(await ClusterClient.connect(seeds, {replyTimeoutMs: REPLY_TIMEOUT_MS}))
      }
      load.#workers.push(load.#work(i, load.#clients.at(-1)!))
    }
    return load
  }

  /** Resolves when so many more records are acknowledged. */
  async progress(records: number): Promise<void> {
    const wanted = this.acknowledged + records
    await waitFor(`${records} more records are acknowledged`, () => this.acknowledged >= wanted, {timeoutMs: 60_000})
  }

  /** Ends it; what is in flight is waited for, and fails if its node is gone. */
  async end(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#workers)
    for (const client of this.#clients) client.cut()
  }

  judge(contents: Contents): Verdict {
    const wrong: string[] = []
    const examples: string[] = []
    let missing = 0
    for (const register of this.#registers) {
      const {name, kind, sent, acknowledged} = register
      const [found, twin] = valuesOf(register, contents)
      if (found > sent) wrong.push(`${name} is ${found}, but no more than ${sent} was sent`)
      if (twin !== undefined && twin !== found) wrong.push(`${name} is half of a transaction: ${found} and ${twin}`)
      const count = acknowledged.filter((version) => version > found).length
      if (count > 0) examples.push(`${name} is ${found}, and ${acknowledged.at(-1)!} was acknowledged`)
      missing += count * recordsOf(kind)
    }
    return {wrong, missing, examples: examples.slice(0, 10)}
  }

  /** Until it is ended, or its node is gone: what became of the write is unknown then, and of more nobody would learn. */
  async #work(number: number, client: ClusterClient): Promise<void> {
    const own = Array.from({length: KEYS_PER_CLIENT}, (_, i): Register => {
      const kind = (['string', 'field', 'pair'] as const)[i % 3]!
      return {kind, name: `{${kind}:${number}:${i}}`, sent: 0, acknowledged: []}
    })
    this.#registers.push(...own)
    for (let i = 0; !this.#isStopped; i++) {
      const register = own[i % own.length]!
      register.sent++
      const version = register.sent
      try {
        if (!(await write(client, register))) continue
      } catch {
        return
      }
      register.acknowledged.push(version)
      this.acknowledged += recordsOf(register.kind)
    }
  }
}

function recordsOf(kind: Register['kind']): number {
  return kind === 'pair' ? 2 : 1
}

async function write(client: ClusterClient, {kind, name, sent}: Register): Promise<boolean> {
  if (kind === 'string') return !isError(await client.send(['SET', name, `${sent}`], name))
  if (kind === 'field') return !isError(await client.send(['HSET', `${name}:map`, 'field', `${sent}`], name))
  const key = Buffer.from(name)
  const connection = await client.connectionTo(client.map.ownerOf(keyBucket(key, 0, key.length))!)
  const requests = [['MULTI'], ['SET', `${name}:a`, `${sent}`], ['SET', `${name}:b`, `${sent}`], ['EXEC']]
  // They leave in one piece: the other clients of this connection cannot come between.
  const replies = await Promise.all(requests.map((request) => connection.send(request)))
  return isList(replies.at(-1)!)
}

/** The version that is there, 0 if none is; of a pair both. */
function valuesOf({kind, name}: Register, contents: Contents): readonly [number, number?] {
  const version = (key: string): number => Number(contents.get(key)?.value ?? '0')
  if (kind === 'pair') return [version(`${name}:a`), version(`${name}:b`)]
  return kind === 'string' ? [version(name)] : [Number(contents.get(`${name}:map`)?.fields?.get('field')?.[0] ?? '0')]
}
