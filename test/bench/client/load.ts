/**
 * One measurement in a process of its own: `node load.ts LIBRARY PORT COMMAND CALLERS PIPELINE MILLISECONDS`. Warms up for a third of the time, then
 * measures. Prints `{"operations", "ms", "cpuUs"}`.
 */
import {Redis} from 'ioredis'
import {connect} from '../../../src/client/index.ts'

const [library, port, command, callers, pipeline, ms] = process.argv.slice(2)
const KEYS = 10_000
const VALUE = 'x'.repeat(64)
const names = Array.from({length: KEYS}, (_, i) => `key:${i}`)
let turn = 0
const nextKey = (): string => names[(turn = (turn + 7919) % KEYS)]!

/** Does one round: an operation, or a pipeline of them. */
type Round = () => Promise<unknown>

async function kvRound(): Promise<Round> {
  const kv = await connect(`127.0.0.1:${port}`)
  if (Number(pipeline) === 1) return command === 'get' ? () => kv.get(nextKey()) : () => kv.set(nextKey(), VALUE)
  return () => {
    const batch = kv.pipeline()
    for (let i = 0; i < Number(pipeline); i++) {
      if (command === 'get') batch.get(nextKey())
      else batch.set(nextKey(), VALUE)
    }
    return batch.run()
  }
}

async function ioredisRound(): Promise<Round> {
  const redis = new Redis(Number(port), '127.0.0.1', {enableAutoPipelining: library === 'ioredis-auto'})
  await redis.ping()
  if (Number(pipeline) === 1) return command === 'get' ? () => redis.get(nextKey()) : () => redis.set(nextKey(), VALUE)
  return () => {
    const batch = redis.pipeline()
    for (let i = 0; i < Number(pipeline); i++) {
      if (command === 'get') batch.get(nextKey())
      else batch.set(nextKey(), VALUE)
    }
    return batch.exec()
  }
}

const round = await (library === 'kv' ? kvRound() : ioredisRound())
let isOver = false
let rounds = 0
const caller = async (): Promise<void> => {
  while (!isOver) {
    await round()
    rounds++
  }
}
const all = Promise.all(Array.from({length: Number(callers)}, caller))
await new Promise((resolve) => setTimeout(resolve, Number(ms) / 3))
const before = {rounds, cpu: process.cpuUsage(), at: performance.now()}
await new Promise((resolve) => setTimeout(resolve, Number(ms)))
const {user, system} = process.cpuUsage(before.cpu)
const operations = (rounds - before.rounds) * Number(pipeline)
console.log(JSON.stringify({operations, ms: performance.now() - before.at, cpuUs: user + system}))
isOver = true
await all
process.exit(0)
