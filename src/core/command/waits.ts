/**
 * Requests whose answer depends on what the cluster agrees on: they are looked at with each tick of the engine, and answered when what was
 * asked for is so, cannot be any more, or takes too long. Proposals may be lost, so each look may propose again.
 */
import type {Host} from '../host.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'
import type {Session} from '../session.ts'

export interface Wait {
  /** Who is answered; null: nobody, it is only seen to. */
  readonly session: Session | null
  /** Does what can be done now. When it is over: the function that writes the answer; else null. */
  look(): ((out: ReplyWriter) => void) | null
}

export class Waits {
  readonly #host: Host
  #waits: Wait[] = []

  constructor(host: Host) {
    this.#host = host
  }

  get count(): number {
    return this.#waits.length
  }

  /** The one that the test says yes to; undefined if there is none. */
  find<T extends Wait>(test: (wait: Wait) => wait is T): T | undefined {
    return this.#waits.find(test)
  }

  /** Looked at for the first time with the next tick. */
  add(wait: Wait): void {
    this.#waits.push(wait)
  }

  tick(): void {
    if (this.#waits.length === 0) return
    const waits = this.#waits
    this.#waits = []
    for (const wait of waits) {
      const answer = wait.look()
      if (answer === null) this.#waits.push(wait)
      else if (wait.session) this.#host.complete(wait.session, answer)
    }
  }

  /** The session is gone. */
  forget(session: Session): void {
    this.#waits = this.#waits.filter((wait) => wait.session !== session)
  }
}
