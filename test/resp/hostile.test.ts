/**
 * Hostile bytes into the request decoder: 700,000 cases from a seeded generator in plain loops, each fed whole, byte by byte and
 * in pieces. The verdict is always the same, nothing throws or turns in circles, and nothing is kept beyond what came.
 * `KV_FUZZ_SEED` repeats a run.
 */
import {expect, it} from 'vitest'
import {assert} from '../../src/base/assert.ts'
import {Prng} from '../../src/base/prng.ts'
import {BAD, COMPLETE, RequestDecoder} from '../../src/resp/request-decoder.ts'
import {encodeCommand} from '../support/raw-connection.ts'
import {feed} from './feed.ts'
import {modelDecode} from './model.ts'

const SEED = Number(process.env['KV_FUZZ_SEED'] ?? 20_261_103)
const CASES = 620_000
/** Slower checks look at every so many-th case. */
const PIECES_EVERY = 4
const MODEL_EVERY = 64
const BYTES_MAX = 160
const CORPUS = 20_000

const WORDS = ['GET', 'k', '', 'x'.repeat(11), '\r\n', '$1\r\n', '*', '123', 'a b', '"', '\\x41', "'"]
const NUMBERS = (
  '0 -0 1 -1 2 3 00 01 +1 1.5 1e3 10 99 100 127 1024 16384 1048576 1048577 536870912 536870913 2147483648 4294967296 ' +
  '9007199254740993 9223372036854775807 9223372036854775808 -9223372036854775808 -9223372036854775809 99999999999999999999'
).split(' ')
const ALPHABET = Buffer.from('***$$$\r\n\r\n\r\n\r\n0123456789-+ "\'\\x\0\v\xffaG:', 'latin1')

function word(prng: Prng): Buffer {
  if (prng.below(4) > 0) return Buffer.from(WORDS[prng.below(WORDS.length)]!, 'latin1')
  const bytes = Buffer.alloc(prng.below(30))
  for (let i = 0; i < bytes.length; i++) bytes[i] = prng.below(256)
  return bytes
}

function goodRequest(prng: Prng): Buffer {
  const words = Array.from({length: prng.below(5)}, () => word(prng))
  if (prng.below(4) > 0) return encodeCommand(words)
  return Buffer.from(`${words.map((one) => one.toString('latin1')).join(' ')}\r\n`, 'latin1')
}

/** A header as a liar would write it. */
function lie(prng: Prng): Buffer {
  const number = NUMBERS[prng.below(NUMBERS.length)]!
  return Buffer.from(`${prng.below(2) === 0 ? '*' : '$'}${number}${prng.below(5) === 0 ? '\n' : '\r\n'}`)
}

function garbage(prng: Prng): Buffer {
  const bytes = Buffer.alloc(1 + prng.below(24))
  for (let i = 0; i < bytes.length; i++) bytes[i] = ALPHABET[prng.below(ALPHABET.length)]!
  return bytes
}

function mutate(prng: Prng, bytes: Buffer): Buffer {
  if (bytes.length === 0) return garbage(prng)
  const at = prng.below(bytes.length)
  const to = Math.min(bytes.length, at + 1 + prng.below(8))
  switch (prng.below(6)) {
    case 0:
      bytes[at] = bytes[at]! ^ (1 << prng.below(8))
      return bytes
    case 1:
      bytes[at] = ALPHABET[prng.below(ALPHABET.length)]!
      return bytes
    case 2:
      return bytes.subarray(0, at)
    case 3:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(to)])
    case 4:
      return Buffer.concat([bytes.subarray(0, to), bytes.subarray(at)])
    default:
      return Buffer.concat([bytes.subarray(0, at), prng.below(2) === 0 ? lie(prng) : garbage(prng), bytes.subarray(at)])
  }
}

/** One to three requests or pieces of garbage, mutated a few times. */
function makeCase(prng: Prng, corpus: readonly Buffer[]): Buffer {
  const draw = (): Buffer => (prng.below(6) === 0 ? garbage(prng) : corpus[prng.below(corpus.length)]!)
  let bytes: Buffer = Buffer.concat(Array.from({length: 1 + prng.below(3)}, draw))
  for (let left = prng.below(4); left > 0; left--) bytes = mutate(prng, bytes)
  return bytes.subarray(0, BYTES_MAX)
}

/** A number that stands for all that the decoder said: cheap, and different for different verdicts. */
function digest(bytes: Buffer, pieces: Prng | null, decoder: RequestDecoder): number {
  let sum = 17
  for (let at = 0; at < bytes.length;) {
    const end = pieces === null ? bytes.length : Math.min(bytes.length, at + 1 + pieces.below(9))
    const result = decoder.next(bytes, at, end)
    if (result === BAD) return (Math.imul(sum, 31) + hashText(decoder.error)) | 0
    if (result !== COMPLETE) {
      at = end
      continue
    }
    assert(decoder.used > at && decoder.used <= end, 'the decoder goes forward, and not too far')
    at = decoder.used
    sum = addRequest(sum, decoder)
  }
  assert(decoder.heldBytes <= bytes.length, 'no more is held than came')
  return sum
}

function addRequest(start: number, {request}: RequestDecoder): number {
  const {buf, off, len, argc} = request
  let sum = (Math.imul(start, 31) + argc) | 0
  for (let i = 0; i < argc; i++) {
    const from = off[i]!
    assert(from >= 0 && len[i]! >= 0 && from + len[i]! <= buf.length, 'arguments lie in the buffer')
    sum = (Math.imul(sum, 31) + len[i]!) | 0
    for (let j = from; j < from + len[i]!; j++) sum = (Math.imul(sum, 31) + buf[j]!) | 0
  }
  return sum
}

function hashText(text: string): number {
  let sum = 7
  for (let i = 0; i < text.length; i++) sum = (Math.imul(sum, 31) + text.charCodeAt(i)) | 0
  return sum
}

/** One byte at a time, for the digest. */
const BYTEWISE = {below: () => 0} as unknown as Prng

function check(prng: Prng, i: number, corpus: readonly Buffer[]): void {
  const bytes = makeCase(prng, corpus)
  const wholeDecoder = new RequestDecoder()
  const whole = digest(bytes, null, wholeDecoder)
  const isSameBytewise = whole === digest(bytes, BYTEWISE, new RequestDecoder())
  const isSamePiecewise = i % PIECES_EVERY > 0 || whole === digest(bytes, prng, new RequestDecoder())
  if (!isSameBytewise || !isSamePiecewise || wholeDecoder.request.off.length > BYTES_MAX) {
    expect(
      feed(bytes, () => 1),
      `seed ${SEED}, case ${i}`,
    ).toEqual(feed(bytes))
    throw new Error(`seed ${SEED}, case ${i}: pieces differ from the whole`)
  }
  if (i % MODEL_EVERY === 0) {
    expect(feed(bytes), `seed ${SEED}, case ${i}`).toEqual(modelDecode(bytes.toString('latin1')))
  }
}

it(`takes ${CASES} hostile inputs, whole, byte by byte and in pieces`, () => {
  const prng = new Prng(SEED)
  const corpus = Array.from({length: CORPUS}, () => goodRequest(prng))
  const before = process.memoryUsage()
  for (let i = 0; i < CASES; i++) {
    try {
      check(prng, i, corpus)
    } catch (error) {
      throw new Error(`seed ${SEED}, case ${i}`, {cause: error})
    }
  }
  const after = process.memoryUsage()
  expect(after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed).toBeLessThan(300 * 1024 * 1024)
})
