/**
 * An engine with a made-up driver, for tests of the server commands: it keeps a parked request and tries it again when it is woken,
 * as src/node does, and writes down what it was asked for. Time stands still until a test moves it.
 */
import {DONE, PARKED, WAITING} from '../../src/core/command/context.ts'
import {Engine} from '../../src/core/engine.ts'
import {Session} from '../../src/core/session.ts'
import {COMPLETE, copyRequest, RequestDecoder} from '../../src/resp/request-decoder.ts'
import {ReplyWriter} from '../../src/resp/reply-writer.ts'
import {encodeCommand, type Arg} from '../support/raw-connection.ts'
import {parseReply, replyEnd, type Reply} from '../support/resp-split.ts'
import type {Host, HostFacts, ShutdownOptions} from '../../src/core/host.ts'
import type {Request} from '../../src/resp/request-decoder.ts'

export const START_MS = 1_790_000_000_000

/** A reply as plain values: errors keep their `-`, maps and sets are arrays. */
export type Plain = string | number | null | Plain[]

export function plain(reply: Reply): Plain {
  if (reply.type === 'null') return null
  if ('items' in reply) return reply.items.map(plain)
  if ('bytes' in reply) return reply.bytes.toString('latin1').replace(reply.type === '=' ? /^txt:/ : /^$/, '')
  if (reply.type === ':') return Number(reply.text)
  return reply.type === '-' ? `-${reply.text}` : reply.text
}

function decode(args: readonly Arg[]): Request {
  const bytes = encodeCommand(args)
  const decoder = new RequestDecoder()
  if (decoder.next(bytes, 0, bytes.length) !== COMPLETE) throw new Error('not a request')
  return copyRequest(decoder.request)
}

/** A client, and what it received. */
export class Client {
  readonly session: Session
  readonly #stage: Stage
  /** All that it was sent and did not take. */
  received: Buffer = Buffer.alloc(0)
  /** Its request that waits. */
  parked: Request | null = null
  isClosed = false

  constructor(stage: Stage, session: Session) {
    this.#stage = stage
    this.session = session
  }

  /** Sends a request and returns what `execute` said; what it is answered goes to `received`. */
  send(...args: readonly Arg[]): number {
    return this.execute(decode(args))
  }

  execute(request: Request): number {
    const {engine, out} = this.#stage
    engine.setTime(this.#stage.now)
    out.clear()
    const verdict = engine.execute(this.session, request, out)
    this.take(out)
    this.parked = verdict === PARKED ? request : null
    if (this.session.closesAfterReply) this.isClosed = true
    return verdict
  }

  take(out: ReplyWriter): void {
    this.received = Buffer.concat([this.received, out.buf.subarray(0, out.pos)])
    out.clear()
  }

  /** Takes all replies received so far. */
  replies(): Plain[] {
    const replies: Plain[] = []
    while (this.received.length > 0) {
      const end = replyEnd(this.received)
      if (end < 0) throw new Error(`half a reply: ${this.received.toString('latin1')}`)
      replies.push(plain(parseReply(this.received.subarray(0, end))))
      this.received = this.received.subarray(end)
    }
    return replies
  }

  /** Sends a request that is answered at once and returns the one reply. */
  call(...args: readonly Arg[]): Plain {
    const verdict = this.send(...args)
    const replies = this.replies()
    if (verdict !== DONE || replies.length !== 1)
      throw new Error(`${args.join(' ')}: verdict ${verdict}, ${replies.length} replies`)
    return replies[0]!
  }

  /** As `call`, the bytes as Latin-1. */
  raw(...args: readonly Arg[]): string {
    this.send(...args)
    const text = this.received.toString('latin1')
    this.received = Buffer.alloc(0)
    return text
  }
}

export class Stage implements Host {
  now = START_MS
  readonly out = new ReplyWriter()
  readonly clients = new Map<Session, Client>()
  readonly engine: Engine
  /** What the host was asked for, in order. */
  readonly asked: string[] = []
  readonly #woken: Session[] = []
  facts_: Partial<HostFacts> = {}
  /** What `save` and `shutdown` answer. */
  refusal: string | null = null

