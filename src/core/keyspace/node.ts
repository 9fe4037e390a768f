/**
 * A node is one block that holds one key with its value, or one field of a large map with its value.
 *
 *   word 0  next node of the same slot (pointer, 0 = end)
 *   word 1  hash of the key
 *   word 2  key length << 8 | flags                      0 = the block is free
 *   word 3  value length, bytes; of a large map: pointer to its table's descriptor
 *   word 4  key: when it was last used, seconds; field: descriptor of the map it belongs to
 *   --- only with an expiry:
 *   word 5, 8  neighbours in the expiry wheel
 *   word 6-7   expiry, Unix ms, float64
 *   --- then the key's bytes, then the value's bytes, unaligned
 *
 * These functions are the only ones that know the layout.
 */
import {NO_EXPIRY} from '../../record/codec.ts'
import {GRANULE_MASK, PAGE_SHIFT} from './memory.ts'
import type {Memory} from './memory.ts'

export const FLAG_EXPIRES = 1
export const FLAG_MAP = 2
/** A map whose fields are nodes of their own; without it the fields are packed in the value. */
export const FLAG_LARGE = 4
export const FLAG_FIELD = 8
/** A string that APPEND or SETRANGE wrote: `OBJECT ENCODING` says raw. */
export const FLAG_RAW = 16
/** Always set in a live node, so that word 2 is never 0. */
export const FLAG_LIVE = 128

export const WORD_NEXT = 0
export const WORD_HASH = 1
export const WORD_KEY = 2
export const WORD_VALUE = 3
export const WORD_USED = 4
export const WORD_WHEEL_PREVIOUS = 5
export const WORD_WHEEL_NEXT = 8
const DOUBLE_EXPIRE_AT = 3

const HEADER_BYTES = 20
const HEADER_EXPIRES_BYTES = 36

export {NO_EXPIRY}

export function headerBytes(flags: number): number {
  return (flags & FLAG_EXPIRES) !== 0 ? HEADER_EXPIRES_BYTES : HEADER_BYTES
}

/** Index of the node's word 0 in `memory.words[page]`. */
export function wordIndex(pointer: number): number {
  return (pointer & GRANULE_MASK) << 1
}

export function pageBytes(memory: Memory, pointer: number): Buffer {
  return memory.bytes[pointer >>> PAGE_SHIFT]!
}

export function word(memory: Memory, pointer: number, index: number): number {
  return memory.words[pointer >>> PAGE_SHIFT]![((pointer & GRANULE_MASK) << 1) + index]!
}

export function setWord(memory: Memory, pointer: number, index: number, value: number): void {
  memory.words[pointer >>> PAGE_SHIFT]![((pointer & GRANULE_MASK) << 1) + index] = value
}

export function nodeFlags(memory: Memory, pointer: number): number {
  return word(memory, pointer, WORD_KEY) & 0xff
}

export function isMap(memory: Memory, pointer: number): boolean {
  return (word(memory, pointer, WORD_KEY) & FLAG_MAP) !== 0
}

export function isLargeMap(memory: Memory, pointer: number): boolean {
  return (word(memory, pointer, WORD_KEY) & FLAG_LARGE) !== 0
}

export function keyLength(memory: Memory, pointer: number): number {
  return word(memory, pointer, WORD_KEY) >>> 8
}

/** Offset of the key in `pageBytes(memory, pointer)`. */
export function keyOffset(memory: Memory, pointer: number): number {
  const flags = word(memory, pointer, WORD_KEY) & FLAG_EXPIRES
  return ((pointer & GRANULE_MASK) << 3) + (flags !== 0 ? HEADER_EXPIRES_BYTES : HEADER_BYTES)
}

/** Length of a string's value, or of a packed map's fields, in bytes. */
export function valueLength(memory: Memory, pointer: number): number {
  return word(memory, pointer, WORD_VALUE)
}

/** Offset of the value in `pageBytes(memory, pointer)`. */
export function valueOffset(memory: Memory, pointer: number): number {
  const key = word(memory, pointer, WORD_KEY)
  const header = (key & FLAG_EXPIRES) !== 0 ? HEADER_EXPIRES_BYTES : HEADER_BYTES
  return ((pointer & GRANULE_MASK) << 3) + header + (key >>> 8)
}

/** When the node expires, Unix ms; NO_EXPIRY if it does not. */
export function expireAt(memory: Memory, pointer: number): number {
  const page = pointer >>> PAGE_SHIFT
  const granule = pointer & GRANULE_MASK
  if ((memory.words[page]![(granule << 1) + WORD_KEY]! & FLAG_EXPIRES) === 0) return NO_EXPIRY
  return memory.doubles[page]![granule + DOUBLE_EXPIRE_AT]!
}

export function setExpireAt(memory: Memory, pointer: number, at: number): void {
  memory.doubles[pointer >>> PAGE_SHIFT]![(pointer & GRANULE_MASK) + DOUBLE_EXPIRE_AT] = at
}

export function keyEquals(memory: Memory, pointer: number, bytes: Uint8Array, offset: number, length: number): boolean {
  const page = memory.bytes[pointer >>> PAGE_SHIFT]!
  const start = keyOffset(memory, pointer)
  for (let i = 0; i < length; i++) if (page[start + i] !== bytes[offset + i]) return false
  return true
}

/** Below this a loop beats a call into the runtime. */
const COPY_LOOP_MAX = 80

export function copyBytes(target: Buffer, at: number, source: Buffer, from: number, length: number): void {
  if (length <= COPY_LOOP_MAX) {
    for (let i = 0; i < length; i++) target[at + i] = source[from + i]!
  } else {
    source.copy(target, at, from, from + length)
  }
}
