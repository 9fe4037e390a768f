/** What the engine asks for, answered with the real world: sockets, the clock's heartbeat, the process, the savefile. */
import {randomBytes} from 'node:crypto'
import type {Address} from '../base/address.ts'
import type {Host, HostFacts, ShutdownOptions} from '../core/host.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import type {Session} from '../core/session.ts'
import {Settings} from './settings.ts'
import type {ClientServer} from './server.ts'
import type {DataLog, LogPage} from './data-log.ts'
import type {LogPlace} from '../datalog/types.ts'
import type {NodeLog} from './log.ts'
import type {NodeOptions} from './options.ts'
import type {Saver} from './saver.ts'
import type {Ticker} from './ticker.ts'

const NO_SAVEFILE = 'ERR no savefile was named: start the node with --save-file'

/** The parts that exist only once the engine does. */
export interface HostParts {
  readonly server: ClientServer
  readonly ticker: Ticker
  readonly saver: Saver | null
  /** Joins the cluster of the node at this address. Errors: E_JOIN. */
  readonly meet: (address: Address) => Promise<void>
  readonly dataLog: DataLog | null
  /** A client sent SHUTDOWN. Resolves with an error text if the node goes on. */
  readonly shutdown: (options: ShutdownOptions) => Promise<string | null>
}

export class EngineHost implements Host {
  readonly #options: NodeOptions
  readonly #log: NodeLog
  readonly #startedAt = Date.now()
  readonly #runId = randomBytes(20).toString('hex')
  #parts: HostParts | null = null
  #allSettings: Settings | null = null
  address = {host: '', port: 0}
  peerPort = 0

  constructor(options: NodeOptions, log: NodeLog) {
    this.#options = options
    this.#log = log
  }

  connect(parts: HostParts): void {
    this.#parts = parts
  }

  get #live(): HostParts {
    if (!this.#parts) throw new Error('the engine ran before its host was connected')
    return this.#parts
  }

  complete(session: Session, write: (out: ReplyWriter) => void): void {
    this.#live.server.find(session)?.complete(write)
  }

  completeWith(session: Session, pieces: readonly Buffer[]): void {
    this.#live.server.find(session)?.completeWith(pieces)
  }

  wake(session: Session): void {
    // Not at once: the engine is in the middle of something.
    setImmediate(() => this.#live.server.find(session)?.wake())
  }

  push(session: Session, write: (out: ReplyWriter) => void): void {
    this.#live.server.find(session)?.push(write)
  }

  requestWork(): void {
    this.#parts?.ticker.requestWork()
  }

  shutdown(session: Session, options: ShutdownOptions): string | null {
    const {server, saver} = this.#live
    if (options.mode === 'save' && !saver) return NO_SAVEFILE
    const connection = server.find(session)
    if (connection) connection.awaitsStop = true
    void this.#live.shutdown(options).then((error) => {
      if (connection) connection.awaitsStop = false
      if (error !== null) this.complete(session, (out) => out.error(error))
    })
    return null
  }

  meet(session: Session, host: string, port: number): void {
    this.#live.meet({host, port}).then(
      () => this.complete(session, (out) => out.ok()),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        this.complete(session, (out) => out.error(`ERR ${message}`))
      },
    )
  }

  readLog(session: Session, from: LogPlace, bytes: number): string | null {
    const {dataLog} = this.#live
    if (!dataLog) return 'ERR this node keeps no data log'
    dataLog.read(from, bytes).then(
      (page) => this.complete(session, (out) => writePage(out, page)),
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        this.complete(session, (out) => out.error(`ERR ${message}`))
      },
    )
    return null
  }

  save(session: Session | null, isBackground: boolean): string | null {
    const {saver} = this.#live
    if (!saver) return NO_SAVEFILE
    if (saver.isDone) return 'ERR the node is stopping, and all of its data is saved'
    if (saver.isSaving) return 'ERR Background save already in progress'
    const answer = (error: string | null): void => {
      if (session && !isBackground) this.complete(session, (out) => (error === null ? out.ok() : out.error(error)))
    }
    saver.save('snapshot').then(
      () => {
        this.#log.info({file: saver.path}, 'saved')
        answer(null)
      },
      (error: unknown) => {
        const message = error instanceof Error ? error.message : String(error)
        this.#log.error({file: saver.path, error: message}, 'the save failed')
        answer(`ERR ${message}`)
      },
    )
    return null
  }

  *sessions(): Iterable<Session> {
    for (const connection of this.#live.server.connections.values()) yield connection.session
  }

  close(session: Session): void {
    this.#live.server.find(session)?.kill()
  }

  facts(): HostFacts {
    const {server, ticker, saver} = this.#live
    const memory = process.memoryUsage()
    const cpu = process.cpuUsage()
    return {
      processId: process.pid,
      runId: this.#runId,
      host: this.address.host,
      port: this.address.port,
      peerPort: this.peerPort,
      startedAt: this.#startedAt,
      residentBytes: memory.rss,
      heapBytes: memory.heapUsed,
      cpuUserUs: cpu.user,
      cpuSystemUs: cpu.system,
      connectionsReceived: server.received,
      connectionsRejected: server.rejected,
      maxClients: server.maxClients,
      bytesIn: server.bytesIn,
      bytesOut: server.bytesOut,
      operationsPerSecond: ticker.operationsPerSecond,
      executable: process.execPath,
      saveFile: saver?.path ?? '',
      dataDir: this.#options.dataDir ?? '',
      isSaving: saver?.isSaving ?? false,
      lastSaveAt: Math.floor((saver?.lastSaveAt ?? this.#startedAt) / 1000),
      lastSaveOk: saver?.lastSaveOk ?? true,
      changesSinceSave: saver?.changesSinceSave ?? 0,
    }
  }

  configGet(name: string): string | null {
    return this.#settings.get(name)
  }

  configSet(name: string, value: string): string | null {
    return this.#settings.set(name, value)
  }

  configNames(): readonly string[] {
    return this.#settings.names()
  }

  get #settings(): Settings {
    const {server, saver} = this.#live
    return (this.#allSettings ??= new Settings(this.#options, server, saver?.path ?? '', () => this.address))
  }
}

function writePage(out: ReplyWriter, {next, lastSegment, entries}: LogPage): void {
  out.array(3 + entries.length)
  out.integer(next.segment)
  out.integer(next.offset)
  out.integer(lastSegment)
  for (const {segment, offset, time, kind, body} of entries) {
    out.array(5)
    for (const number of [segment, offset, time, kind]) out.integer(number)
    out.bulkBuffer(body)
  }
}
