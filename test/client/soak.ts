/**
 * Operations of every kind through the client library, many at a time, on a node in a process of its own; shows how the heap does. `npm run soak:client [operations]`
 * (20 M by default) exits 1 if it grew. The client lives in this process, so run it with --expose-gc.
 */
import {connect, type KvClient} from '../../src/client/index.ts'
import {startKvChild} from '../support/kv.ts'

const AT_A_TIME = 200

export interface Soaked {
  /** Bytes on the heap after a full collection, at equal distances. */
  readonly heapBytes: readonly number[]
  readonly errors: number
}

/** Does so many operations; every tenth part of them the heap is measured. A few calls time out and are aborted on purpose: these paths leak most easily. */
export async function soak(operations: number, say: (text: string) => void = () => undefined): Promise<Soaked> {
  const node = await startKvChild()
  const kv = await connect(`127.0.0.1:${node.port}`)
  const heapBytes: number[] = []
  let errors = 0
  let done = 0
  try {
    for (let part = 0; part < 10; part++) {
      for (const end = (operations / 10) * (part + 1); done < end; done += AT_A_TIME) {
        const calls = Array.from({length: AT_A_TIME}, (_, i) => one(kv, done + i))
        for (const {status} of await Promise.allSettled(calls)) if (status === 'rejected') errors++
      }
      globalThis.gc?.()
      heapBytes.push(process.memoryUsage().heapUsed)
      say(`${done} operations, ${(heapBytes.at(-1)! / 2 ** 20).toFixed(1)} MB on the heap, ${errors} errors`)
    }
  } finally {
    await kv.close()
    await node.stop()
  }
  return {heapBytes, errors}
}

const lasting = new AbortController()

function one(kv: KvClient, number: number): Promise<unknown> {
  const key = `soak:${number % 1_000}`
  switch (number % 100) {
    case 0:
      return kv.transaction([key], (tx) => tx.increment(`{${key}}n`))
    case 1:
      return kv.pipeline().set(key, number).get(key).run()
    case 2:
      return kv.map(`map:${number % 50}`).set({a: number, b: 'x'})
    case 3:
      return kv.set(key, number, {signal: AbortSignal.abort()})
    case 4:
      return kv.get(key, {signal: lasting.signal, timeoutMs: 10_000})
    case 5:
      return kv.map(`map:${number % 50}`).getAll()
    default:
      return number % 2 === 0 ? kv.get(key) : kv.set(key, number)
  }
}

if (import.meta.main) {
  const {heapBytes} = await soak(Number(process.argv[2] ?? 20_000_000), (text) => console.log(text))
  const grownBytes = heapBytes.at(-1)! - heapBytes[1]!
  console.log(`grown by ${(grownBytes / 2 ** 20).toFixed(1)} MB since the second tenth`)
  process.exit(grownBytes > 4 * 2 ** 20 ? 1 : 0)
}
