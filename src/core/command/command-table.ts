/**
 * Finds a command by its name's bytes in a request: an open hash table over the lower-cased name, no string made.
 * Hot path: measured by `npm run bench`.
 */
import type {Request} from '../../resp/request-decoder.ts'
import {Command} from './command.ts'
import type {CommandSpec} from './command.ts'

const NAME_BYTES_MAX = 64

export class CommandTable {
  readonly byName: ReadonlyMap<string, Command>
  readonly #slots: (Command | null)[]
  readonly #names: (Uint8Array | null)[]
  readonly #mask: number

  constructor(specs: readonly CommandSpec[]) {
    this.byName = new Map(specs.map((spec) => [spec.name, new Command(spec)]))
    let size = 64
    while (size < this.byName.size * 4) size *= 2
    this.#mask = size - 1
    this.#slots = new Array<Command | null>(size).fill(null)
    this.#names = new Array<Uint8Array | null>(size).fill(null)
    for (const [name, command] of this.byName) this.#add(name, command)
  }

  /** The command that argument 0 names, or null. */
  find(request: Request): Command | null {
    const bytes = request.buf
    const from = request.off[0]!
    const length = request.len[0]!
    if (length > NAME_BYTES_MAX) return null
    const end = from + length
    let hash = length
    for (let i = from; i < end; i++) hash = (Math.imul(hash, 31) + (bytes[i]! | 32)) | 0
    for (let slot = (hash ^ (hash >>> 9)) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const name = this.#names[slot]!
      if (name === null) return null
      if (isName(name, bytes, from, length)) return this.#slots[slot]!
    }
  }

  #add(name: string, command: Command): void {
    const bytes = Buffer.from(name, 'latin1')
    let hash = bytes.length
    for (const byte of bytes) hash = (Math.imul(hash, 31) + (byte | 32)) | 0
    let slot = (hash ^ (hash >>> 9)) & this.#mask
    while (this.#slots[slot] !== null) slot = (slot + 1) & this.#mask
    this.#slots[slot] = command
    this.#names[slot] = bytes
  }
}

function isName(name: Uint8Array, bytes: Buffer, from: number, length: number): boolean {
  if (name.length !== length) return false
  for (let i = 0; i < length; i++) {
    const byte = bytes[from + i]!
    const lower = byte >= 65 && byte <= 90 ? byte | 32 : byte
    if (lower !== name[i]) return false
  }
  return true
}
