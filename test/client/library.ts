/** What the tests of the client library share: a scripted cluster of two nodes, and clients that are closed at the end. */
import {formatAddress, type Address} from '../../src/base/address.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {connect, type ConnectOptions, type KvClient} from '../../src/client/index.ts'
import {ClientError} from '../../src/client/errors.ts'
import {startScriptedServer, type Request, type Script, type ScriptedServer} from './scripted-server.ts'

const closers: (() => Promise<unknown>)[] = []

/** Call it after each test. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close()
}

export function closeLater<T extends {close(): Promise<unknown>} | {stop(): Promise<unknown>}>(thing: T): T {
  closers.push(() => ('close' in thing ? thing.close() : thing.stop()))
  return thing
}

export async function client(addresses: Address | readonly Address[], options: ConnectOptions = {}): Promise<KvClient> {
  return closeLater(await connect(addresses, {timeoutMs: 20_000, ...options}))
}

/** Keys whose buckets are 12182 and 5061. */
export const FOO = 'foo'
export const BAR = 'bar'

export function bucketOf(key: string): number {
  return keyBucket(Buffer.from(key), 0, Buffer.byteLength(key))
}

export function slotsReply(ranges: readonly (readonly [number, number, Address])[]): string {
  const rows = ranges.map(
    ([first, last, {host, port}]) => `*3\r\n:${first}\r\n:${last}\r\n*2\r\n$${host.length}\r\n${host}\r\n:${port}\r\n`,
  )
  return `*${rows.length}\r\n${rows.join('')}`
}

export function migratedPush(seq: number, from: Address, to: Address, buckets: string): string {
  const texts = [formatAddress(from), formatAddress(to), buckets].map((text) => `$${text.length}\r\n${text}\r\n`)
  return `>3\r\n$9\r\nSMIGRATED\r\n:${seq}\r\n*1\r\n*3\r\n${texts.join('')}`
}

export interface Pair {
  readonly a: ScriptedServer
  readonly b: ScriptedServer
  /** What each node answers beside the map; undefined: nothing. Change it as you like. */
  readonly script: {a: Script; b: Script}
  /** CLUSTER SLOTS says that buckets below are a's. */
  told: number
}

/** Two nodes that tell the map, answer OK to the rest, and otherwise what their script says. */
export async function pair(): Promise<Pair> {
  const ok: Script = () => '+OK\r\n'
  const script = {a: ok, b: ok}
  const answer =
    (name: 'a' | 'b'): Script =>
    (request, socket) => {
      if (request[0] === 'HELLO') return undefined
      if (request[0] === 'CLUSTER') return slots()
      if (request[0] === 'CLIENT') return '+OK\r\n'
      // After whatever a script still has to say.
      if (request[0] === 'GOODBYE') return void setTimeout(() => socket.write('+OK\r\n'), 150)
      return script[name](request, socket)
    }
  const slots = (): string =>
    slotsReply(
      (
        [
          [0, both.told - 1, both.a.address],
          [both.told, 16_383, both.b.address],
        ] as const
      ).filter(([first, last]) => first <= last),
    )
  const a = closeLater(await startScriptedServer(answer('a')))
  const b = closeLater(await startScriptedServer(answer('b')))
  const both: Pair = {a, b, script, told: 8192}
  return both
}

/** Requests about keys, without the client's own. */
export function dataOf(server: ScriptedServer): Request[] {
  return server.requests.filter(([name]) => !['HELLO', 'CLUSTER', 'CLIENT', 'GOODBYE', 'QUIT'].includes(name!))
}

/** The error of a promise that must fail. */
export async function failure(promise: Promise<unknown>): Promise<ClientError> {
  const end = await promise.then(
    (value) => ({value}),
    (error: unknown) => ({error}),
  )
  if (!('error' in end)) throw new Error(`it did not fail, but gave ${JSON.stringify(end.value)}`)
  if (!(end.error instanceof ClientError)) throw end.error
  return end.error
}
