/**
 * Worker: SETs as fast as the masters take them, or at a fixed rate, on any number of connections. Hot path: what is sent was encoded
 * beforehand, replies are counted and not built, so that this process is not what is measured.
 *
 *   closed loop   a connection sends a unit (a pipeline of writes), waits for all of its replies, sends the next
 *   rate          units are sent when they are due, whatever is still unanswered; latency counts from when one is handed to its socket
 *
 * `wait` puts Redis' `WAIT 1 0` after each write, or after each pipeline: the way to get there what every write of ours promises. A connection
 * that is told MOVED goes where it is pointed to.
 */
import {createHistogram, type RecordableHistogram} from 'node:perf_hooks'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Socket} from 'node:net'
import {encodeRequest} from '../../../src/client/encoder.ts'
import {ReplyCounter} from '../../../src/client/reply-counter.ts'
import {parseMoved} from '../../../src/client/slot-map.ts'
import {openSocket} from '../../../src/client/socket.ts'
import {startWorker, serve} from './worker.ts'

const HOST = '127.0.0.1'
const NS_PER_MS = 1e6
/** Different units of a connection, sent in turn. */
const UNITS = 64
const REOPEN_MS = 2
const WAIT = encodeRequest(['WAIT', '1', '0'])

export interface LoadOptions {
  /** For each master the keys that are written there. */
  readonly masters: readonly {readonly port: number; readonly keys: readonly string[]}[]
  /** Over all masters. */
  readonly connections: number
  readonly pipeline: number
  readonly wait: 'never' | 'each' | 'pipeline'
  readonly value: string
  /** Units a second over all connections; null: as fast as it goes. */
  readonly rate: number | null
}

/** Since the last time it was asked. */
export interface LoadReport {
  readonly seconds: number
  /** Writes that were acknowledged; those behind a WAIT when that was answered. */
  readonly writes: number
  /** Of units, ms. */
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Longest time in which no unit at all was answered, ms. */
  readonly gap: number
  /** Error replies, and connections that ended. */
  readonly moved: number
  readonly errors: number
  readonly firstError: string | null
}

interface Unit {
  readonly bytes: Buffer
  readonly replies: number
}

class Tally {
  #histogram: RecordableHistogram = createHistogram()
  #units = 0
  #sinceMs = performance.now()
  #lastMs = this.#sinceMs
  #gap = 0
  moved = 0
  errors = 0
  firstError: string | null = null

  unit(sentMs: number): void {
    const nowMs = performance.now()
    this.#units++
    this.#gap = Math.max(this.#gap, nowMs - this.#lastMs)
    this.#lastMs = nowMs
    this.#histogram.record(Math.max(1, Math.round((nowMs - sentMs) * NS_PER_MS)))
  }

  fail(text: string): void {
    this.errors++
    this.firstError ??= text
  }

