/**
 * `npm run bench:client [rounds] [milliseconds]`: the client library beside ioredis against one kv node, which has a core of its own. They take turns within
 * each round, each in a fresh process on the other core; medians of the rounds. On a busy machine only the CPU time says something.
 */
import {spawnSync} from 'node:child_process'
import {join} from 'node:path'
import {LOAD_CORE, median, startKv} from '../processes.ts'

const rounds = Number(process.argv[2] ?? 5)
const ms = Number(process.argv[3] ?? 1_500)
const LIBRARIES = ['ioredis', 'ioredis-auto', 'kv'] as const
/** Command, concurrent callers, commands of a pipeline. */
const CASES: readonly (readonly ['get' | 'set', number, number])[] = [
  ['get', 1, 1],
  ['set', 1, 1],
  ['get', 16, 1],
  ['set', 16, 1],
  ['get', 100, 1],
  ['set', 100, 1],
  ['get', 1, 100],
  ['set', 1, 100],
]

interface Sample {
  readonly operations: number
  readonly ms: number
  readonly cpuUs: number
}

function measure(library: string, port: number, [command, callers, pipeline]: (typeof CASES)[number]): Sample {
  const load = [join(import.meta.dirname, 'load.ts'), library, port, command, callers, pipeline, ms].map(String)
  const done = spawnSync('taskset', ['-c', LOAD_CORE, process.execPath, ...load], {encoding: 'utf8', timeout: 60_000})
  if (done.status !== 0) throw new Error(`${library}: ${done.stderr}`)
  return JSON.parse(done.stdout) as Sample
}

const server = await startKv()
try {
  // Values to be read.
  measure('kv', server.port, ['set', 100, 1])
  console.log('command callers pipeline library           op/s   CPU us/op   op/s and CPU against ioredis')
  for (const one of CASES) {
    const samples = LIBRARIES.map(() => [] as Sample[])
    for (let round = 0; round < rounds; round++) {
      for (const [i, library] of LIBRARIES.entries()) samples[i]!.push(measure(library, server.port, one))
    }
    const figures = samples.map((list) => ({
      rate: median(list.map(({operations, ms: took}) => (operations / took) * 1_000)),
      cpu: median(list.map(({operations, cpuUs}) => cpuUs / operations)),
    }))
    for (const [i, library] of LIBRARIES.entries()) {
      const {rate, cpu} = figures[i]!
      const ratios = `${(rate / figures[0]!.rate).toFixed(2)}  ${(cpu / figures[0]!.cpu).toFixed(2)}`
      console.log(
        `${one[0].padEnd(7)} ${String(one[1]).padStart(7)} ${String(one[2]).padStart(8)} ${library.padEnd(12)} ` +
          `${String(Math.round(rate)).padStart(9)} ${cpu.toFixed(2).padStart(11)}   ${ratios}`,
      )
    }
  }
} finally {
  await server.stop()
}
