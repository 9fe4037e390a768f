/**
 * The network between the nodes, in the tester's hands. Each node dials each of its peers through a listener of ours, which dials the peer, so that every
 * byte between two nodes passes here:
 *
 *   n1 --dials--> [listener n1>n2] --dials--> n2        bytes to n2 run over the link n1>n2, those that come back over n2>n1, whoever dialled
 *
 * A link is one direction between two nodes. Effects are laid on links and taken off again, and several may lie on one:
 *
 *   cut      nothing comes through, as when packets are dropped; afterwards the connections are broken
 *   late     the same, but afterwards everything that was on its way is delivered
 *   slow     every byte comes so much later
 *   dribble  a few bytes at a time
 *
 * Nothing is read from a sender beyond PIPE_BYTES_MAX of what its receiver has not taken, so memory is bounded and senders feel it as they would feel a
 * slow network. The end of a connection is a message like any other: over a held link nobody hears of it. A call is put through when both directions are
 * free, as a SYN and its answer would be.
 */
import {once} from 'node:events'
import {connect, createServer, type Server, type Socket} from 'node:net'
import type {Address} from '../../base/address.ts'

/** What a pipe keeps of bytes that are not delivered yet. */
export const PIPE_BYTES_MAX = 256 * 1024
const HOST = '127.0.0.1'

export type LinkEffect =
  | {readonly kind: 'cut' | 'late'}
  | {readonly kind: 'slow'; readonly delayMs: number}
  | {readonly kind: 'dribble'; readonly bytes: number; readonly everyMs: number}

/** Names of two places; the direction is that of the bytes. */
export type LinkName = readonly [from: string, to: string]

/** Whatever runs over a link: it is told when the link changes. */
interface Rider {
  changed(): void
  breakOff(): void
}

/** One direction between two nodes. */
class Link {
  readonly effects = new Set<LinkEffect>()
  readonly riders = new Set<Rider>()

  get isHeld(): boolean {
    for (const {kind} of this.effects) if (kind === 'cut' || kind === 'late') return true
    return false
  }

  get delayMs(): number {
    let delayMs = 0
    for (const effect of this.effects) if (effect.kind === 'slow') delayMs = Math.max(delayMs, effect.delayMs)
    return delayMs
  }

  get dribble(): (LinkEffect & {kind: 'dribble'}) | null {
    for (const effect of this.effects) if (effect.kind === 'dribble') return effect
    return null
  }

  tell(): void {
    for (const rider of [...this.riders]) rider.changed()
  }
}

/** All links, and the listeners that lead over them. */
export class Network {
  readonly #links = new Map<string, Link>()
  readonly #servers: Server[] = []
  readonly #calls = new Set<Call>()

