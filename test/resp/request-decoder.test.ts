/** The request decoder: what is cut how makes no difference, and neither does what lies around it. */
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {BULK_BYTES_MAX, INLINE_BYTES_MAX, REQUEST_ARGS_MAX} from '../../src/constants.ts'
import {BAD, COMPLETE, copyRequest, NEED_MORE, RequestDecoder, trimRequest} from '../../src/resp/request-decoder.ts'
import {encodeCommand} from '../support/raw-connection.ts'
import {byteByByte, feed, whole} from './feed.ts'
import {modelDecode} from './model.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

/** Arguments of any bytes, those of the protocol among them more often than chance would have it. */
const argument = fc.oneof(
  fc.uint8Array({maxLength: 20}).map((array) => Buffer.from(array)),
  fc.constantFrom('\r\n', '$3\r\n', '*1\r\n', '', '\n', 'GET', 'x'.repeat(300)).map(bytes),
)
const arrayRequest = fc.array(argument, {maxLength: 12}).map((args) => ({
  wire: encodeCommand(args),
  args: args.map((arg) => arg.toString('latin1')),
}))
const inlineRequest = fc.array(fc.stringMatching(/^[a-z0-9]{1,9}$/), {maxLength: 4}).map((words) => ({
  wire: bytes(`${words.join(' ')}\r\n`),
  args: words,
}))
const requests = fc.array(fc.oneof({weight: 4, arbitrary: arrayRequest}, inlineRequest), {minLength: 1, maxLength: 8})

describe('requests', () => {
  it('are the same whole, byte by byte and in any pieces', () => {
    fc.assert(
      fc.property(requests, fc.array(fc.integer({min: 1, max: 60}), {minLength: 1, maxLength: 30}), (sent, sizes) => {
        const wire = Buffer.concat(sent.map((one) => one.wire))
        const want = {requests: sent.map((one) => one.args), error: null}
        let turn = 0
        expect(feed(wire, whole)).toEqual(want)
        expect(feed(wire, byteByByte)).toEqual(want)
        expect(feed(wire, () => sizes[turn++ % sizes.length]!)).toEqual(want)
      }),
      {numRuns: 400},
    )
  })

  it('are the same when they are cut once, at any byte', () => {
    const wire = Buffer.concat([
      encodeCommand(['SET', 'key', 'x'.repeat(120)]),
      bytes('ping "a b"\r\n'),
      encodeCommand(['MGET', '', '\r\n', 'y'.repeat(12)]),
      bytes('*0\r\n*-1\r\n\r\n'),
      encodeCommand(['PING']),
    ])
    const want = feed(wire)
    expect(want.requests).toHaveLength(7)
    for (let cut = 1; cut < wire.length; cut++) {
      const sizes = [cut, wire.length]
      expect(
        feed(wire, () => sizes.shift()!),
        `cut at ${cut}`,
      ).toEqual(want)
    }
  })

  it('may follow each other on one decoder for ever: nothing is left over from an earlier one', () => {
    const decoder = new RequestDecoder()
    for (let i = 0; i < 300; i++) {
      const args = Array.from({length: 1 + (i % 7)}, (_, j) => 'v'.repeat((i * 31 + j * 17) % 200))
      const size = 1 + ((i * 13) % 90)
      expect(feed(encodeCommand(args), () => size, decoder)).toEqual({requests: [args], error: null})
    }
  })

  it('that begin in the middle of a piece keep their arguments where they are', () => {
    const decoder = new RequestDecoder()
    const first = encodeCommand(['SET', 'first', 'value'])
    const second = encodeCommand(['SET', 'second', 'another', 'and', 'more'])
    const chunk = Buffer.concat([first, second.subarray(0, second.length - 9)])
    expect(decoder.next(chunk, 0, chunk.length)).toBe(COMPLETE)
    expect(decoder.next(chunk, decoder.used, chunk.length)).toBe(NEED_MORE)
    expect(decoder.heldBytes).toBe(second.length - 9)
    const rest = Buffer.concat([bytes('??'), second.subarray(second.length - 9), first])
    expect(decoder.next(rest, 2, rest.length)).toBe(COMPLETE)
    expect(decoder.used).toBe(2 + 9)
    const {buf, off, len, argc} = decoder.request
    const args = Array.from({length: argc}, (_, i) => buf.toString('latin1', off[i], off[i]! + len[i]!))
    expect(args).toEqual(['SET', 'second', 'another', 'and', 'more'])
    expect(decoder.next(rest, decoder.used, rest.length)).toBe(COMPLETE)
    expect(decoder.used).toBe(rest.length)
  })

  it('that are copied live on when the buffer is used again', () => {
    const decoder = new RequestDecoder()
    const shared = Buffer.concat([bytes('xxx'), encodeCommand(['SET', '', 'k', 'v'.repeat(40)])])
    expect(decoder.next(shared, 3, shared.length)).toBe(COMPLETE)
    const copy = copyRequest(decoder.request)
    shared.fill(0)
    expect(copy.buf.length).toBeLessThan(shared.length)
    const args = Array.from({length: copy.argc}, (_, i) =>
      copy.buf.toString('latin1', copy.off[i], copy.off[i]! + copy.len[i]!),
    )
    expect(args).toEqual(['SET', '', 'k', 'v'.repeat(40)])
  })
})