  constructor(password = '') {
    this.engine = new Engine({nodeId: 'ab'.repeat(20), seed: 7, now: START_MS}, this)
    this.engine.password = password
  }

  connect(): Client {
    const id = this.clients.size + 1
    const isOpen = this.engine.password === ''
    const session = new Session(id, `10.0.0.${id}:5000`, '10.0.0.99:7379', this.now, isOpen)
    const client = new Client(this, session)
    this.clients.set(session, client)
    return client
  }

  /** Time passes, and the heartbeat notices. */
  pass(ms: number): void {
    this.now += ms
    this.engine.tick(this.now)
    this.settle()
  }

  /** Those who were woken try again, in order, until nobody is left. */
  settle(): void {
    for (let session = this.#woken.shift(); session; session = this.#woken.shift()) {
      const client = this.clients.get(session)
      if (client?.parked) client.execute(client.parked)
    }
  }

  disconnect(client: Client): void {
    this.engine.disconnect(client.session)
    this.clients.delete(client.session)
  }

  complete(session: Session, write: (out: ReplyWriter) => void): void {
    this.asked.push(`complete ${session.id}`)
    this.push(session, write)
  }

  completeWith(session: Session, pieces: readonly Buffer[]): void {
    this.complete(session, (out) => pieces.forEach((piece) => out.raw(piece)))
  }

  wake(session: Session): void {
    this.#woken.push(session)
  }

  push(session: Session, write: (out: ReplyWriter) => void): void {
    const out = new ReplyWriter()
    out.proto = session.proto
    write(out)
    this.clients.get(session)!.take(out)
  }

  requestWork(): void {}

  shutdown(session: Session, {mode, isNow, isForced}: ShutdownOptions): string | null {
    this.asked.push(`shutdown ${session.id} ${mode}${isNow ? ' now' : ''}${isForced ? ' force' : ''}`)
    return this.refusal
  }

  meet(session: Session, host: string, port: number): void {
    this.asked.push(`meet ${session.id} ${host} ${port}`)
  }

  readLog(): string | null {
    return 'ERR this node keeps no data log'
  }

  save(session: Session | null, isBackground: boolean): string | null {
    this.asked.push(`save ${session?.id ?? '-'} ${isBackground ? 'background' : 'foreground'}`)
    return this.refusal
  }

  sessions(): Iterable<Session> {
    return this.clients.keys()
  }

  close(session: Session): void {
    this.clients.get(session)!.isClosed = true
  }

  facts(): HostFacts {
    return {
      processId: 4321,
      runId: 'cd'.repeat(20),
      host: '10.0.0.99',
      port: 7379,
      peerPort: 17_379,
      startedAt: START_MS - 100_000,
      residentBytes: 50_000_000,
      heapBytes: 10_000_000,
      cpuUserUs: 1_500_000,
      cpuSystemUs: 250_000,
      connectionsReceived: 11,
      connectionsRejected: 2,
      maxClients: 1000,
      bytesIn: 3000,
      bytesOut: 4000,
      operationsPerSecond: 55,
      executable: '/usr/bin/node',
      saveFile: '/data/kv.save',
      dataDir: '/data',
      isSaving: false,
      lastSaveAt: 1_789_999_990,
      lastSaveOk: true,
      changesSinceSave: 5,
      ...this.facts_,
    }
  }

  configGet(name: string): string | null {
    return name === 'maxclients' ? '1000' : null
  }

  configSet(name: string, value: string): string | null {
    this.asked.push(`set ${name} ${value}`)
    return value === '0' ? 'argument must be between 1 and 4294967295 inclusive' : null
  }

  configNames(): readonly string[] {
    return ['maxclients']
  }
}

export {DONE, PARKED, WAITING}
