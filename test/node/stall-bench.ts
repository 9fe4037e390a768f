/**
 * How long the loop of a node stalls while it saves and while it loads, by hand: `node test/node/stall-bench.ts [keys] [bytes]`.
 * The node runs in this process; a client of it only polls. Prints the longest turns of the loop, in ms of the clock and in
 * ms of CPU time of this thread: on a machine that is busy with other work the clock counts what others take.
 */
import {mkdtempSync, rmSync, statSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {monitorEventLoopDelay} from 'node:perf_hooks'
import {startNode} from '../../src/node/node.ts'
import {encodeCommand, rawConnection, type RawConnection} from '../support/raw-connection.ts'
import {sleep} from '../support/wait.ts'
import type {RunningNode} from '../../src/node/options.ts'

const [keys, bytes] = [Number(process.argv[2] ?? 300_000), Number(process.argv[3] ?? 100)]
const folder = mkdtempSync(join(tmpdir(), 'kv-stall-'))
const saveFile = join(folder, 'data')

function start(): Promise<RunningNode> {
  return startNode({
    host: '127.0.0.1',
    port: 0,
    maxMemoryBytes: 0,
    maxMemoryPolicy: 'noeviction',
    maxClients: 100,
    clientIdleTimeoutS: 0,
    saveFile,
  })
}

async function fill(client: RawConnection, prefix: string): Promise<void> {
  const value = 'v'.repeat(bytes)
  for (let i = 0; i < keys; i += 1000) {
    client.write(
      Buffer.concat(Array.from({length: 1000}, (_, j) => encodeCommand(['SET', `${prefix}${i + j}`, value]))),
    )
    await client.replies(1000, 60_000)
  }
}

/** Does `work` and prints how long the loop stalled at worst. */
async function measure(what: string, work: () => Promise<unknown>): Promise<void> {
  await sleep(500)
  const delay = monitorEventLoopDelay({resolution: 1})
  delay.enable()
  let isOver = false
  let before = cpuMs()
  let longest = 0
  const turn = (): void => {
    const now = cpuMs()
    longest = Math.max(longest, now - before)
    before = now
    if (!isOver) setImmediate(turn)
  }
  turn()
  const began = performance.now()
  await work()
  const took = performance.now() - began
  isOver = true
  delay.disable()
  const max = (delay.max / 1e6).toFixed(1)
  console.log(
    `${what.padEnd(32)} ${took.toFixed(0).padStart(6)} ms; longest turn ${longest.toFixed(1).padStart(6)} ms of CPU, ${max.padStart(6)} of the clock`,
  )
}

/** CPU time of this thread, ms. */
function cpuMs(): number {
  const {user, system} = process.threadCpuUsage()
  return (user + system) / 1000
}

async function saved(client: RawConnection): Promise<void> {
  await client.call('BGSAVE')
  while ((await client.call('INFO', 'persistence')).includes('rdb_bgsave_in_progress:1')) await sleep(5)
}

let node = await start()
let client = await rawConnection(node.address.port)
await fill(client, 'key:')
console.log(`${keys} keys of ${bytes} bytes`)
await measure('nothing', () => sleep(2000))
for (let i = 0; i < 3; i++) await measure('BGSAVE', () => saved(client))
console.log(`file: ${(statSync(saveFile).size / 2 ** 20).toFixed(0)} MB`)
await measure('BGSAVE, written to meanwhile', () =>
  Promise.all([saved(client), (async () => fill(await rawConnection(node.address.port), 'key:'))()]),
)
await measure('orderly stop', () => node.stop('bench'))
await measure('start', async () => (node = await start()))
client = await rawConnection(node.address.port)
await client.call('FLUSHALL')
await fill(client, '{one}')
await measure('BGSAVE of one bucket', () => saved(client))
client.close()
await node.stop('bench')
rmSync(folder, {recursive: true})
