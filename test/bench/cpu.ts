/**
 * CPU per operation beside redis-server, in one run: `node test/bench/cpu.ts [rounds] [filter]`. Servers take turns within each
 * round on one core, the load runs on the other; medians of the rounds, so that a noisy neighbour hits all alike.
 * VALKEY_SERVER names a valkey-server to measure too.
 */
import {cpuUs, median, redisBenchmark, startKv, startRedisLike} from './processes.ts'
import type {BenchServer} from './processes.ts'

interface Case {
  readonly name: string
  readonly command: readonly string[]
  readonly pipeline: number
  readonly requests: number
  /** CPU per operation against Redis that we want. */
  readonly bar: number
}

const VALUE = 'x'.repeat(64)
const KEYS = 100_000
const COMMANDS: readonly (readonly [string, readonly string[], number])[] = [
  ['SET', ['set', 'key:__rand_int__', VALUE], 0.85],
  ['GET', ['get', 'key:__rand_int__'], 0.85],
  ['HSET', ['hset', 'map:__rand_int__', 'field', VALUE], 1],
  ['HGET', ['hget', 'map:__rand_int__', 'field'], 1],
]
const CASES: readonly Case[] = [
  ...COMMANDS.map(([name, command, bar]) => ({name: `${name} -P 16`, command, pipeline: 16, requests: 600_000, bar})),
  ...COMMANDS.slice(0, 2).map(([name, command]) => ({
    name: `${name} -P 1`,
    command,
    pipeline: 1,
    requests: 150_000,
    bar: 1.1,
  })),
]

interface Sample {
  readonly cpu: number
  readonly rate: number
  readonly p50: number
  readonly p99: number
}

function sample(server: BenchServer, one: Case): Sample {
  const before = cpuUs(server.pid)
  const result = redisBenchmark(server.port, one.requests, one.pipeline, KEYS, one.command)
  const cpu = (cpuUs(server.pid) - before) / one.requests
  return {cpu, rate: result.operationsPerSecond, p50: result.p50Ms, p99: result.p99Ms}
}

/** Runs all cases; returns, per case, CPU per operation against the first server. */
export async function runCpuBench(rounds: number, filter = ''): Promise<void> {
  const servers = [await startRedisLike('redis', 'redis-server'), await startKv()]
  if (process.env['KV_BENCH_OTHER']) servers.push(await startKv('other', process.env['KV_BENCH_OTHER']))
  if (process.env['VALKEY_SERVER']) servers.push(await startRedisLike('valkey', process.env['VALKEY_SERVER']))
  try {
    console.log('case         server   CPU us/op   ratio   bar    op/s      p50 ms   p99 ms')
    for (const one of CASES.filter((candidate) => candidate.name.includes(filter))) {
      const samples = servers.map(() => [] as Sample[])
      for (const server of servers) sample(server, {...one, requests: one.requests / 3})
      for (let round = 0; round < rounds; round++) {
        for (const [i, server] of servers.entries()) samples[i]!.push(sample(server, one))
      }
      const base = median(samples[0]!.map((s) => s.cpu))
      for (const [i, server] of servers.entries()) {
        const of = (pick: (s: Sample) => number): number => median(samples[i]!.map(pick))
        const cpu = of((s) => s.cpu)
        console.log(
          `${one.name.padEnd(12)} ${server.name.padEnd(8)} ${cpu.toFixed(3).padStart(9)} ${(cpu / base).toFixed(2).padStart(7)} ` +
            `${(i === 0 ? '' : one.bar.toFixed(2)).padStart(6)} ${Math.round(of((s) => s.rate))
              .toString()
              .padStart(8)} ` +
            `${of((s) => s.p50)
              .toFixed(3)
              .padStart(8)} ${of((s) => s.p99)
              .toFixed(3)
              .padStart(8)}`,
        )
      }
    }
  } finally {
    for (const server of servers) await server.stop()
  }
}

if (import.meta.main) await runCpuBench(Number(process.argv[2] ?? 5), process.argv[3])
