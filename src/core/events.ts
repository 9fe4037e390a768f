/**
 * Keyspace notifications: what happened to which key, published to subscribers of this node (CONFIG SET notify-keyspace-events).
 *
 *   __keyspace@0__:<key>    says the event          __keyevent@0__:<event>    says the key
 *
 * Commands name their events as Redis does (`Context.notify`); expiry, eviction and new keys are named where they happen (effects.ts). Only a
 * master executes commands, so copies say nothing. While nothing is asked for `mask` is 0, and that is all that a command looks at.
 */

export const EVENT_GENERIC = 4
export const EVENT_STRING = 8
export const EVENT_MAP = 64
export const EVENT_EXPIRED = 256
export const EVENT_EVICTED = 512
export const EVENT_MISS = 2048
export const EVENT_NEW = 16_384
const BY_KEY = 1
const BY_EVENT = 2

/** Letters of the setting, in the order in which Redis gives them back. Lists, sets and their kin never happen here. */
const CLASSES: readonly (readonly [letter: string, bit: number])[] = [
  ['g', EVENT_GENERIC],
  ['$', EVENT_STRING],
  ['l', 16],
  ['s', 32],
  ['h', EVENT_MAP],
  ['z', 128],
  ['x', EVENT_EXPIRED],
  ['e', EVENT_EVICTED],
  ['t', 1024],
  ['d', 8192],
  ['n', EVENT_NEW],
]
const OTHERS: readonly (readonly [letter: string, bit: number])[] = [
  ['K', BY_KEY],
  ['E', BY_EVENT],
  ['m', EVENT_MISS],
]
/** What `A` stands for; as in Redis it hides an `n` beside it when it is shown. */
const ALL = CLASSES.reduce((bits, [, bit]) => bits | bit, 0) & ~EVENT_NEW

/** The bits of a setting such as `KEA`; null if there is a letter that means nothing. */
export function parseEvents(text: string): number | null {
  let bits = 0
  for (const letter of text) {
    const bit = letter === 'A' ? ALL : [...CLASSES, ...OTHERS].find(([known]) => known === letter)?.[1]
    if (bit === undefined) return null
    bits |= bit
  }
  return bits
}

/** As CONFIG GET shows it. */
export function formatEvents(bits: number): string {
  const classes = (bits & ALL) === ALL ? 'A' : lettersOf(CLASSES, bits)
  return classes + lettersOf(OTHERS, bits)
}

function lettersOf(table: readonly (readonly [string, number])[], bits: number): string {
  return table.map(([letter, bit]) => ((bits & bit) !== 0 ? letter : '')).join('')
}

export class KeyEvents {
  #setting = 0
  /** Classes of events that somebody is to be told; 0: none. */
  mask = 0
  /** Publishes to subscribers of this node. */
  deliver: (channel: Buffer, message: Buffer) => void = () => undefined

  get setting(): number {
    return this.#setting
  }

  set setting(bits: number) {
    this.#setting = bits
    this.mask = (bits & (BY_KEY | BY_EVENT)) === 0 ? 0 : bits & ~(BY_KEY | BY_EVENT)
  }

  /** `event` happened to the key `bytes[from, from + length)`; the caller has looked at `mask`. */
  emit(event: string, bytes: Buffer, from: number, length: number): void {
    const key = Buffer.from(bytes.subarray(from, from + length))
    const name = Buffer.from(event)
    if ((this.#setting & BY_KEY) !== 0) this.deliver(Buffer.concat([Buffer.from('__keyspace@0__:'), key]), name)
    if ((this.#setting & BY_EVENT) !== 0) this.deliver(Buffer.from(`__keyevent@0__:${event}`), key)
  }
}