  take(writesPerUnit: number): LoadReport {
    const nowMs = performance.now()
    const [p50, p99] = [50, 99].map((part) => this.#histogram.percentile(part) / NS_PER_MS)
    const report = {
      seconds: (nowMs - this.#sinceMs) / 1_000,
      writes: this.#units * writesPerUnit,
      p50: p50!,
      p99: p99!,
      max: this.#units === 0 ? 0 : this.#histogram.max / NS_PER_MS,
      gap: Math.max(this.#gap, nowMs - this.#lastMs),
      moved: this.moved,
      errors: this.errors,
      firstError: this.firstError,
    }
    this.#histogram = createHistogram()
    this.#units = this.#gap = this.moved = this.errors = 0
    this.#sinceMs = this.#lastMs = nowMs
    this.firstError = null
    return report
  }
}

/** One connection, opened again (where MOVED points to, if that was said) when it ends. */
class Lane {
  readonly #units: readonly Unit[]
  readonly #tally: Tally
  readonly #isClosedLoop: boolean
  #port: number
  #socket: Socket | null = null
  #next = 0
  /** When each unit in flight was sent, and how many replies of the first are missing. */
  #sentMs: number[] = []
  #first = 0
  #missing = 0

  constructor(port: number, units: readonly Unit[], tally: Tally, isClosedLoop: boolean) {
    this.#port = port
    this.#units = units
    this.#tally = tally
    this.#isClosedLoop = isClosedLoop
  }

  async open(): Promise<void> {
    for (;;) {
      try {
        const counter = new ReplyCounter()
        const socket = await openSocket({host: HOST, port: this.#port})
        socket.on('error', () => undefined)
        socket.on('data', (chunk) => this.#take(socket, counter, chunk))
        socket.on('close', () => this.#lose(socket))
        this.#socket = socket
        if (this.#isClosedLoop) this.send()
        return
      } catch (error) {
        this.#tally.fail(String(error))
        await sleep(REOPEN_MS)
      }
    }
  }

  send(): void {
    if (!this.#socket) return
    const unit = this.#units[this.#next++ % this.#units.length]!
    if (this.#first === this.#sentMs.length) {
      this.#first = this.#sentMs.length = 0
      this.#missing = unit.replies
    }
    this.#sentMs.push(performance.now())
    this.#socket.write(unit.bytes)
  }

  #take(socket: Socket, counter: ReplyCounter, chunk: Buffer): void {
    if (socket !== this.#socket) return
    let replies = counter.count(chunk)
    if (counter.firstError !== undefined) return this.#refused(socket, counter.firstError)
    while (replies >= this.#missing && this.#first < this.#sentMs.length) {
      replies -= this.#missing
      this.#missing = this.#units[0]!.replies
      this.#tally.unit(this.#sentMs[this.#first++]!)
    }
    this.#missing -= replies
    if (this.#isClosedLoop && this.#first === this.#sentMs.length) this.send()
  }

  /** The rest of what is in flight is refused as well, or was written and is written again: nobody counts it. */
  #refused(socket: Socket, text: string): void {
    const moved = parseMoved(text, {host: HOST, port: this.#port})
    if (moved) {
      this.#tally.moved++
      this.#port = moved.to.port
    } else this.#tally.fail(text)
    socket.destroy()
  }

  #lose(socket: Socket): void {
    if (socket !== this.#socket) return
    this.#socket = null
    this.#sentMs = []
    this.#first = 0
    void this.open()
  }
}

class Load {
  readonly #options: LoadOptions
  readonly #tally = new Tally()
  readonly #lanes: readonly Lane[]

  constructor(options: LoadOptions) {
    this.#options = options
    const {masters, connections, rate} = options
    this.#lanes = Array.from({length: connections}, (_, index) => {
      const {port, keys} = masters[index % masters.length]!
      return new Lane(port, makeUnits(options, keys, index), this.#tally, rate === null)
    })
  }

  async start(): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.open()))
    if (this.#options.rate !== null) void this.#runAtRate(this.#options.rate)
  }

  take(): LoadReport {
    return this.#tally.take(this.#options.pipeline)
  }

  async #runAtRate(rate: number): Promise<never> {
    const startedMs = performance.now()
    for (let sent = 0; ;) {
      const due = Math.floor(((performance.now() - startedMs) * rate) / 1_000)
      for (; sent < due; sent++) this.#lanes[sent % this.#lanes.length]!.send()
      await sleep(1)
    }
  }
}

/** Different keys in every unit, as far as there are so many. */
function makeUnits({pipeline, wait, value}: LoadOptions, keys: readonly string[], offset: number): Unit[] {
  let next = offset * 7_919
  return Array.from({length: UNITS}, () => {
    const parts: Buffer[] = []
    for (let i = 0; i < pipeline; i++) {
      parts.push(encodeRequest(['SET', keys[next++ % keys.length]!, value]))
      if (wait === 'each') parts.push(WAIT)
    }
    if (wait === 'pipeline') parts.push(WAIT)
    return {bytes: Buffer.concat(parts), replies: parts.length}
  })
}

export interface LoadHandle {
  readonly pid: number
  /** What was measured since the last call. */
  take(): Promise<LoadReport>
  stop(): Promise<void>
}

/** Starts the load in a process of its own; resolves when all of its connections are open. */
export async function startLoad(options: LoadOptions): Promise<LoadHandle> {
  const worker = startWorker('load.ts', options)
  await worker.ask('start')
  return {pid: worker.pid, take: () => worker.ask<LoadReport>('take'), stop: () => worker.stop()}
}

if (import.meta.main) {
  serve((options: LoadOptions) => {
    const load = new Load(options)
    return {start: () => load.start(), take: () => load.take()}
  })
}
