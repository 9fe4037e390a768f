/** A kv node for benchmarks: `node kv-server.ts PORT`. The same code as `kv node start`, without the CLI around it. */
import {startNode} from '../../src/node/node.ts'

await startNode({
  host: '127.0.0.1',
  port: Number(process.argv[2]),
  maxMemoryBytes: 0,
  maxMemoryPolicy: 'noeviction',
  maxClients: 10_000,
  clientIdleTimeoutS: 0,
})
