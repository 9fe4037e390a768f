/**
 * One request, or one transaction, of a simulated client: goes to the node that answered for the key last, follows MOVED itself, is never repeated, and ends with
 * what the client knows: done, certainly not done, or unknown.
 */
import type {Prng} from '../base/prng.ts'
import type {Finish, Reply, WorkClient} from '../workload/types.ts'
import type {Schedule} from './schedule.ts'
import type {SimNode} from './sim-node.ts'

const TIMEOUT_MS = 3_000
const REDIRECTS_MAX = 6
const NETWORK_MS = 0.2
/** One time in so many. */
const ASKS_ANYBODY = 10

export class SimClient implements WorkClient {
  readonly #schedule: Schedule
  readonly #random: Prng
  readonly #nodes: () => readonly SimNode[]
  /** The port of the node that answered last, by key. */
  readonly #routes = new Map<string, number>()

  constructor(schedule: Schedule, random: Prng, nodes: () => readonly SimNode[]) {
    this.#schedule = schedule
    this.#random = random
    this.#nodes = nodes
  }

  /** Sends these requests in one go. `key`: of which bucket they are. */
  send(key: string, requests: readonly (readonly string[])[], then: Finish): void {
    let isOver = false
    const finish: Finish = (outcome, replies, node) => {
      if (isOver) return
      isOver = true
      if (outcome !== 'ok') this.#routes.delete(key)
      then(outcome, replies, node)
    }
    this.#schedule.after(TIMEOUT_MS, () => finish('unknown', []))
    this.#try(key, requests.map(encode), REDIRECTS_MAX, finish)
  }

  #try(key: string, requests: readonly Buffer[], redirects: number, finish: Finish): void {
    const nodes = this.#nodes().filter(({isOpen}) => isOpen)
    const known = nodes.find((node) => node.cluster.self.port === this.#routes.get(key))
    // Now and then it asks anybody, as after a restart.
    const isLost = known === undefined || this.#random.below(ASKS_ANYBODY) === 0
    if (nodes.length === 0) return finish('failed', [])
    const node = isLost ? nodes[this.#random.below(nodes.length)]! : known
    this.#schedule.after(this.#delay(), () => {
      if (!node.isOpen) {
        // Nothing listens there: it goes to another one, and gives up when it has met too many of those.
        this.#routes.delete(key)
        return redirects > 0 ? this.#try(key, requests, redirects - 1, finish) : finish('failed', [])
      }
      node.request(requests, (bytes) => {
        this.#schedule.after(this.#delay(), () => {
          if (bytes === null) return finish('unknown', [])
          const text = bytes.toString('latin1')
          const moved = /-MOVED \d+ [^:]*:(\d+)\r\n/.exec(text)
          if (moved && redirects > 0) {
            this.#routes.set(key, Number(moved[1]))
            return this.#try(key, requests, redirects - 1, finish)
          }
          const replies = parseReplies(text)
          if (replies.some((reply) => reply instanceof Error)) return finish('failed', [])
          this.#routes.set(key, node.cluster.self.port)
          finish('ok', replies, node.id.slice(0, 4))
        })
      })
    })
  }

  #delay(): number {
    return NETWORK_MS * (0.5 + this.#random.next32() / 2 ** 32)
  }
}

function encode(args: readonly string[]): Buffer {
  return Buffer.from(`*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`)
}

/** RESP2 with values that hold no line ends. */
function parseReplies(text: string): Reply[] {
  const lines = text.split('\r\n')
  let at = 0
  const next = (): Reply => {
    const line = lines[at++]!
    const rest = line.slice(1)
    if (line.startsWith('-')) return new Error(rest)
    if (line.startsWith(':')) return Number(rest)
    if (line.startsWith('*')) return Array.from({length: Number(rest)}, next)
    if (line.startsWith('$')) return rest === '-1' ? null : lines[at++]!
    return rest
  }
  const replies: Reply[] = []
  while (at < lines.length - 1) replies.push(next())
  return replies
}
