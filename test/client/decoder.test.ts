import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {ReplyDecoder} from '../../src/client/decoder.ts'
import type {Push, Reply} from '../../src/client/reply.ts'
import {INLINE_BYTES_MAX, REPLY_DEPTH_MAX} from '../../src/constants.ts'
import {KvError} from '../../src/errors.ts'
import {anyReply, encodeReply} from './resp3.ts'

interface Decoded {
  readonly replies: Reply[]
  readonly pushes: Push[]
  readonly isIdle: boolean
}

function decode(chunks: readonly Buffer[]): Decoded {
  const replies: Reply[] = []
  const pushes: Push[] = []
  const decoder = new ReplyDecoder({onReply: (reply) => replies.push(reply), onPush: (push) => pushes.push(push)})
  for (const chunk of chunks) decoder.write(chunk)
  return {replies, pushes, isIdle: decoder.isIdle}
}

function bytesOf(wire: Buffer): Buffer[] {
  return [...wire].map((byte) => Buffer.from([byte]))
}

function cut(wire: Buffer, places: readonly number[]): Buffer[] {
  const marks = [0, ...places.map((place) => place % (wire.length + 1)).sort((a, b) => a - b), wire.length]
  return marks.slice(1).map((end, index) => wire.subarray(marks[index], end))
}

/** Error text of the first refusal; undefined if everything was taken. */
function refusal(chunks: readonly Buffer[]): string | undefined {
  try {
    decode(chunks)
    return undefined
  } catch (error) {
    if (!(error instanceof KvError)) throw error
    expect(error.code).toBe('E_PROTOCOL')
    return error.message
  }
}

const bulk = (text: string): Buffer => Buffer.from(text)

const SAMPLES: [name: string, wire: string, replies: Reply[], pushes?: Push[]][] = [
  ['simple string', '+OK\r\n', ['OK']],
  ['empty simple string', '+\r\n', ['']],
  ['error', '-ERR no\r\n', [{kind: 'error', text: 'ERR no'}]],
  ['blob error', '!21\r\nSYNTAX invalid syntax\r\n', [{kind: 'error', text: 'SYNTAX invalid syntax'}]],
  ['integers', ':0\r\n:-7\r\n:+7\r\n:-0\r\n', [0, -7, 7, 0]],
  ['large integers', ':9007199254740991\r\n:9223372036854775807\r\n', [9007199254740991, 9223372036854775807n]],
  ['bulk', '$5\r\nhe\r\nl\r\n', [bulk('he\r\nl')]],
  ['empty bulk', '$0\r\n\r\n', [bulk('')]],
  ['old nulls', '$-1\r\n*-1\r\n', [null, null]],
  ['null', '_\r\n', [null]],
  ['booleans', '#t\r\n#f\r\n', [true, false]],
  [
    'doubles',
    ',1.5\r\n,10\r\n,-inf\r\n,inf\r\n,1e-3\r\n',
    [1.5, 10, -Infinity, Infinity, 0.001].map((value) => ({kind: 'double', value})),
  ],
  ['not a number', ',nan\r\n', [{kind: 'double', value: NaN}]],
  ['big number', '(-34928903284092840329840329\r\n', [{kind: 'bigNumber', value: -34928903284092840329840329n}]],
  ['verbatim', '=8\r\ntxt:some\r\n', [{kind: 'verbatim', format: 'txt', data: bulk('some')}]],
  ['array', '*3\r\n:1\r\n$1\r\na\r\n*0\r\n', [[1, bulk('a'), []]]],
  [
    'map',
    '%2\r\n+a\r\n:1\r\n+b\r\n*1\r\n_\r\n',
    [
      {
        kind: 'map',
        entries: [
          ['a', 1],
          ['b', [null]],
        ],
      },
    ],
  ],
  ['empty map', '%0\r\n', [{kind: 'map', entries: []}]],
  ['set', '~2\r\n+a\r\n:1\r\n', [{kind: 'set', items: ['a', 1]}]],
  ['push between replies', ':1\r\n>2\r\n+pubsub\r\n:5\r\n:2\r\n', [1, 2], [['pubsub', 5]]],
  ['attribute before a reply', '|1\r\n+ttl\r\n:3600\r\n:2\r\n', [2]],
  ['attribute inside an array', '*3\r\n:1\r\n:2\r\n|1\r\n+ttl\r\n:3600\r\n:3\r\n', [[1, 2, 3]]],
  ['attribute before the last of nested ones', '*1\r\n*1\r\n|0\r\n:1\r\n', [[[1]]]],
]

