/**
 * Tail latency with 5 M keys at half load beside redis-server, and the longest stall of our loop: `node test/bench/latency.ts
 * [keys] [rounds]`. Half load is half of what Redis can take; the rate is held whatever the server does, and latency
 * counts from when a request was due.
 */
import {kvBench} from './load.ts'
import {median, startKv, startRedisLike} from './processes.ts'

const SECONDS = '10'
/** p99.9 against Redis that we want. */
const BAR = 1.5

export async function runLatencyBench(keys: number, rounds: number): Promise<void> {
  const servers = [await startRedisLike('redis', 'redis-server'), await startKv()]
  try {
    const size = ['--keys', String(keys), '--value-size', '64', '--prefix', 'key:']
    for (const server of servers)
      kvBench(server.port, '--mix', 'get', '--requests', '1000', '--pipeline', '16', ...size)
    const full = kvBench(servers[0]!.port, '--mix', 'get:1,set:1', '--requests', '300000', '--no-load', ...size)
    const rate = Math.round(full.requestsPerSecond / 2)
    console.log(`${keys} keys, GET:SET 1:1, ${rate} requests/s (half of what Redis takes), ${SECONDS} s a round`)
    const tails = servers.map(() => ({
      p50: [] as number[],
      p99: [] as number[],
      p999: [] as number[],
      max: [] as number[],
    }))
    for (let round = 0; round < rounds; round++) {
      for (const [i, server] of servers.entries()) {
        const {latencyMs} = kvBench(
          server.port,
          '--mix',
          'get:1,set:1',
          '--rate',
          String(rate),
          '--seconds',
          SECONDS,
          '--no-load',
          ...size,
        )
        tails[i]!.p50.push(latencyMs.p50)
        tails[i]!.p99.push(latencyMs.p99)
        tails[i]!.p999.push(latencyMs.p999)
        tails[i]!.max.push(latencyMs.max)
      }
    }
    console.log('server    p50 ms    p99 ms  p99.9 ms    max ms   ratio (p99.9)   bar')
    const base = median(tails[0]!.p999)
    for (const [i, server] of servers.entries()) {
      const of = tails[i]!
      const figures = [of.p50, of.p99, of.p999, of.max].map((values) => median(values).toFixed(3).padStart(9))
      console.log(
        `${server.name.padEnd(7)} ${figures.join(' ')} ${(median(of.p999) / base).toFixed(2).padStart(15)} ${i === 0 ? '' : BAR}`,
      )
    }
  } finally {
    for (const server of servers) await server.stop()
  }
}

if (import.meta.main) await runLatencyBench(Number(process.argv[2] ?? 5_000_000), Number(process.argv[3] ?? 3))
