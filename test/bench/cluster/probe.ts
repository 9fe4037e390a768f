/**
 * Worker: writes and reads a fixed set of keys and times every request until it succeeded, following whatever the cluster says meanwhile
 * (MOVED; for Redis also ASK, and TRYAGAIN by waiting). Two kinds:
 *
 *   rate      so many requests a second over all keys, sent whether or not the ones before are answered: latency under light load
 *   pauseMs   each key written again so long after its last answer: the longest time that one key could not be written
 *
 * Latency counts from the moment a request is first handed to its connection. Timers fire a millisecond late, and that is ours.
 */
import {createHistogram, type RecordableHistogram} from 'node:perf_hooks'
import {setTimeout as sleep} from 'node:timers/promises'
import {parseAddress} from '../../../src/base/address.ts'
import {ClusterClient} from '../../../src/client/cluster-client.ts'
import {isError, type Reply} from '../../../src/client/reply.ts'
import {startWorker, serve} from './worker.ts'

const HOST = '127.0.0.1'
const NS_PER_MS = 1e6
const RETRY_MS = 1
const IN_FLIGHT_MAX = 10_000

export interface ProbeOptions {
  readonly ports: readonly number[]
  readonly keys: readonly string[]
  readonly value: string
  /** Requests a second over all keys, every second one a read; or null. */
  readonly rate: number | null
  /** Pause between the writes of one key, ms; if there is no rate. */
  readonly pauseMs: number
}

/** Since the last time it was asked. Milliseconds. */
export interface ProbeReport {
  readonly count: number
  readonly p50: number
  readonly p99: number
  readonly max: number
  /** Requests that failed in a way that a client cannot follow: closed connections, other errors. They were tried again. */
  readonly failures: number
  readonly firstFailure: string | null
  /** Requests that were sent to another node, or told to wait. */
  readonly redirects: number
}

class Probe {
  readonly #options: ProbeOptions
  readonly #client: ClusterClient
  #histogram: RecordableHistogram = createHistogram()
  #failures = 0
  #firstFailure: string | null = null
  #redirects = 0
  #inFlight = 0

  constructor(options: ProbeOptions) {
    this.#options = options
    const seeds = options.ports.map((port) => ({host: HOST, port}))
    this.#client = new ClusterClient(seeds, {replyTimeoutMs: 20_000, connectTimeoutMs: 1_000})
  }

  async start(): Promise<void> {
    await this.#client.refresh()
    const {keys, rate, pauseMs} = this.#options
    for (const key of keys) await this.#request(key, false)
    this.take()
    if (rate !== null) void this.#runAtRate(rate)
    else for (const key of keys) void this.#runOn(key, pauseMs)
  }

  take(): ProbeReport {
    const histogram = this.#histogram
    const [failures, firstFailure, redirects] = [this.#failures, this.#firstFailure, this.#redirects]
    this.#histogram = createHistogram()
    this.#failures = this.#redirects = 0
    this.#firstFailure = null
    const [p50, p99] = [50, 99].map((part) => histogram.percentile(part) / NS_PER_MS)
    const max = histogram.count === 0 ? 0 : histogram.max / NS_PER_MS
    return {count: histogram.count, p50: p50!, p99: p99!, max, failures, firstFailure, redirects}
  }

  async #runAtRate(rate: number): Promise<never> {
    const {keys} = this.#options
    const startedMs = performance.now()
    for (let sent = 0; ;) {
      const due = Math.floor(((performance.now() - startedMs) * rate) / 1_000)
      for (; sent < due; sent++) {
        // A key is read and written in turn, whatever the number of keys is.
        const isRead = Math.floor(sent / keys.length) % 2 === 0
        if (this.#inFlight < IN_FLIGHT_MAX) void this.#request(keys[sent % keys.length]!, isRead)
      }
      await sleep(1)
    }
  }

  async #runOn(key: string, pauseMs: number): Promise<never> {
    for (;;) {
      await this.#request(key, false)
      await sleep(pauseMs)
    }
  }

  /** One request until it succeeded. */
  async #request(key: string, isRead: boolean): Promise<void> {
    const args = isRead ? ['GET', key] : ['SET', key, this.#options.value]
    this.#inFlight++
    const startedMs = performance.now()
    for (;;) {
      const reply = await this.#send(args, key)
      if (reply !== undefined && !isError(reply)) break
      await sleep(RETRY_MS)
    }
    const tookMs = performance.now() - startedMs
    this.#histogram.record(Math.max(1, Math.round(tookMs * NS_PER_MS)))
    this.#inFlight--
  }

  /** Undefined, or an error reply: to be tried again. */
  async #send(args: readonly string[], key: string): Promise<Reply | undefined> {
    try {
      const reply = await this.#client.send(args, key)
      if (!isError(reply)) return reply
      const [word, , where] = reply.text.split(' ')
      const address = where === undefined ? undefined : parseAddress(where)
      if (word === 'ASK' && address) {
        this.#redirects++
        const connection = await this.#client.connectionTo(address)
        const [, answer] = await Promise.all([connection.send(['ASKING']), connection.send(args)])
        return answer
      }
      if (word === 'TRYAGAIN') this.#redirects++
      else this.#fail(reply.text)
      return reply
    } catch (error) {
      this.#fail(String(error))
      return undefined
    }
  }

  #fail(text: string): void {
    this.#failures++
    this.#firstFailure ??= text
  }
}

export interface ProbeHandle {
  /** What was measured since the last call. */
  take(): Promise<ProbeReport>
  stop(): Promise<void>
}

/** Starts a probe in a process of its own and resolves once every key was written. */
export async function startProbe(options: ProbeOptions): Promise<ProbeHandle> {
  const worker = startWorker('probe.ts', options)
  await worker.ask('start')
  return {take: () => worker.ask<ProbeReport>('take'), stop: () => worker.stop()}
}

if (import.meta.main) {
  serve((options: ProbeOptions) => {
    const probe = new Probe(options)
    return {start: () => probe.start(), take: () => probe.take()}
  })
}
