/**
 * Which commands must wait, and why. Two reasons that do not know of each other:
 *
 *   CLIENT PAUSE    data commands, or only writes, until a time; a second pause can only make it longer and stricter
 *   hold            writes, while a node that stops saves its data; no client can end it
 *
 * When the save is done, what still waits is refused: by then a write would be lost, and the client is better told.
 */
import {IS_ADMIN, IS_READ_ONLY, IS_WRITE} from './command/command.ts'
import type {Command} from './command/command.ts'
import type {Session} from './session.ts'

export const RUN = 0
export const WAIT = 1
export const REFUSE = 2

export class Pause {
  /** False: nothing waits. The only thing that the hot path asks. */
  isOn = false
  /** Unix ms until which clients asked for a pause; 0 = they did not. */
  #until = 0
  #isForWritesOnly = false
  #isHeld = false
  #isRefusing = false

  /** CLIENT PAUSE until this time, Unix ms. */
  begin(until: number, isForWritesOnly: boolean): void {
    this.#isForWritesOnly = isForWritesOnly && (this.#until === 0 || this.#isForWritesOnly)
    this.#until = Math.max(this.#until, until)
    this.#update()
  }

  /** CLIENT UNPAUSE. */
  end(): void {
    this.#until = 0
    this.#update()
  }

  /** Ends the pause if its time has come; true if it did. */
  tick(now: number): boolean {
    if (this.#until === 0 || now < this.#until) return false
    this.end()
    return true
  }

  hold(): void {
    this.#isHeld = true
    this.#update()
  }

  release(): void {
    this.#isHeld = false
    this.#update()
  }

  /** The node is about to be gone: no command waits any more. */
  refuse(): void {
    this.#isRefusing = true
    this.#until = 0
    this.#update()
  }

  /** What is to be done with this command of this session. */
  verdict(command: Command, session: Session): typeof RUN | typeof WAIT | typeof REFUSE {
    if (session.inTransaction && command.spec.name !== 'exec') return RUN
    const bits = command.spec.name === 'exec' ? queuedBits(session) : command.bits
    if ((bits & IS_ADMIN) !== 0) return RUN
    if ((bits & IS_WRITE) !== 0) {
      if (this.#isRefusing) return REFUSE
      return WAIT
    }
    const isData = command.firstKey !== 0 || (bits & IS_READ_ONLY) !== 0
    return isData && this.#until !== 0 && !this.#isForWritesOnly ? WAIT : RUN
  }

  #update(): void {
    this.isOn = this.#until !== 0 || this.#isHeld || this.#isRefusing
  }
}

/** All that the commands of the session's transaction do. */
function queuedBits(session: Session): number {
  let bits = 0
  for (const {command} of session.queue) bits |= command.bits & (IS_WRITE | IS_READ_ONLY)
  return bits
}