  /**
   * Opens the way by which `from` dials `to`, which listens at `target`; resolves to the port that `from` must dial. Where one port is for all, `from`
   * names who dials by the address that it dials from. `port`: to listen on; 0 = any.
   */
  async open(
    from: string | ((remoteAddress: string) => string),
    to: string,
    target: Address,
    port = 0,
  ): Promise<number> {
    const server = createServer({allowHalfOpen: true, pauseOnConnect: true, noDelay: true}, (socket) => {
      const dialler = typeof from === 'string' ? from : from(socket.remoteAddress ?? '')
      const [there, back] = [this.#link(dialler, to), this.#link(to, dialler)]
      const call = new Call(socket, target, there, back, () => this.#calls.delete(call))
      this.#calls.add(call)
      call.changed()
    })
    server.listen(port, HOST)
    await once(server, 'listening')
    this.#servers.push(server)
    const address = server.address()
    return typeof address === 'object' && address !== null ? address.port : 0
  }

  /** Lays an effect on links. Returns what takes it off again; a second call of that does nothing. */
  lay(effect: LinkEffect, links: readonly LinkName[]): () => void {
    const laid = links.map(([from, to]) => this.#link(from, to))
    for (const link of laid) link.effects.add(effect)
    for (const link of laid) link.tell()
    return () => {
      const ended = laid.filter((link) => link.effects.delete(effect))
      // What was on its way when it was cut is lost, and with it the connection; another effect may go on holding the link.
      if (effect.kind === 'cut') for (const {riders} of ended) for (const rider of [...riders]) rider.breakOff()
      for (const link of ended) link.tell()
    }
  }

  /** Takes all effects off; what was held is delivered. */
  clear(): void {
    for (const link of this.#links.values()) link.effects.clear()
    for (const link of this.#links.values()) link.tell()
  }

  /** No listener and no connection is left afterwards. */
  close(): void {
    for (const server of this.#servers.splice(0)) server.close()
    for (const call of [...this.#calls]) call.end()
  }

  /** Connections that are put through or wait for that. */
  get callCount(): number {
    return this.#calls.size
  }

  #link(from: string, to: string): Link {
    const name = `${from}>${to}`
    let link = this.#links.get(name)
    if (!link) this.#links.set(name, (link = new Link()))
    return link
  }
}

/** One connection: until it is put through, and then its two pipes. */
class Call implements Rider {
  readonly #dialler: Socket
  readonly #target: Address
  readonly #there: Link
  readonly #back: Link
  readonly #gone: () => void
  #callee: Socket | null = null

  constructor(dialler: Socket, target: Address, there: Link, back: Link, gone: () => void) {
    this.#dialler = dialler
    this.#target = target
    this.#there = there
    this.#back = back
    this.#gone = gone
    there.riders.add(this)
    back.riders.add(this)
    dialler.on('error', () => undefined)
    dialler.on('close', () => this.#look())
  }

  changed(): void {
    if (this.#callee !== null || this.#dialler.destroyed || this.#there.isHeld || this.#back.isHeld) return
    const callee = connect({...this.#target, allowHalfOpen: true, noDelay: true})
    this.#callee = callee
    callee.on('error', () => undefined)
    callee.on('close', () => this.#look())
    callee.once('connect', () => {
      new Pipe(this.#dialler, callee, this.#there)
      new Pipe(callee, this.#dialler, this.#back)
    })
    // Nobody listens there: the dialler learns of it as it would have without us.
    callee.once('close', (hadError) => hadError && callee.bytesRead === 0 && this.#dialler.resetAndDestroy())
  }

  breakOff(): void {
    // A call that is not put through has lost nothing: it goes on trying, as a SYN would.
    if (this.#callee !== null) this.end()
  }

  end(): void {
    this.#dialler.resetAndDestroy()
    this.#callee?.resetAndDestroy()
  }

  #look(): void {
    const isOver = this.#dialler.destroyed && (this.#callee?.destroyed ?? true)
    if (!isOver) return
    this.#there.riders.delete(this)
    this.#back.riders.delete(this)
    this.#gone()
  }
}

interface Piece {
  bytes: Buffer
  readonly dueMs: number
}

/** Carries what one socket sends to the other, as its link lets it. */
class Pipe implements Rider {
  readonly #source: Socket
  readonly #sink: Socket
  readonly #link: Link
  readonly #queue: Piece[] = []
  #queuedBytes = 0
  #isBlocked = false
  #end: 'end' | 'reset' | null = null
  #timer: NodeJS.Timeout | null = null

  constructor(source: Socket, sink: Socket, link: Link) {
    this.#source = source
    this.#sink = sink
    this.#link = link
    link.riders.add(this)
    source.on('data', (chunk) => this.#take(chunk))
    source.on('end', () => this.#finish('end'))
    source.on('close', () => this.#finish('reset'))
    sink.on('drain', () => {
      this.#isBlocked = false
      this.#pump()
    })
    sink.on('close', () => this.#leave())
    this.changed()
  }

  changed(): void {
    this.#stopTimer()
    this.#pump()
  }

  breakOff(): void {
    this.#source.resetAndDestroy()
    this.#sink.resetAndDestroy()
  }

  #take(chunk: Buffer): void {
    this.#queue.push({bytes: chunk, dueMs: performance.now() + this.#link.delayMs})
    this.#queuedBytes += chunk.length
    this.#pump()
  }

  #finish(how: 'end' | 'reset'): void {
    // What has ended in good order has said all; that it is then closed adds nothing.
    this.#end ??= how
    this.#pump()
  }

  #leave(): void {
    this.#stopTimer()
    this.#link.riders.delete(this)
    this.#queue.length = 0
    // Who sends to one who is gone is told by the other pipe, when its link lets it; until then nothing more is taken.
    this.#source.pause()
  }

  #pump(): void {
    if (this.#sink.destroyed) return
    if (!this.#link.isHeld) this.#deliver()
    const isFull = this.#link.isHeld || this.#queuedBytes >= PIPE_BYTES_MAX
    if (isFull) this.#source.pause()
    else if (this.#source.isPaused()) this.#source.resume()
    const isDone = this.#end !== null && this.#queue.length === 0 && !this.#link.isHeld
    if (!isDone) return
    if (this.#end === 'end') this.#sink.end()
    else this.#sink.resetAndDestroy()
  }

  #deliver(): void {
    while (!this.#isBlocked && this.#timer === null) {
      const piece = this.#queue[0]
      if (!piece) return
      const waitMs = piece.dueMs - performance.now()
      if (waitMs > 0) return this.#wait(waitMs)
      const {dribble} = this.#link
      const bytes = dribble ? piece.bytes.subarray(0, dribble.bytes) : piece.bytes
      piece.bytes = piece.bytes.subarray(bytes.length)
      if (piece.bytes.length === 0) this.#queue.shift()
      this.#queuedBytes -= bytes.length
      this.#isBlocked = !this.#sink.write(bytes)
      if (dribble && this.#queue.length > 0) this.#wait(dribble.everyMs)
    }
  }

  #wait(ms: number): void {
    if (this.#timer) return
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#pump()
    }, Math.ceil(ms))
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }
}