describe('protocol errors and limits', () => {
  /** Name, bytes, the requests before it, the error or null if more is awaited. */
  const CASES: readonly (readonly [string, string, string[][], string | null])[] = [
    ['a count with a letter', '*3x\r\n', [], 'invalid multibulk length'],
    ['an empty count', '*\r\n', [], 'invalid multibulk length'],
    ['a count with a sign', '*+1\r\n', [], 'invalid multibulk length'],
    ['a count of -0', '*-0\r\n', [], 'invalid multibulk length'],
    ['a count with a leading zero', '*01\r\n', [], 'invalid multibulk length'],
    ['one argument too many', `*${REQUEST_ARGS_MAX + 1}\r\n`, [], 'invalid multibulk length'],
    ['as many arguments as there may be', `*${REQUEST_ARGS_MAX}\r\n`, [], null],
    ['the least count', '*-9223372036854775808\r\nPING\r\n', [[], ['PING']], null],
    ['less than the least count', '*-9223372036854775809\r\n', [], 'invalid multibulk length'],
    ['a count of 0', '*0\r\n*1\r\n$4\r\nPING\r\n', [[], ['PING']], null],
    ['no dollar', '*1\r\n:4\r\n', [], "expected '$', got ':'"],
    [
      'an error after good requests',
      'PING\r\n*1\r\n$1\r\nx\r\n*1\r\n+\r\n',
      [['PING'], ['x']],
      "expected '$', got '+'",
    ],
    ['a length of -1', '*1\r\n$-1\r\n', [], 'invalid bulk length'],
    ['a length with a leading zero', '*1\r\n$04\r\nPING\r\n', [], 'invalid bulk length'],
    ['a length with two leading zeros', '*1\r\n$00\r\n\r\n', [], 'invalid bulk length'],
    ['one byte too long', `*1\r\n$${BULK_BYTES_MAX + 1}\r\n`, [], 'invalid bulk length'],
    ['as long as may be', `*1\r\n$${BULK_BYTES_MAX}\r\n`, [], null],
    ['a length of 2^53 + 1', '*1\r\n$9007199254740993\r\n', [], 'invalid bulk length'],
    ['a length of zero', '*1\r\n$0\r\n\r\n', [['']], null],
    ['an endless count', `*${'1'.repeat(INLINE_BYTES_MAX)}`, [], 'too big mbulk count string'],
    ['a count one byte short of endless', `*${'1'.repeat(INLINE_BYTES_MAX - 1)}`, [], null],
    ['an endless length', `*1\r\n$${'1'.repeat(INLINE_BYTES_MAX)}`, [], 'too big bulk count string'],
    ['a length one byte short of endless', `*1\r\n$${'1'.repeat(INLINE_BYTES_MAX - 1)}`, [], null],
    ['an inline request without an end', 'x'.repeat(INLINE_BYTES_MAX + 1), [], 'too big inline request'],
    [
      'an inline request that is too long, end and all',
      `${'x'.repeat(INLINE_BYTES_MAX + 1)}\n`,
      [],
      'too big inline request',
    ],
    ['the longest inline request', `${'x'.repeat(INLINE_BYTES_MAX)}\n`, [['x'.repeat(INLINE_BYTES_MAX)]], null],
    ['a quote that is not closed', 'GET "a\r\n', [], 'unbalanced quotes in request'],
  ]

  it.each(CASES)('%s', (_name, text, found, error) => {
    const want = {requests: found, error: error === null ? null : `Protocol error: ${error}`}
    expect(feed(bytes(text), whole)).toEqual(want)
    expect(feed(bytes(text), () => 1000)).toEqual(want)
    expect(feed(bytes(text), byteByByte)).toEqual(want)
    expect(modelDecode(text)).toEqual(want)
  })

  it('a client that did not authenticate may send only small requests', () => {
    const verdict = (text: string, isRestricted: boolean) => {
      const decoder = new RequestDecoder()
      decoder.isRestricted = isRestricted
      return feed(bytes(text), whole, decoder).error
    }
    expect(verdict('*11\r\n', true)).toBe('Protocol error: unauthenticated multibulk length')
    expect(verdict('*10\r\n', true)).toBe(null)
    expect(verdict('*11\r\n', false)).toBe(null)
    expect(verdict('*1\r\n$16385\r\n', true)).toBe('Protocol error: unauthenticated bulk length')
    expect(verdict('*1\r\n$16384\r\n', true)).toBe(null)
    expect(verdict('*1\r\n$16385\r\n', false)).toBe(null)
  })

  it('one that is cut anywhere gets the same verdict, and the model agrees', () => {
    const text = fc.array(
      fc.oneof(
        fc.constantFrom(
          '*1\r\n',
          '*2\r\n',
          '$1\r\n',
          '$2\r\n',
          'a\r\n',
          'bc\r\n',
          '*',
          '$',
          '-1',
          '\r',
          '\n',
          '\r\n',
          '0',
          '10',
          '"',
          "'",
          '\\x4',
          '\v',
          '\0',
        ),
        fc.string({maxLength: 4, unit: 'binary-ascii'}),
      ),
      {maxLength: 14},
    )
    fc.assert(
      fc.property(text, fc.integer({min: 1, max: 9}), (parts, size) => {
        const wire = parts.join('')
        const want = modelDecode(wire)
        expect(feed(bytes(wire), whole)).toEqual(want)
        expect(feed(bytes(wire), byteByByte)).toEqual(want)
        expect(feed(bytes(wire), () => size)).toEqual(want)
      }),
      {numRuns: 5000},
    )
  })
})

