/**
 * The canonical image of a bucket: the same bytes for the same contents, however they came about and wherever they lie in
 * memory. Two copies of a bucket are equal if their images are; a hash of the image is a hash of the state.
 *
 *   for each key, by its bytes:    u32 length, key, type (0 string, 1 map), expiry (float64, Unix ms, Infinity = none), then
 *     string                       u32 length, value
 *     map                          u32 count, then for each field, by its bytes: u32 length, field, expiry, u32 length, value
 *
 * Whole and at once: for tests and checks, not for large buckets on a serving node.
 */
import {WORD_NEXT, expireAt, isMap, keyLength, keyOffset, pageBytes, valueLength, valueOffset, word} from './node.ts'
import type {Keyspace} from './keyspace.ts'
import type {MapStore} from './map-store.ts'

interface Field {
  readonly name: Buffer
  readonly value: Buffer
  readonly at: number
}

/** The bucket's contents in canonical form; empty for an empty bucket. */
export function canonicalImage(keyspace: Keyspace, maps: MapStore, bucket: number): Buffer {
  const parts: Buffer[] = []
  for (const {key, node} of sortedKeys(keyspace, bucket)) {
    const {memory} = keyspace
    const isNodeMap = isMap(memory, node)
    parts.push(...bytes(key), Buffer.from([isNodeMap ? 1 : 0]), time(expireAt(memory, node)))
    if (isNodeMap) {
      const fields = sortedFields(maps, node)
      parts.push(size(fields.length))
      for (const field of fields) parts.push(...bytes(field.name), time(field.at), ...bytes(field.value))
    } else {
      const from = valueOffset(memory, node)
      parts.push(...bytes(pageBytes(memory, node).subarray(from, from + valueLength(memory, node))))
    }
  }
  return Buffer.concat(parts)
}

function sortedKeys(keyspace: Keyspace, bucket: number): {key: Buffer; node: number}[] {
  const {memory, dict} = keyspace
  const table = keyspace.table(bucket)
  const keys: {key: Buffer; node: number}[] = []
  const slots = dict.slots(table)
  for (let slot = 0; slot < slots; slot++) {
    for (let node = dict.head(table, slot); node !== 0; node = word(memory, node, WORD_NEXT)) {
      const from = keyOffset(memory, node)
      keys.push({key: pageBytes(memory, node).subarray(from, from + keyLength(memory, node)), node})
    }
  }
  return keys.sort((a, b) => Buffer.compare(a.key, b.key))
}

function sortedFields(maps: MapStore, node: number): Field[] {
  const fields: Field[] = []
  maps.each(node, (field, fieldFrom, fieldLength, value, valueFrom, valueLength, at) => {
    const name = field.subarray(fieldFrom, fieldFrom + fieldLength)
    fields.push({name, value: value.subarray(valueFrom, valueFrom + valueLength), at})
  })
  return fields.sort((a, b) => Buffer.compare(a.name, b.name))
}

function size(count: number): Buffer {
  const buffer = Buffer.alloc(4)
  buffer.writeUInt32LE(count)
  return buffer
}

function time(at: number): Buffer {
  const buffer = Buffer.alloc(8)
  buffer.writeDoubleLE(at)
  return buffer
}

function bytes(content: Buffer): [Buffer, Buffer] {
  return [size(content.length), content]
}
