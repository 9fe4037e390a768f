/** A well-behaved client next to a badly behaved one: it must be served all the time, and it measures how well. */
import {encodeCommand, rawConnection, type RawConnection} from '../../support/raw-connection.ts'
import {sleep} from '../../support/wait.ts'

export interface Service {
  readonly requests: number
  /** Longest wait for a reply, ms. */
  readonly worstMs: number
}

const PAUSE_MS = 5
const REPLY_TIMEOUT_MS = 10_000

export class Bystander {
  readonly #connection: RawConnection
  #worstMs = 0
  #requests = 0
  #stopped = false
  readonly #work: Promise<void>

  private constructor(connection: RawConnection) {
    this.#connection = connection
    this.#work = this.#run()
    // Looked at in stop(); until then nobody awaits it.
    this.#work.catch(() => undefined)
  }

  static async start(port: number): Promise<Bystander> {
    return new Bystander(await rawConnection(port))
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      const start = performance.now()
      this.#connection.write(encodeCommand(['ECHO', this.#requests]))
      const reply = (await this.#connection.reply(REPLY_TIMEOUT_MS)).toString()
      const want = `$${String(this.#requests).length}\r\n${this.#requests}\r\n`
      if (reply !== want) throw new Error(`a bystander asked for ${want} and got ${reply}`)
      this.#worstMs = Math.max(this.#worstMs, performance.now() - start)
      this.#requests += 1
      await sleep(PAUSE_MS)
    }
  }

  /** Ends it; throws if it was not served. */
  async stop(): Promise<Service> {
    this.#stopped = true
    await this.#work
    this.#connection.close()
    return {requests: this.#requests, worstMs: this.#worstMs}
  }
}

/** Does `work` while a bystander is being served. */
export async function besideBystander(port: number, work: () => Promise<void>): Promise<Service> {
  const bystander = await Bystander.start(port)
  try {
    await work()
  } finally {
    await bystander.stop()
  }
  return bystander.stop()
}
