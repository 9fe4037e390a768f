/**
 * A data-log node as a user starts it, `kv log start`, and what is asked about it: how far it is behind, and what `kv log` does with its files.
 */
import {Connection} from '../../src/client/connection.ts'
import {replyText} from '../../src/client/reply.ts'
import {run, type Child, type Finished} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {sleep, waitFor} from '../support/wait.ts'
import {startKv} from '../cli/kv-command.ts'
import {NodeProcess, type ProcessCluster} from './processes.ts'
import type {NodeAddress} from '../../src/node/options.ts'

const HOST = '127.0.0.1'
const COMMAND_TIMEOUT_MS = 120_000
const CATCH_UP_MS = 60_000
const LAG_POLL_MS = 10

export class LogNode extends NodeProcess {
  readonly dir: string
  readonly #flags: readonly string[]

  constructor(port: number, dir: string, flags: readonly string[]) {
    super(port, {})
    this.dir = dir
    this.#flags = flags
  }

  protected override launch(join: readonly NodeAddress[]): Child {
    const seeds = join.length === 0 ? [] : ['--join', join.map(({host, port}) => `${host}:${port}`).join(',')]
    const flags = ['--dir', this.dir, '--port', `${this.port}`, '--json', ...seeds, ...this.#flags]
    return startKv(['log', 'start', ...flags])
  }
}

/** Starts a data-log node, which joins. */
export async function addLogNode(cluster: ProcessCluster, dir: string, ...flags: string[]): Promise<LogNode> {
  const node = new LogNode(await freePort(), dir, flags)
  await cluster.adopt(node)
  return node
}

/** Fields of INFO datalog. Errors: E_CONNECT and its kin. */
async function datalogInfo(connection: Connection): Promise<Map<string, string>> {
  const text = replyText(await connection.send(['INFO', 'datalog'])) ?? ''
  const lines = text.split('\r\n').filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}

interface Lag {
  readonly mode: string
  readonly records: number
  readonly bucketsBehind: number
}

/** What a master says of each data-log node that it knows of. */
function lagsOf(info: ReadonlyMap<string, string>): Lag[] {
  const lines = [...info].filter(([name]) => /^log[0-9]+$/.test(name)).map(([, line]) => line)
  return lines.map((line) => {
    const word = (name: string): string => new RegExp(`${name}=([a-z0-9.]+)`).exec(line)?.[1] ?? ''
    return {mode: word('mode'), records: Number(word('lag_records')), bucketsBehind: Number(word('buckets_behind'))}
  })
}

async function ask(port: number): Promise<Map<string, string>> {
  const connection = await Connection.connect({host: HOST, port}, {connectTimeoutMs: 1_000, replyTimeoutMs: 4_000})
  try {
    return await datalogInfo(connection)
  } finally {
    connection.close()
  }
}

/** Resolves when every data node says that all logs, so many, have all that it has. */
export async function caughtUp(nodes: readonly NodeProcess[], logs = 1): Promise<void> {
  let said: unknown = ''
  const isThere = async (): Promise<boolean> => {
    const all = await Promise.all(nodes.map(async ({port}) => lagsOf(await ask(port)))).catch(String)
    said = all
    if (typeof all === 'string') return false
    const isZero = ({records, bucketsBehind}: Lag): boolean => records === 0 && bucketsBehind === 0
    return all.every((lags) => lags.length === logs && lags.every(isZero))
  }
  await waitFor('the log has everything', isThere, {timeoutMs: CATCH_UP_MS, intervalMs: 50}).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${JSON.stringify(said)}`)
  })
}

interface ReportedLag {
  /** Sum of what the masters said. */
  readonly records: number
  /** Records that clients knew of as acknowledged when the masters were asked. */
  readonly acknowledged: number
}

/** Asks all masters every few milliseconds how far an asynchronous log is behind, until they die. */
export class LagWatch {
  readonly #connections: readonly Connection[]
  readonly #load: {readonly acknowledged: number}
  readonly #work: Promise<void>
  #last: ReportedLag = {records: 0, acknowledged: 0}
  #isStopped = false

  static async start(masters: readonly NodeProcess[], load: {readonly acknowledged: number}): Promise<LagWatch> {
    const open = masters.map(({port}) => Connection.connect({host: HOST, port}, {replyTimeoutMs: 4_000}))
    return new LagWatch(await Promise.all(open), load)
  }

  private constructor(connections: readonly Connection[], load: {readonly acknowledged: number}) {
    this.#connections = connections
    this.#load = load
    this.#work = this.#watch()
  }

  /** Ends it; what all masters said last. */
  async end(): Promise<ReportedLag> {
    this.#isStopped = true
    await this.#work
    for (const connection of this.#connections) connection.close()
    return this.#last
  }

  async #watch(): Promise<void> {
    while (!this.#isStopped) {
      const {acknowledged} = this.#load
      const answers = await Promise.all(this.#connections.map(datalogInfo)).catch(() => null)
      if (answers === null) return
      const lags = answers.map((info) => lagsOf(info).find(({mode}) => mode === 'async')?.records ?? Number.NaN)
      const records = lags.reduce((sum, lag) => sum + lag, 0)
      this.#last = {records, acknowledged}
      await sleep(LAG_POLL_MS)
    }
  }
}

/** Resolves when the cluster waits for this log, and so says the log. */
export async function countedOn({port}: LogNode): Promise<void> {
  const isOn = async (): Promise<boolean> => (await ask(port)).get('log_counted_on') === '1'
  await waitFor('the log is counted on', isOn, {timeoutMs: CATCH_UP_MS, intervalMs: 50})
}

/** `kv log ...` to its end. */
export function kvLog(...args: string[]): Promise<Finished> {
  return run('./bin/kv', ['log', ...args], {cwd: REPO_ROOT, timeoutMs: COMMAND_TIMEOUT_MS})
}

export function addressOf(port: number): string {
  return `${HOST}:${port}`
}
