/**
 * Values that are written once in a run: a number, and what fills them up to their size. The checker keeps the number alone; what is read must be filled as it was
 * written, else all of it is kept, and the checker finds a value that nobody wrote.
 */

const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789'

export class Values {
  readonly #filler: string
  #count = 0

  /** `bytes`: of each value, about; a value is never shorter than its number. */
  constructor(bytes: number) {
    this.#filler = LETTERS.repeat(Math.ceil(bytes / LETTERS.length)).slice(0, bytes)
  }

  /** A name that was not given before. */
  next(): string {
    return `v${++this.#count}`
  }

  /** What is stored for this name. */
  stored(name: string): string {
    return name.length + 1 < this.#filler.length ? `${name}.${this.#filler.slice(name.length + 1)}` : name
  }

  /** The name of what was read; all of it, if it is not as it was stored. */
  nameOf(read: string): string {
    const dot = read.indexOf('.')
    if (dot < 0) return read
    const name = read.slice(0, dot)
    return this.stored(name) === read ? name : read
  }
}