describe('memory and time', () => {
  /** Bytes of array buffers that `work` adds while what it returns is held. */
  function addedBytes(work: () => unknown): number {
    const before = process.memoryUsage().arrayBuffers
    const held = work()
    const added = process.memoryUsage().arrayBuffers - before
    expect(held).toBeDefined()
    return added
  }

  it('what is announced and does not come costs nothing', () => {
    const text = bytes(`*2\r\n$3\r\nSET\r\n$${BULK_BYTES_MAX}\r\nabc`)
    const added = addedBytes(() =>
      Array.from({length: 200}, () => {
        const decoder = new RequestDecoder()
        expect(decoder.next(text, 0, text.length)).toBe(NEED_MORE)
        return decoder
      }),
    )
    expect(added).toBeLessThan(200 * 4096)
  })

  it('what is held is at most twice what came', () => {
    const decoder = new RequestDecoder()
    const head = bytes(`*2\r\n$3\r\nSET\r\n$${BULK_BYTES_MAX}\r\n`)
    const piece = Buffer.alloc(64 * 1024, 'v')
    decoder.next(head, 0, head.length)
    const added = addedBytes(() => {
      for (let i = 0; i < 400; i++) expect(decoder.next(piece, 0, piece.length)).toBe(NEED_MORE)
      globalThis.gc?.()
      return decoder
    })
    expect(decoder.heldBytes).toBe(head.length + 400 * piece.length)
    // Without a collection the smaller buffers that were outgrown may be there still: 1 + 1/2 + 1/4 ...
    expect(added).toBeLessThan(4 * decoder.heldBytes)
  })

  it('a large request leaves no large buffer behind', () => {
    const decoder = new RequestDecoder()
    const wire = encodeCommand(['SET', 'k', Buffer.alloc(8 * 1024 * 1024)])
    expect(feed(wire, () => 65_536, decoder).requests).toHaveLength(1)
    expect(decoder.heldBytes).toBe(0)
    // The next request that has to be held gets a small buffer: the large one is gone.
    const half = bytes('*1\r\n$4\r\nPI')
    expect(decoder.next(half, 0, half.length)).toBe(NEED_MORE)
    const rest = bytes('NG\r\n')
    expect(decoder.next(rest, 0, rest.length)).toBe(COMPLETE)
    expect(decoder.request.buf.length).toBeLessThan(64 * 1024)
  })

  it('a million arguments in pieces, and their room is given back', () => {
    const count = REQUEST_ARGS_MAX
    const wire = bytes(`*${count}\r\n${'$1\r\nx\r\n'.repeat(count)}`)
    const decoder = new RequestDecoder()
    for (let at = 0; at < wire.length; at += 65_536) {
      const end = Math.min(wire.length, at + 65_536)
      expect(decoder.next(wire, at, end)).toBe(end === wire.length ? COMPLETE : NEED_MORE)
    }
    expect(decoder.request.argc).toBe(count)
    const {buf, off, len} = decoder.request
    expect([len[0], len[count - 1], buf[off[0]!], buf[off[count - 1]!]]).toEqual([1, 1, 120, 120])
    trimRequest(decoder.request)
    expect(decoder.request.off.length).toBeLessThan(1024)
  })

  it('a line that comes byte by byte is not searched again and again', () => {
    for (const start of ['*', '*1\r\n$', 'x']) {
      const decoder = new RequestDecoder()
      const line = bytes(start + '1'.repeat(INLINE_BYTES_MAX))
      const began = performance.now()
      let result = NEED_MORE
      for (let at = 0; at < line.length; at++) result = decoder.next(line, at, at + 1)
      expect(result).toBe(BAD)
      // Quadratic work takes seconds here.
      expect(performance.now() - began, start).toBeLessThan(500)
    }
  })
})
