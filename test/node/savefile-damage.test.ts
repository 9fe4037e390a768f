/** Every cut, every flip and every wrong order of a small savefile is refused, with an offset that lies in it. */
import {crc32} from 'node:zlib'
import {expect, test} from 'vitest'
import {encodeFooter} from '../../src/node/savefile-format.ts'
import {sealFrame} from '../../src/record/codec.ts'
import {makeRecord} from '../record/make.ts'
import {faultOf, makeFooter, makeParts, meta, smallSavefile} from './savefile-make.ts'

const good = smallSavefile()

test('savefile: the small one is good, read at once or byte by byte', async () => {
  expect(await faultOf(good)).toBeNull()
  expect(await faultOf(good, 1)).toBeNull()
})

test('savefile: cut at any byte it is refused', async () => {
  for (let length = 0; length < good.length; length++) {
    for (const chunk of [Infinity, 7]) {
      const fault = await faultOf(good.subarray(0, length), chunk)
      expect(fault?.code).toBe('cut')
      expect(fault?.offset).toBe(length)
    }
  }
})

test('savefile: with any bit flipped it is refused', async () => {
  const codes = new Set<string>()
  for (let bit = 0; bit < good.length * 8; bit++) {
    const bytes = Buffer.from(good)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    const fault = await faultOf(bytes)
    if (fault === null) throw new Error(`bit ${bit & 7} of byte ${bit >> 3} is not covered`)
    expect(fault.offset).toBeLessThanOrEqual(bit >> 3)
    codes.add(fault.code)
  }
  expect([...codes].sort()).toEqual(['crc', 'footer', 'foreign', 'head', 'header', 'magic', 'version'])
})

test('savefile: with anything behind it, it is refused', async () => {
  for (const rest of [Buffer.alloc(1), Buffer.from('KVE'), good]) {
    expect(await faultOf(Buffer.concat([good, rest]))).toMatchObject({code: 'trailing', offset: good.length})
  }
})

test('savefile: one of a newer format says so, and by whom it was written', async () => {
  const bytes = Buffer.from(good)
  bytes.writeUInt16LE(2, 6)
  bytes.fill(0, 64, 96).write('0.9.0', 64)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124)
  const fault = await faultOf(bytes)
  expect(fault).toMatchObject({code: 'version', offset: 6})
  expect(fault?.words).toBe('written by a newer kv (0.9.0) in format 2; this kv (0.1.0) reads format 1')
  bytes.writeUInt16LE(0, 6)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124)
  expect((await faultOf(bytes))?.words).toMatch(/unknown kv/)
})

test('savefile: a header of no meaning under a right CRC is refused', async () => {
  for (const [off, value] of [
    [8, 0],
    [8, 3],
    [22, 9],
  ] as const) {
    const bytes = Buffer.from(good)
    bytes[off] = value
    bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124)
    expect((await faultOf(bytes))?.code).toBe('header')
  }
})

const parts = makeParts([[makeRecord({key: 'a'})], [makeRecord({key: 'b'})], [makeRecord({key: 'c'})]])
const other = makeParts([[makeRecord({key: 'a'})]], {...meta, createdUnixMs: meta.createdUnixMs + 1})

/** A savefile of good batches, wrongly put together, with a footer that fits. */
function faultOfBatches(batches: readonly Buffer[], header = parts.header): ReturnType<typeof faultOf> {
  return faultOf(Buffer.concat([header, ...batches, makeFooter(header, batches)]))
}

test('savefile: batches missing, doubled, swapped or of another savefile are found', async () => {
  const [a, b, c] = parts.batches as [Buffer, Buffer, Buffer]
  expect(await faultOfBatches([a, b, c])).toBeNull()
  for (const batches of [
    [b, c],
    [a, c],
    [a, a, b, c],
    [a, c, b],
    [...other.batches, b, c],
  ]) {
    expect(await faultOfBatches(batches)).toMatchObject({code: 'chain'})
  }
  expect(await faultOfBatches([a, b, c], other.header)).toMatchObject({code: 'chain', offset: 128})
})

test('savefile: a footer that belongs elsewhere is found', async () => {
  const [a, b, c] = parts.batches as [Buffer, Buffer, Buffer]
  const join = (batches: Buffer[], footer: Buffer): Buffer => Buffer.concat([parts.header, ...batches, footer])
  expect(await faultOf(join([a, b], parts.footer))).toMatchObject({code: 'footer'})
  const offset = 128 + a.length + b.length + c.length
  const previous = parts.footer.readUInt32LE(40)
  const footer = (records: number, batches: number): Buffer =>
    encodeFooter({records, keys: 3, batches}, offset, previous)
  expect(await faultOf(join([a, b, c], footer(3, 3)))).toBeNull()
  expect((await faultOf(join([a, b, c], footer(4, 3))))?.words).toMatch(
    /3 records in 3 batches, its footer says 4 in 3/,
  )
  expect((await faultOf(join([a, b, c], footer(3, 2))))?.code).toBe('footer')
})

test('savefile: a group that is not all there, and records of no meaning, are found', async () => {
  const batch = Buffer.from(parts.batches[0]!)
  const headerCrc = parts.header.readUInt32LE(124)
  batch[28 + 1]! |= 8
  sealFrame(batch, 0, batch.length, 1, 1, headerCrc)
  expect(await faultOfBatches([batch])).toMatchObject({code: 'group', offset: 128 + batch.length})
  sealFrame(batch, 0, batch.length, 1, 0, headerCrc)
  expect(await faultOfBatches([batch])).toMatchObject({code: 'group', offset: 128})
  batch[28] = 77
  sealFrame(batch, 0, batch.length, 1, 0, headerCrc)
  expect(await faultOfBatches([batch])).toMatchObject({code: 'op', offset: 128 + 28})
})
