/**
 * Requests made ahead: each operation is encoded once, and a request is that template copied with the digits of its key
 * written over. Per request that costs a copy of some hundred bytes and no object.
 */
import {encodeRequest} from '../../client/encoder.ts'
import {OPERATIONS, type OperationName, type Share} from './mix.ts'

/** Digits of a key's number; every key is equally long. */
const KEY_DIGITS = 10
const ZERO = 0x30

export interface KeySpace {
  readonly prefix: string
  /** Elements: strings, fields or counters. */
  readonly size: number
}

/** The name of the key that holds an element. */
export function keyName(space: KeySpace, operation: OperationName, element: number): string {
  const {family, elementsPerKey} = OPERATIONS[operation]
  const digits = String(Math.floor(element / elementsPerKey)).padStart(KEY_DIGITS, '0')
  return `${space.prefix}${family}:${digits}`
}

/** One operation, encoded, with the places to write over. */
class Template {
  readonly bytes: Buffer
  readonly #keyAt: number
  readonly #fieldAt: number
  readonly #elementsPerKey: number

  constructor(space: KeySpace, name: OperationName, value: Uint8Array) {
    const {args, elementsPerKey} = OPERATIONS[name]
    const key = keyName(space, name, 0)
    this.bytes = encodeRequest(args(key, 'f0', value))
    this.#keyAt = this.bytes.indexOf(key) + key.length - KEY_DIGITS
    const field = this.bytes.indexOf('\r\nf0\r\n')
    this.#fieldAt = elementsPerKey > 1 ? field + 3 : -1
    this.#elementsPerKey = elementsPerKey
  }

  /** Writes the request for an element; returns where it ends. */
  write(out: Buffer, at: number, element: number): number {
    out.set(this.bytes, at)
    let key = element
    if (this.#fieldAt >= 0) {
      key = Math.floor(element / this.#elementsPerKey)
      out[at + this.#fieldAt] = ZERO + (element - key * this.#elementsPerKey)
    }
    for (let digit = at + this.#keyAt + KEY_DIGITS - 1; key > 0; digit--) {
      const rest = Math.floor(key / 10)
      out[digit] = ZERO + (key - rest * 10)
      key = rest
    }
    return at + this.bytes.length
  }
}

/** Where a lane takes its requests from. `write` is called once per request, in sending order. */
export interface RequestSource {
  /** Largest request, bytes. */
  readonly bytesMax: number
  /** Index of the operation that `write` wrote last. */
  readonly operation: number
  /** Requests that it still has; Infinity if it never ends. */
  readonly remaining: number
  write(out: Buffer, at: number): number
}

/** Elements that one master holds, for each operation of a mix; undefined = all of them. */
export type ElementChoice = readonly (Uint32Array | undefined)[]

/** A mix over random elements, for ever. */
export class MixSource implements RequestSource {
  readonly bytesMax: number
  readonly remaining = Infinity
  operation = 0
  readonly #templates: readonly Template[]
  /** Sums of the weights up to and with each operation. */
  readonly #bounds: readonly number[]
  readonly #choice: ElementChoice
  readonly #size: number

  constructor(mix: readonly Share[], space: KeySpace, value: Uint8Array, choice: ElementChoice) {
    this.#templates = mix.map(({name}) => new Template(space, name, value))
    let sum = 0
    this.#bounds = mix.map(({weight}) => (sum += weight))
    this.#choice = choice
    this.#size = space.size
    this.bytesMax = Math.max(...this.#templates.map((template) => template.bytes.length))
  }

  write(out: Buffer, at: number): number {
    const draw = Math.random() * this.#bounds.at(-1)!
    let operation = 0
    while (draw >= this.#bounds[operation]!) operation++
    this.operation = operation
    const elements = this.#choice[operation]
    const element = elements
      ? elements[Math.floor(Math.random() * elements.length)]!
      : Math.floor(Math.random() * this.#size)
    return this.#templates[operation]!.write(out, at, element)
  }
}

/** One operation over the elements first, first + step, ... of a master's: how the data is loaded. */
export class LoadSource implements RequestSource {
  readonly bytesMax: number
  readonly operation = 0
  remaining: number
  readonly #template: Template
  readonly #elements: Uint32Array | undefined
  readonly #step: number
  #next: number

  constructor(
    name: OperationName,
    space: KeySpace,
    value: Uint8Array,
    part: {elements: Uint32Array | undefined; first: number; step: number},
  ) {
    this.#template = new Template(space, name, value)
    this.#elements = part.elements
    this.#next = part.first
    this.#step = part.step
    const size = part.elements?.length ?? space.size
    this.remaining = Math.max(0, Math.ceil((size - part.first) / part.step))
    this.bytesMax = this.#template.bytes.length
  }

  write(out: Buffer, at: number): number {
    this.remaining--
    const place = this.#next
    this.#next += this.#step
    return this.#template.write(out, at, this.#elements ? this.#elements[place]! : place)
  }
}

/** A value of printable bytes, the same for every write of a run. */
export function makeValue(size: number): Buffer {
  const value = Buffer.allocUnsafe(size)
  for (let at = 0; at < size; at++) value[at] = 0x61 + Math.floor(Math.random() * 26)
  return value
}
