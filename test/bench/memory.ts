/** Memory per key beside redis-server: `node test/bench/memory.ts`. Resident bytes with 1 M keys above resident bytes when empty. */
import {setTimeout as sleep} from 'node:timers/promises'
import {kvBench} from './load.ts'
import {residentBytes, startKv, startRedisLike} from './processes.ts'

const KEYS = 1_000_000
const VALUE_BYTES = 100
/** Resident bytes per key against Redis that we want. */
const BAR = 0.75

export async function runMemoryBench(): Promise<void> {
  const servers = [await startRedisLike('redis', 'redis-server'), await startKv()]
  if (process.env['VALKEY_SERVER']) servers.push(await startRedisLike('valkey', process.env['VALKEY_SERVER']))
  try {
    console.log(`bytes per key, ${KEYS} keys, values of ${VALUE_BYTES} bytes (resident above empty)`)
    console.log('server   bytes/key   ratio    bar')
    let base = 0
    for (const [i, server] of servers.entries()) {
      const empty = residentBytes(server.pid)
      const size = ['--keys', String(KEYS), '--value-size', String(VALUE_BYTES)]
      kvBench(server.port, '--mix', 'get', '--requests', '1000', '--prefix', 'key:', ...size)
      await sleep(2000)
      const perKey = (residentBytes(server.pid) - empty) / KEYS
      if (i === 0) base = perKey
      console.log(
        `${server.name.padEnd(8)} ${perKey.toFixed(1).padStart(9)} ${(perKey / base).toFixed(2).padStart(7)} ${(i === 0 ? '' : BAR.toFixed(2)).padStart(6)}`,
      )
    }
  } finally {
    for (const server of servers) await server.stop()
  }
}

if (import.meta.main) await runMemoryBench()
