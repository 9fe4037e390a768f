/**
 * What the keys of one client must hold. Each cell (a key, or a field of a map) has one writer, which has one write of it in flight: a read
 * must give the last value that was acknowledged, or one whose write ended without an answer that says what became of it. Such a write stays
 * possible for good, since it may lie in the socket buffer of a node that is paused; once it was read, what was acknowledged before it is not.
 */

interface Cell {
  acknowledged: string | null
  readonly unknown: Set<string>
}

export class KeyBook {
  readonly #owner: string
  readonly #cells = new Map<string, Cell>()
  readonly wrongReads: string[] = []
  #count = 0

  /** `owner` begins each value, so that a reply which belongs to another client is seen. */
  constructor(owner: string) {
    this.#owner = owner
  }

  /** A new value for the cell, whose write is about to be sent. */
  begin(name: string): string {
    const value = `${this.#owner}:${name}:${++this.#count}`
    this.#cell(name).unknown.add(value)
    return value
  }

  /** The write of `value` was acknowledged. */
  acknowledge(name: string, value: string): void {
    const cell = this.#cell(name)
    cell.acknowledged = value
    cell.unknown.delete(value)
  }

  /** Judges what was read. */
  read(name: string, value: string | null): void {
    const cell = this.#cell(name)
    if (value === cell.acknowledged) return
    if (value !== null && cell.unknown.has(value)) this.acknowledge(name, value)
    else this.wrongReads.push(`${name} is ${value}, not ${[cell.acknowledged, ...cell.unknown].join(' or ')}`)
  }

  get names(): string[] {
    return [...this.#cells.keys()]
  }

  #cell(name: string): Cell {
    const known = this.#cells.get(name)
    if (known) return known
    const cell: Cell = {acknowledged: null, unknown: new Set()}
    this.#cells.set(name, cell)
    return cell
  }
}
