/** A kv node for benchmarks: `node kv-server.ts PORT`. The same code as `kv node start`, without the CLI around it. */
import {monitorEventLoopDelay} from 'node:perf_hooks'
import {startNode} from '../../src/node/node.ts'

await startNode({
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  maxMemoryBytes: 0,
  maxMemoryPolicy: 'noeviction',
  maxClients: 10_000,
  clientIdleTimeoutS: 0,
})

// KV_BENCH_STALLS=1: says once a second, on stderr, how long the loop was held up at worst since the last time.
if (process.env['KV_BENCH_STALLS']) {
  const delay = monitorEventLoopDelay({resolution: 1})
  delay.enable()
  setInterval(() => {
    console.error(`stall max ${(delay.max / 1e6).toFixed(1)} ms`)
    delay.reset()
  }, 1000)
}