describe('replies', () => {
  test.for(SAMPLES)('%s: whole, byte by byte, twice in one chunk', ([, wire, replies, pushes = []]) => {
    const bytes = Buffer.from(wire)
    const expected = {replies, pushes, isIdle: true}
    expect(decode([bytes])).toEqual(expected)
    expect(decode(bytesOf(bytes))).toEqual(expected)
    expect(decode([Buffer.concat([bytes, bytes])]).replies).toEqual([...replies, ...replies])
  })

  test('any replies, cut anywhere, come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(anyReply, {maxLength: 4}), fc.array(fc.nat(), {maxLength: 8}), (replies, places) => {
        const wire = Buffer.concat(replies.map(encodeReply))
        expect(decode(cut(wire, places))).toEqual({replies, pushes: [], isIdle: true})
      }),
      {numRuns: 2_000},
    )
  })

  test('half a reply is held and said to be', () => {
    for (const wire of ['$5\r\nab', '*2\r\n:1\r\n', '+O', '$5\r\nhello\r']) {
      expect(decode([Buffer.from(wire)])).toEqual({replies: [], pushes: [], isIdle: false})
    }
  })

  test('a value does not keep the network buffer that it came in', () => {
    const chunk = Buffer.from('$3\r\nabc\r\n')
    const [value] = decode([chunk]).replies
    chunk.fill(0)
    expect(value).toEqual(Buffer.from('abc'))
  })
})

describe('hostile bytes', () => {
  test.each([
    ['another protocol', 'HTTP/1.1 400 Bad Request\r\n', 'begins with "H"'],
    ['another protocol without a line end', 'SSH-2.0', 'begins with "S"'],
    ['a byte that is no type', '\u0001\r\n', 'begins with 0x01'],
    ['an empty line', '\r\n', 'begins with 0x0d'],
    ['a line feed alone', '+OK\n', 'without a carriage return'],
    ['a carriage return inside', '+O\rK\r\n', 'inside a line'],
    ['no integer', ':1x\r\n', 'is no integer'],
    ['an integer without digits', ':\r\n', 'is no integer'],
    ['a negative length', '$-2\r\n', 'is no length'],
    ['a negative count', '*-7\r\n', 'is no length'],
    ['a null of a kind that has none', '%-1\r\n', 'is no length'],
    ['a bulk over the limit', '$536870913\r\n', 'over the limit'],
    ['a count over the limit', '*4294967295\r\n', 'over the limit'],
    ['a length past every number', '$99999999999999999999\r\n', 'is no length'],
    ['a bulk longer than it says', '$2\r\nabc\r\n', 'does not end where its length says'],
    ['no boolean', '#x\r\n', 'is no value'],
    ['no double', ',1.2.3\r\n', 'is no double'],
    ['no null', '_x\r\n', 'is no value'],
    ['no big number', '(12a\r\n', 'is no value'],
    ['a verbatim string without format', '=3\r\nabc\r\n', 'has no format'],
    ['a push inside an array', '*1\r\n>1\r\n+a\r\n', 'a push stands inside'],
    ['a streamed string', '$?\r\n', 'is no length'],
  ])('%s is refused, however it is cut', (_name, wire, message) => {
    const bytes = Buffer.from(wire, 'latin1')
    expect(refusal([bytes])).toContain(message)
    expect(refusal(bytesOf(bytes))).toContain(message)
  })

  test('depth is bounded, at the limit and one past it', () => {
    const nested = (depth: number): Buffer => Buffer.from('*1\r\n'.repeat(depth) + ':1\r\n')
    expect(refusal([nested(REPLY_DEPTH_MAX)])).toBeUndefined()
    expect(refusal([nested(REPLY_DEPTH_MAX + 1)])).toContain('aggregates inside each other')
  })

  test('a line without an end is bounded', () => {
    const piece = Buffer.alloc(INLINE_BYTES_MAX / 2, 0x61)
    expect(refusal([Buffer.from('+'), piece])).toBeUndefined()
    expect(refusal([Buffer.from('+'), piece, piece])).toContain('a line is longer')
  })

  test('a length that is announced and never sent takes no memory', () => {
    const before = process.memoryUsage.rss()
    const decoders = Array.from({length: 64}, () => new ReplyDecoder({onReply: () => {}, onPush: () => {}}))
    for (const decoder of decoders) decoder.write(Buffer.from('*2147483648\r\n$536870912\r\nx'))
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024)
  })

  test('a decoder that refused stays shut', () => {
    const decoder = new ReplyDecoder({onReply: () => expect.unreachable(), onPush: () => {}})
    expect(() => decoder.write(Buffer.from('?'))).toThrow('begins with')
    expect(() => decoder.write(Buffer.from('+OK\r\n'))).toThrow('begins with')
  })

  test('random bytes never do more than be refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({maxLength: 80}), fc.array(fc.nat(), {maxLength: 4}), (bytes, places) => {
        refusal(cut(Buffer.from(bytes), places))
      }),
      {numRuns: 20_000},
    )
  })

  test('valid replies with bytes changed never do more than be refused', () => {
    const change = fc.tuple(
      fc.nat(),
      fc.constantFrom(...'\r\n$*%~|>:-_#,(=!?019 ').map((text) => text.charCodeAt(0)),
    )
    fc.assert(
      fc.property(
        fc.array(anyReply, {minLength: 1, maxLength: 3}),
        fc.array(change, {minLength: 1, maxLength: 4}),
        (replies, changes) => {
          const wire = Buffer.concat(replies.map(encodeReply))
          for (const [place, byte] of changes) wire[place % wire.length] = byte
          const whole = refusal([wire])
          expect(refusal(bytesOf(wire)) === undefined).toBe(whole === undefined)
        },
      ),
      {numRuns: 5_000},
    )
  })
})
