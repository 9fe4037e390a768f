/** `npm run bench [rounds]`: everything that README states of speed and memory, in one run beside redis-server. */
import {cpus, loadavg} from 'node:os'
import {runCpuBench} from './cpu.ts'
import {runLatencyBench} from './latency.ts'
import {runMemoryBench} from './memory.ts'

const rounds = Number(process.argv[2] ?? 7)
console.log(
  `${new Date().toISOString()}  ${cpus()[0]?.model ?? '?'} x ${cpus().length}  node ${process.version}  load ${loadavg()[0]?.toFixed(2) ?? '?'}`,
)
await runCpuBench(rounds)
console.log()
await runMemoryBench()
console.log()
await runLatencyBench(5_000_000, 3)
