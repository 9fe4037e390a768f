/**
 * Many clients at once, each with pipelines of its own, cut at random, some of whose requests wait: for a pause, for a job of
 * several turns. Whatever is served together in a turn of the loop, everybody gets exactly their own replies, in order.
 * `KV_FUZZ_SEED` repeats the requests of a run.
 */
import {expect, it} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {encodeCommand, type Arg, type RawConnection} from '../support/raw-connection.ts'
import {sleep} from '../support/wait.ts'
import {connectTo, nodeChild} from './live-node.ts'

const SEED = Number(process.env['KV_FUZZ_SEED'] ?? 20_261_125)
const CLIENTS = 24
const ROUNDS = 14
const PIPELINE_MAX = 60
const MAP_FIELDS = 3000

interface Expected {
  readonly args: readonly Arg[]
  readonly reply: string
}

const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`

/** A client's keys are its own, so it knows what it will be told. */
class Script {
  readonly #prng: Prng
  readonly #tag: string
  #counter = 0
  #value: string | null = null
  #sent = 0

  constructor(seed: number, id: number) {
    this.#prng = new Prng(seed)
    this.#tag = `c${id}`
  }

  pipeline(): Expected[] {
    const steps: Expected[] = []
    for (let left = 1 + this.#prng.below(PIPELINE_MAX); left > 0; left--) steps.push(...this.#step())
    return steps
  }

  #step(): Expected[] {
    const [counter, key, map] = [`{${this.#tag}}n`, `{${this.#tag}}k`, `{${this.#tag}}map`]
    switch (this.#prng.below(12)) {
      case 0:
        return [{args: ['INCR', counter], reply: `:${++this.#counter}\r\n`}]
      case 1:
        this.#value = 'v'.repeat(this.#prng.below(this.#prng.below(6) === 0 ? 200_000 : 5000))
        return [{args: ['SET', key, this.#value], reply: '+OK\r\n'}]
      case 2:
      case 3:
        return [{args: ['GET', key], reply: this.#value === null ? '$-1\r\n' : bulk(this.#value)}]
      case 4:
        return this.#transaction(counter)
      case 5:
        // A job of several turns: the client waits for it, and so does all that it sent behind.
        return [{args: ['COPY', map, `${map}2`, 'REPLACE'], reply: ':1\r\n'}]
      case 6:
        return [
          {
            args: ['NOSUCH', this.#tag],
            reply: `-ERR unknown command 'NOSUCH', with args beginning with: '${this.#tag}' \r\n`,
          },
        ]
      case 7:
        if (this.#prng.below(8) > 0) return []
        return [
          {
            args: ['CLIENT', 'PAUSE', 1 + this.#prng.below(15), this.#prng.below(2) === 0 ? 'ALL' : 'WRITE'],
            reply: '+OK\r\n',
          },
        ]
      case 8:
        return [{args: ['HLEN', map], reply: `:${MAP_FIELDS}\r\n`}]
      default: {
        const text = `${this.#tag}:${this.#sent++}:${'e'.repeat(this.#prng.below(this.#prng.below(10) === 0 ? 60_000 : 60))}`
        return [{args: ['ECHO', text], reply: bulk(text)}]
      }
    }
  }

  #transaction(counter: string): Expected[] {
    const replies: string[] = []
    const steps: Expected[] = [{args: ['MULTI'], reply: '+OK\r\n'}]
    for (let left = 1 + this.#prng.below(4); left > 0; left--) {
      steps.push({args: ['INCR', counter], reply: '+QUEUED\r\n'})
      replies.push(`:${++this.#counter}\r\n`)
    }
    return [...steps, {args: ['EXEC'], reply: `*${replies.length}\r\n${replies.join('')}`}]
  }
}

async function play(client: RawConnection, id: number): Promise<void> {
  const script = new Script(SEED + id, id)
  const prng = new Prng(SEED * 31 + id)
  for (let round = 0; round < ROUNDS; round++) {
    const steps = script.pipeline()
    const bytes = Buffer.concat(steps.map(({args}) => encodeCommand(args)))
    if (prng.below(3) === 0) await client.writeChunked(bytes, () => 1 + prng.below(8000))
    else client.write(bytes)
    for (const [i, {args, reply}] of steps.entries()) {
      const got = (await client.reply(30_000)).toString('latin1')
      if (got !== reply) {
        expect(
          got.slice(0, 200),
          `seed ${SEED}, client ${id}, round ${round}, step ${i}: ${args.join(' ').slice(0, 80)}`,
        ).toBe(reply.slice(0, 200))
      }
      expect(got.length).toBe(reply.length)
    }
    if (prng.below(10) === 0) await sleep(prng.below(10))
  }
  expect(client.takeAll()).toHaveLength(0)
}

it('everybody gets their own replies, in order', async () => {
  const child = await nodeChild()
  const clients = await Promise.all(Array.from({length: CLIENTS}, () => connectTo(child.port)))
  const fields = Array.from({length: MAP_FIELDS}, (_, i) => [`f${i}`, 'v']).flat()
  for (const [id, client] of clients.entries()) await client.call('HSET', `{c${id}}map`, ...fields)
  // A monitor's messages are woven in between, and nobody else sees them.
  const monitor = await connectTo(child.port)
  monitor.write('MONITOR\r\n')
  await Promise.all(clients.map((client, id) => play(client, id)))
  expect(monitor.receivedBytes).toBeGreaterThan(100_000)
  child.process.kill('SIGTERM')
  expect(await child.exited).toBe(0)
  expect(child.stderr()).toBe('')
})
