/** Hostile bytes into the savefile reader: never a crash, a hang or unbounded memory, and nothing but a good file is taken. */
import {crc32} from 'node:zlib'
import {expect, test} from 'vitest'
import {assert} from '../../src/base/assert.ts'
import {Prng} from '../../src/base/prng.ts'
import {encodeFooter} from '../../src/node/savefile-format.ts'
import {scanSavefile} from '../../src/node/savefile.ts'
import {RecordCursor, readFrame, sealFrame} from '../../src/record/codec.ts'
import {OP_CLEAR, OP_SET} from '../../src/record/op.ts'
import {mutate, randomBytes, randomRecord} from '../record/mutate.ts'
import {makeSavefile, memorySource} from './savefile-make.ts'

const SEED = Number(process.env.KV_FUZZ_SEED ?? 20_240_602)
const CASES = 200_000

function makeCorpus(prng: Prng, count: number): Buffer[] {
  return Array.from({length: count}, () =>
    makeSavefile(
      Array.from({length: prng.below(4)}, () =>
        Array.from({length: 1 + prng.below(3)}, () => randomRecord(prng, OP_SET + prng.below(OP_CLEAR))),
      ),
    ),
  )
}

/** Makes CRCs, chain and footer right again as far as the file can be followed: damage that only a hostile writer can make. */
function reseal(bytes: Buffer): void {
  if (bytes.length < 128) return
  bytes.write('KVSAVE\x01\x00', 0, 'latin1')
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 124)), 124)
  let previous = bytes.readUInt32LE(124)
  let off = 128
  let records = 0
  let batches = 0
  while (bytes.length - off >= 28 && bytes.toString('latin1', off, off + 3) === 'KVB') {
    const count = bytes.readUInt32LE(off + 8)
    const end = off + 28 + bytes.readUInt32LE(off + 4)
    if (end > bytes.length) break
    previous = sealFrame(bytes, off, end, count, bytes[off + 16]! & 3, previous)
    records += count
    batches++
    off = end
  }
  if (bytes.length - off >= 56) encodeFooter({records, keys: 0, batches}, off, previous).copy(bytes, off)
}

test('savefile: hostile bytes are refused, or good to the last record', {timeout: 120_000}, async () => {
  const prng = new Prng(SEED)
  const corpus = makeCorpus(prng, 200)
  const cursor = new RecordCursor()
  const met = new Map<string, number>()
  for (let i = 0; i < CASES; i++) {
    const kind = prng.below(8)
    const bytes = kind === 0 ? randomBytes(prng, 200) : mutate(prng, corpus[prng.below(corpus.length)]!)
    if (kind >= 4) reseal(bytes)
    let applied = 0
    const result = await scanSavefile(memorySource(bytes, kind === 1 ? 16 : Infinity), (buf, frame) => {
      assert(readFrame(buf, frame.start, frame.end).kind === 'ok', 'a frame that is given is whole')
      cursor.openFrame(buf, frame)
      while (cursor.next()) applied++
      assert(cursor.fault === null, 'a record that is given is good')
    }).catch((error: unknown) => {
      throw new Error(`seed ${SEED}, case ${i}`, {cause: error})
    })
    if ('words' in result) {
      if (result.offset < 0 || result.offset > bytes.length) throw new Error(`seed ${SEED}, case ${i}: offset`)
    } else if (result.records !== applied || result.bytes !== bytes.length) {
      throw new Error(`seed ${SEED}, case ${i}: totals`)
    }
    const code = 'words' in result ? result.code : 'good'
    met.set(code, (met.get(code) ?? 0) + 1)
  }
  // Each verdict was met, or the loop tests nothing.
  const inFile = ['good', 'foreign', 'version', 'header', 'footer', 'cut', 'trailing']
  const inBatches = ['magic', 'head', 'crc', 'chain', 'length', 'group', 'op', 'flags', 'bucket']
  expect([...inFile, ...inBatches].filter((code) => !met.has(code))).toEqual([])
  expect(met.get('good')).toBeGreaterThan(CASES / 20)
})
