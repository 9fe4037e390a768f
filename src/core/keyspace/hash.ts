/**
 * Seeded 32-bit hash of a key for the index. The mixing follows MurmurHash3 (Austin Appleby, public domain), read
 * a byte at a time because keys start at any offset. The seed keeps a client from choosing keys that collide; the
 * hash never leaves the process.
 */

/** Hash of `bytes[offset, offset + length)` as a signed 32-bit integer. */
export function hashBytes(bytes: Uint8Array, offset: number, length: number, seed: number): number {
  let h = seed ^ length
  let i = offset
  const blocks = offset + (length & ~3)
  for (; i < blocks; i += 4) {
    let k = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24)
    k = Math.imul(k, 0xcc9e2d51)
    k = (k << 15) | (k >>> 17)
    h ^= Math.imul(k, 0x1b873593)
    h = (h << 13) | (h >>> 19)
    h = (Math.imul(h, 5) + 0xe6546b64) | 0
  }
  let tail = 0
  const end = offset + length
  for (let shift = 0; i < end; i++, shift += 8) tail |= bytes[i]! << shift
  if (tail !== 0) {
    tail = Math.imul(tail, 0xcc9e2d51)
    tail = (tail << 15) | (tail >>> 17)
    h ^= Math.imul(tail, 0x1b873593)
  }
  h ^= h >>> 16
  h = Math.imul(h, 0x85ebca6b)
  h ^= h >>> 13
  h = Math.imul(h, 0xc2b2ae35)
  return h ^ (h >>> 16)
}
