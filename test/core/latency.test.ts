/** LATENCY and what is behind it: histograms, events, and what a chunk of input tells them. */
import {describe, expect, it} from 'vitest'
import {ADVICE, LatencyHistogram} from '../../src/core/latency.ts'
import {meterChunk} from '../../src/node/chunk-meter.ts'
import {START_MS, Stage, type Client, type Plain} from './server-support.ts'

describe('a histogram', () => {
  it('puts every time into a step that ends at most a quarter above it', () => {
    for (let us = 1; us < 2 ** 30; us = Math.ceil(us * 1.07)) {
      const one = new LatencyHistogram()
      one.add(us)
      const bound = one.percentile(0.5)
      expect(bound).toBeGreaterThanOrEqual(us)
      expect(bound).toBeLessThanOrEqual(Math.max(us * 1.25, us + 1))
    }
  })

  it('bounds what is too short or too long', () => {
    const one = new LatencyHistogram()
    for (const us of [0, 0.01, -5, 1e15]) one.add(us)
    expect(one.cumulative()).toEqual([
      [1, 3],
      [2 ** 31 - 1, 4],
    ])
  })

  it('gives percentiles and cumulative counts of many', () => {
    const one = new LatencyHistogram()
    for (let us = 1; us <= 1000; us++) one.add(us)
    expect(one.percentile(0.5)).toBeGreaterThanOrEqual(500)
    expect(one.percentile(0.5)).toBeLessThanOrEqual(625)
    expect(one.percentile(1)).toBe(1023)
    expect(one.cumulative()).toEqual([1, 3, 7, 15, 31, 63, 127, 255, 511, 1023].map((us) => [us, Math.min(us, 1000)]))
    expect(new LatencyHistogram().percentile(0.99)).toBe(0)
  })
})

describe('LATENCY', () => {
  const nowS = START_MS / 1000

  it('keeps what is long enough, one sample a second, the worst of it', () => {
    const stage = new Stage()
    const client = stage.connect()
    const {latency} = stage.engine
    latency.note('command', START_MS, 500)
    expect(client.call('LATENCY', 'LATEST')).toEqual([])
    client.call('CONFIG', 'SET', 'latency-monitor-threshold', '100')
    for (const [at, ms] of [
      [0, 100],
      [500, 300.4],
      [900, 120],
      [2000, 99.9],
      [3000, 150],
    ] as const)
      latency.note('command', START_MS + at, ms)
    latency.note('gc', START_MS, 101)
    expect(client.call('LATENCY', 'LATEST')).toEqual([
      ['command', nowS + 3, 150, 300],
      ['gc', nowS, 101, 101],
    ])
    expect(client.call('LATENCY', 'HISTORY', 'command')).toEqual([
      [nowS, 300],
      [nowS + 3, 150],
    ])
    expect(client.call('LATENCY', 'HISTORY', 'nosuch')).toEqual([])
    expect(client.call('LATENCY', 'RESET', 'nosuch', 'gc')).toBe(1)
    expect(client.call('LATENCY', 'RESET')).toBe(1)
    expect(client.call('LATENCY', 'LATEST')).toEqual([])
  })

  it('is bounded, however long it goes on', () => {
    const stage = new Stage()
    stage.engine.latency.thresholdMs = 1
    for (let i = 0; i < 1000; i++) stage.engine.latency.note('command', START_MS + i * 1000, 5)
    for (let i = 0; i < 1000; i++) stage.engine.latency.note(`kind${i}`, START_MS, 5)
    const client = stage.connect()
    expect(client.call('LATENCY', 'HISTORY', 'command')).toHaveLength(160)
    expect(client.call('LATENCY', 'LATEST')).toHaveLength(16)
  })

  it('the doctor says how to begin, that all is well, or what each event means', () => {
    const stage = new Stage()
    const client = stage.connect()
    expect(client.call('LATENCY', 'DOCTOR')).toContain('CONFIG SET latency-monitor-threshold 100')
    stage.engine.latency.thresholdMs = 100
    expect(client.call('LATENCY', 'DOCTOR')).toBe('No event took 100 ms or longer.\n')
    stage.pass(5000)
    for (const name of Object.keys(ADVICE)) stage.engine.latency.note(name, START_MS, 200)
    const text = String(client.call('LATENCY', 'DOCTOR'))
    expect(text).toContain('1. command: seen in 1 second, 200 ms on average, 200 ms at worst, the last 5 s ago.\n')
    for (const advice of Object.values(ADVICE)) expect(text).toContain(advice)
  })
})

describe('what a chunk of input took', () => {
  /** Sends requests as one chunk that took so long. */
  const chunk = (stage: Stage, client: Client, us: number, ...requests: readonly (readonly string[])[]): void => {
    for (const request of requests) client.send(...request)
    client.replies()
    meterChunk(stage.engine, client.session, null, requests.length, us)
  }

  it('is a sample of its last command, a share of it in a pipeline', () => {
    const stage = new Stage()
    const client = stage.connect()
    chunk(stage, client, 40, ['GET', 'k'])
    chunk(stage, client, 400, ['SET', 'k', 'v'], ['SET', 'k', 'v'], ['GET', 'k'], ['GET', 'k'])
    chunk(stage, client, 5, ['CONFIG', 'GET', 'maxmemory'])
    expect(client.call('LATENCY', 'HISTOGRAM', 'get', 'nosuch', 'CONFIG')).toEqual([
      'get',
      ['calls', 2, 'histogram_usec', [63, 1, 127, 2]],
      'config|get',
      ['calls', 1, 'histogram_usec', [7, 1]],
    ])
    expect((client.call('LATENCY', 'HISTOGRAM') as Plain[]).filter((_, i) => i % 2 === 0)).toEqual([
      'get',
      'config|get',
    ])
    const info = String(client.call('INFO', 'commandstats', 'latencystats'))
    expect(info).toContain('cmdstat_get:calls=3,usec=440,usec_per_call=146.67,')
    expect(info).toContain('latency_percentiles_usec_get:p50=47.000,p99=111.000,p99.9=111.000')
    client.call('CONFIG', 'RESETSTAT')
    expect(client.call('LATENCY', 'HISTOGRAM')).toEqual([])
  })

  it('is an event if it took long: of a quick command alone, or of anything else', () => {
    const stage = new Stage()
    stage.engine.latency.thresholdMs = 10
    const client = stage.connect()
    chunk(stage, client, 12_000, ['GET', 'k'])
    chunk(stage, client, 20_000, ['KEYS', '*'])
    chunk(stage, client, 30_000, ['GET', 'k'], ['GET', 'k'])
    chunk(stage, client, 9_000, ['GET', 'k'])
    expect(client.call('LATENCY', 'LATEST')).toEqual([
      ['fast-command', START_MS / 1000, 12, 12],
      ['command', START_MS / 1000, 30, 30],
    ])
    expect(stage.engine.slowlog.entries.map(({durationUs}) => durationUs)).toEqual([30_000, 20_000, 12_000])
  })
})
