/** Replays of a recorded engine into real servers, and what the two hold, in the same words. */
import {onTestFinished} from 'vitest'
import {Connection} from '../../src/client/connection.ts'
import {isError, isList, replyText, type Reply} from '../../src/client/reply.ts'
import {rebuildLog} from '../../src/datalog/rebuild.ts'
import {replay, type ReplayOptions, type ReplayReport} from '../../src/datalog/replay.ts'
import {ReplayTarget} from '../../src/datalog/replay-target.ts'
import {startChild, type Child} from '../support/child.ts'
import {freePort} from '../support/ports.ts'
import {rawConnection} from '../support/raw-connection.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import {makeFolder} from '../node/folder.ts'
import type {LogReader} from '../../src/datalog/types.ts'
import type {TestEngine} from '../core/support.ts'

export interface ReplayCase {
  readonly log: LogReader
  readonly port: number
  /** Folder of the state file. */
  readonly folder?: string
  readonly until?: number
  readonly buckets?: ReadonlySet<number>
}

/** A replay with the defaults of the command. */
export function replayTo(given: ReplayCase, options: Partial<ReplayOptions> = {}): Promise<ReplayReport> {
  const {log, port, until, buckets} = given
  const mode = options.mode ?? 'into-empty'
  return replay({
    identity: {
      ...{path: `${given.folder ?? makeFolder()}/log`, source: log.identity.nodeId, to: `127.0.0.1:${port}`},
      ...{until, buckets: '', key: '', mode},
    },
    rebuild: (end) => rebuildLog(log, {end: end ?? undefined, until, buckets}),
    connect: () => ReplayTarget.connect([{host: '127.0.0.1', port}], {signal: options.signal}),
    mode,
    rate: 0,
    isDryRun: false,
    signal: new AbortController().signal,
    onProgress: () => undefined,
    ...options,
  })
}

type Ask = (...args: string[]) => Promise<Reply>

/** Every key with its value, fields and times; sorted lines. `withFieldTimes` false: the server knows none. */
async function dump(ask: Ask, withFieldTimes: boolean): Promise<string[]> {
  const keys = items(await ask('KEYS', '*')).map(text)
  const lines = await Promise.all(keys.map((key) => dumpKey(ask, key, withFieldTimes)))
  return lines.flat().sort()
}

async function dumpKey(ask: Ask, key: string, withFieldTimes: boolean): Promise<string[]> {
  const [at, type] = await Promise.all([ask('PEXPIRETIME', key), ask('TYPE', key)])
  if (text(type) === 'string') return [`${key} = ${text(await ask('GET', key))} @${text(at)}`]
  const fields = items(await ask('HKEYS', key)).map(text)
  const values = items(await ask('HMGET', key, ...fields)).map(text)
  const times = withFieldTimes ? items(await ask('HPEXPIRETIME', key, 'FIELDS', `${fields.length}`, ...fields)) : []
  return fields.map((field, i) => `${key}.${field} = ${values[i]} @${times.map(text)[i] ?? ''} of @${text(at)}`)
}

function items(reply: Reply): readonly Reply[] {
  if (!isList(reply)) throw new Error(`no list: ${JSON.stringify(reply)}`)
  return reply
}

function text(reply: Reply): string {
  if (Buffer.isBuffer(reply)) return reply.toString('latin1')
  const found = isError(reply) ? undefined : replyText(reply)
  if (found === undefined) throw new Error(`no text: ${JSON.stringify(reply)}`)
  return found
}

export function dumpEngine(subject: TestEngine, withFieldTimes = true): Promise<string[]> {
  const bytes = (reply: unknown): Reply =>
    Array.isArray(reply)
      ? reply.map(bytes)
      : typeof reply === 'string'
        ? Buffer.from(reply, 'latin1')
        : (reply as Reply)
  return dump(async (...args) => bytes(subject.run(...args)), withFieldTimes)
}

export async function dumpServer(port: number, withFieldTimes = true): Promise<string[]> {
  const connection = await Connection.connect({host: '127.0.0.1', port})
  try {
    const ask: Ask = (...args) => connection.call(args.map((arg) => Buffer.from(arg, 'latin1')))
    return await dump(ask, withFieldTimes)
  } finally {
    connection.close()
  }
}

/** A redis-server without cluster mode; stopped at the end of the test. */
export async function plainRedis(...flags: string[]): Promise<number> {
  const port = await freePort()
  await redisAt(port, ...flags)
  return port
}

/** The same at a port of one's choice; its process is returned. */
export async function redisAt(port: number, ...flags: string[]): Promise<Child> {
  const dir = tempDir('redis')
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--dir', dir.path, '--save', '', ...flags]
  const child = startChild('redis-server', settings, {cwd: dir.path})
  onTestFinished(async () => {
    await child.stop()
    dir.remove()
  })
  await waitFor('redis-server accepts connections', () =>
    rawConnection(port).then(
      (connection) => (connection.close(), true),
      () => false,
    ),
  )
  return child
}
