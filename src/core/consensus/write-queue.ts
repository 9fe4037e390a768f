/**
 * What is on its way to the disk, and the messages that must not leave before it arrives: a vote or an acknowledgement
 * that a crash can take back is a lie that elects two leaders.
 *
 * Writes complete in order. So one number says what is durable, and a message needs to know only the write it waits for.
 */
import {assert} from '../../base/assert.ts'
import type {RaftMessage} from './types.ts'

/** `after` is the id of the write that must be durable first; 0 for none. */
export interface HeldMessage {
  readonly to: string
  readonly message: RaftMessage
  readonly after: number
}

interface PendingWrite {
  readonly id: number
  /** The end of the log with this write, as far as later truncations left it alone. */
  lastIndex: number
}

export class WriteQueue {
  #pending: PendingWrite[] = []
  #held: HeldMessage[] = []
  #lastId = 0
  #durableId = 0
  #durableIndex: number

  /** `durableIndex`: the last entry that was durable at the start. */
  constructor(durableIndex: number) {
    this.#durableIndex = durableIndex
  }

  /** Id of the latest write; 0 before the first. */
  get lastId(): number {
    return this.#lastId
  }

  /** Our log is durable up to here, as it is now. */
  get durableIndex(): number {
    return this.#durableIndex
  }

  /** Ids for writes rise by one. `lastIndex`: where the log ends with this write. */
  issue(lastIndex: number): number {
    this.#lastId++
    this.#pending.push({id: this.#lastId, lastIndex})
    return this.#lastId
  }

  /** Entries from here on are about to be replaced: that they were written, or are being written, no longer counts. */
  forgetFrom(index: number): void {
    this.#durableIndex = Math.min(this.#durableIndex, index - 1)
    for (const write of this.#pending) write.lastIndex = Math.min(write.lastIndex, index - 1)
  }

  isDurable(id: number): boolean {
    return id <= this.#durableId
  }

  hold(message: HeldMessage): void {
    assert(message.after <= this.#lastId, 'only a write that was issued can be waited for')
    this.#held.push(message)
  }

  /** All writes up to `id` are durable: returns what may leave now, in the order in which it was held. */
  complete(id: number): readonly HeldMessage[] {
    assert(id <= this.#lastId, 'only what was handed over can be durable')
    if (id <= this.#durableId) return []
    this.#durableId = id
    for (const write of this.#pending) {
      if (write.id <= id) this.#durableIndex = Math.max(this.#durableIndex, write.lastIndex)
    }
    this.#pending = this.#pending.filter((write) => write.id > id)
    const released = this.#held.filter(({after}) => after <= id)
    this.#held = this.#held.filter(({after}) => after > id)
    return released
  }
}
