/** Random and damaged bytes for the fuzz loops: everything drawn from one seeded generator. */
import type {Prng} from '../../src/base/prng.ts'
import {NO_EXPIRY} from '../../src/record/codec.ts'
import {makeRecord, shapeRecord, type PlainRecord} from './make.ts'

/** Numbers on which length checks fail, if any do. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0xff_ffff, 0x100_0000, 0x2000_0000]

export function randomBytes(prng: Prng, lenMax: number): Buffer {
  const bytes = Buffer.allocUnsafe(prng.below(lenMax + 1))
  for (let i = 0; i < bytes.length; i++) bytes[i] = prng.next32()
  return bytes
}

export function randomRecord(prng: Prng, op: number): PlainRecord {
  const text = (lenMax: number): string => randomBytes(prng, lenMax).toString('latin1')
  const expireAt = prng.below(2) === 0 ? NO_EXPIRY : prng.next32() * 400
  const base = makeRecord({op, bucket: prng.below(16384), epoch: prng.next32(), seq: prng.next32() * 60_000})
  return shapeRecord({...base, key: text(20), field: text(10), value: text(40), expireAt})
}

/** A damaged copy: bits flipped, numbers put in, bytes cut, doubled or overwritten; sometimes as it was. */
export function mutate(prng: Prng, good: Buffer): Buffer {
  let bytes = Buffer.from(good)
  for (let times = prng.below(4); times > 0 && bytes.length > 8; times--) {
    const at = prng.below(bytes.length)
    switch (prng.below(6)) {
      case 0:
        bytes[at]! ^= 1 << prng.below(8)
        break
      case 1:
        bytes[at] = prng.next32()
        break
      case 2:
        bytes.writeUInt32LE(EDGES[prng.below(EDGES.length)]!, Math.min(at, bytes.length - 4))
        break
      case 3:
        bytes = bytes.subarray(0, at)
        break
      case 4:
        bytes.copy(bytes, at, prng.below(bytes.length))
        break
      default:
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(prng.below(at + 1))])
    }
  }
  return bytes
}
