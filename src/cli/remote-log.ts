/** The log of a data-log node, read through its client port (DATALOG READ) as if its folder were here. */
import {setTimeout as sleep} from 'node:timers/promises'
import {formatAddress, type Address} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {ReplyError} from '../client/errors.ts'
import {isError, type Reply} from '../client/reply.ts'
import {KvError} from '../errors.ts'
import type {TailSource} from '../datalog/tail.ts'
import type {LogPlace, LoggedEntry, ReadOptions} from '../datalog/types.ts'

/** How long it waits for more when there was none. */
const POLL_MS = 100

interface Page {
  readonly next: LogPlace
  readonly lastSegment: number
  readonly entries: readonly LoggedEntry[]
}

export class RemoteLog implements TailSource {
  readonly #connection: Connection

  constructor(connection: Connection) {
    this.#connection = connection
  }

  /** Errors: those of `Connection.connect`; E_REPLY if the node keeps no log. */
  static async connect(address: Address, password: string | undefined): Promise<RemoteLog> {
    const log = new RemoteLog(await Connection.connect(address, {password}))
    try {
      await log.#read({segment: 0, offset: 0}, 0)
    } catch (error) {
      log.close()
      throw error
    }
    return log
  }

  /** As of a LogReader, but damage is always an error. */
  async *entries({from, follow}: ReadOptions): AsyncGenerator<LoggedEntry, void> {
    let place = from ?? {segment: 0, offset: 0}
    for (;;) {
      const {next, entries} = await this.#read(place)
      yield* entries
      place = next
      if (entries.length > 0) continue
      if (!follow || follow.aborted) return
      await sleep(POLL_MS, undefined, {signal: follow}).catch(() => undefined)
    }
  }

  /** Where the last two segments begin; null: there is none. */
  async recent(): Promise<LogPlace | null> {
    const {lastSegment} = await this.#read({segment: 0, offset: 0}, 0)
    return lastSegment === 0 ? null : {segment: Math.max(1, lastSegment - 1), offset: 0}
  }

  close(): void {
    this.#connection.close()
  }

  async #read({segment, offset}: LogPlace, bytes?: number): Promise<Page> {
    const count = bytes === undefined ? [] : ['COUNT', String(bytes)]
    const reply = await this.#connection.send(['DATALOG', 'READ', String(segment), String(offset), ...count])
    const {address} = this.#connection
    if (!isError(reply)) return parsePage(reply, address)
    const hint = 'Name a node that was started with `kv log start`, or the folder of a log.'
    throw new ReplyError(`${formatAddress(address)}: ${reply.text.replace(/^ERR /, '')}`, hint)
  }
}

function parsePage(reply: Reply, address: Address): Page {
  const items = Array.isArray(reply) ? (reply as readonly Reply[]) : []
  const [segment, offset, lastSegment, ...rest] = items
  if (typeof segment !== 'number' || typeof offset !== 'number' || typeof lastSegment !== 'number') {
    throw new KvError('E_PROTOCOL', `${formatAddress(address)} does not read its log in a way that this kv knows.`)
  }
  const entries = rest.map((item) => {
    const [at, from, time, kind, body] = item as readonly [number, number, number, number, Buffer]
    return {segment: at, offset: from, time, kind, body}
  })
  return {next: {segment, offset}, lastSegment, entries}
}
