/**
 * An engine on a made-up host: no socket, no clock. Requests go through the real decoder and replies through an independent
 * reader, so that what a test sees is what a client sees.
 */
import {Engine} from '../../src/core/engine.ts'
import {Session} from '../../src/core/session.ts'
import {PARKED, WAITING} from '../../src/core/command/context.ts'
import {COMPLETE, Request, RequestDecoder} from '../../src/resp/request-decoder.ts'
import {ReplyWriter} from '../../src/resp/reply-writer.ts'
import {parseReply} from '../support/resp-split.ts'
import type {Host, HostFacts} from '../../src/core/host.ts'
import type {Reply} from '../support/resp-split.ts'

export const START_MS = 1_800_000_000_000
/** Background steps after which a test gives up waiting. */
const STEPS_MAX = 100_000

/** A reply as plain values: strings are Latin-1, RESP3 maps are Maps. */
export type Plain = string | number | bigint | boolean | null | {readonly error: string} | Plain[] | Map<Plain, Plain>
export type Argument = string | number | Buffer

export class TestHost implements Host {
  readonly answers = new Map<Session, (out: ReplyWriter) => void>()
  readonly woken: Session[] = []
  readonly pushed: {readonly session: Session; readonly write: (out: ReplyWriter) => void}[] = []

  complete(session: Session, write: (out: ReplyWriter) => void): void {
    this.answers.set(session, write)
  }

  completeWith(session: Session, pieces: readonly Buffer[]): void {
    this.answers.set(session, (out) => pieces.forEach((piece) => out.raw(piece)))
  }

  wake(session: Session): void {
    this.woken.push(session)
  }

  push(session: Session, write: (out: ReplyWriter) => void): void {
    this.pushed.push({session, write})
  }

  requestWork(): void {}
  shutdown(): string | null {
    return null
  }
  close(): void {}

  meet(): void {}

  readLog(): string | null {
    return 'ERR this node keeps no data log'
  }

  save(): string | null {
    return null
  }

  sessions(): Iterable<Session> {
    return []
  }

  facts(): HostFacts {
    throw new Error('the made-up host has no process')
  }

  configGet(): string | null {
    return null
  }

  configSet(): string | null {
    return null
  }

  configNames(): readonly string[] {
    return []
  }
}

/** One client of a `TestEngine`. */
export class Client {
  readonly session: Session
  readonly #owner: TestEngine

  constructor(owner: TestEngine, session: Session) {
    this.#owner = owner
    this.session = session
  }

  /** The command's reply; background work is done until it is there. */
  run(...args: Argument[]): Plain {
    return plain(parseReply(this.raw(...args)))
  }

  raw(...args: Argument[]): Buffer {
    return this.#owner.execute(this.session, encode(args))
  }

  /** What `execute` said, with the reply if there is one: for tests of waiting. */
  send(...args: Argument[]): {verdict: number; reply: Plain | undefined} {
    const {engine, out} = this.#owner
    out.clear()
    const verdict = engine.execute(this.session, decode(encode(args)), out)
    return {verdict, reply: out.pos === 0 ? undefined : plain(parseReply(Buffer.from(out.buf.subarray(0, out.pos))))}
  }
}

export class TestEngine {
  readonly host = new TestHost()
  readonly engine: Engine
  readonly out = new ReplyWriter()
  readonly client: Client
  now = START_MS
  /** Of each step of background work. */
  workBudget = 2000
  #sessions = 0

  constructor(seed = 1) {
    this.engine = new Engine({nodeId: 'a'.repeat(40), seed, now: this.now}, this.host)
    this.client = this.connect()
  }

  connect(proto: 2 | 3 = 2): Client {
    const session = new Session(++this.#sessions, '127.0.0.1:1', '127.0.0.1:2', this.now, true)
    session.proto = proto
    return new Client(this, session)
  }

  run(...args: Argument[]): Plain {
    return this.client.run(...args)
  }

  /** Moves the clock without anything happening. */
  sleep(ms: number): void {
    this.now += ms
    this.engine.setTime(this.now)
  }

  /** Moves the clock as a node does: ticks, and all the background work they ask for. */
  advance(ms: number): void {
    this.now += ms
    this.engine.tick(this.now)
    this.settle()
  }

  /** Does all background work there is. */
  settle(): void {
    for (let step = 0; this.engine.work(this.workBudget); step++)
      if (step > STEPS_MAX) throw new Error('it does not settle')
  }

  /** Frees everything that was deleted in bulk. */
  collect(): void {
    while (this.engine.keyspace.hasGarbage) this.engine.keyspace.collect(10_000)
  }

  execute(session: Session, bytes: Buffer): Buffer {
    const {engine, out, host} = this
    const request = decode(bytes)
    engine.setTime(this.now)
    for (let step = 0; step < STEPS_MAX; step++) {
      out.clear()
      const verdict = engine.execute(session, request, out)
      if (verdict === WAITING) return this.#await(session)
      if (verdict !== PARKED) return Buffer.from(out.buf.subarray(0, out.pos))
      for (let isBusy = true; !host.woken.includes(session); isBusy = engine.work(this.workBudget)) {
        if (!isBusy) throw new Error('parked for ever')
      }
      host.woken.splice(host.woken.indexOf(session), 1)
    }
    throw new Error('parked for ever')
  }

  #await(session: Session): Buffer {
    const {engine, host, out} = this
    for (let step = 0; !host.answers.has(session); step++) {
      if (step > STEPS_MAX) throw new Error('no answer')
      // Nothing else: tests say themselves when what has expired goes.
      engine.parking.work(this.workBudget)
    }
    out.clear()
    out.proto = session.proto
    host.answers.get(session)!(out)
    host.answers.delete(session)
    return Buffer.from(out.buf.subarray(0, out.pos))
  }
}

export function encode(args: readonly Argument[]): Buffer {
  const parts: Buffer[] = [Buffer.from(`*${args.length}\r\n`)]
  for (const arg of args) {
    const bytes = Buffer.isBuffer(arg) ? arg : Buffer.from(String(arg), 'latin1')
    parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'))
  }
  return Buffer.concat(parts)
}

/** A request as the decoder gives it. */
export function request(...args: Argument[]): Request {
  return decode(encode(args))
}

function decode(bytes: Buffer): Request {
  const decoder = new RequestDecoder()
  if (decoder.next(bytes, 0, bytes.length) !== COMPLETE) throw new Error(`bad request: ${decoder.error}`)
  return decoder.request
}

export function plain(reply: Reply): Plain {
  switch (reply.type) {
    case 'null':
      return null
    case '-':
      return {error: reply.text}
    case ':':
      return Number.isSafeInteger(Number(reply.text)) ? Number(reply.text) : BigInt(reply.text)
    case '#':
      return reply.text === 't'
    case '$':
    case '!':
    case '=':
      return reply.bytes.toString('latin1')
    case '*':
    case '~':
    case '>':
      return reply.items.map(plain)
    case '%':
    case '|': {
      const map = new Map<Plain, Plain>()
      for (let i = 0; i < reply.items.length; i += 2) map.set(plain(reply.items[i]!), plain(reply.items[i + 1]!))
      return map
    }
    default:
      return reply.text
  }
}

/** The bucket of a key. */
export function bucketOf(subject: TestEngine, key: string): number {
  const request = new Request()
  request.buf = Buffer.from(key, 'latin1')
  request.len[0] = request.buf.length
  return subject.engine.bucketOfArgument(request, 0)
}

/** The error that a reply must be. */
export function error(text: string): {readonly error: string} {
  return {error: text}
}
