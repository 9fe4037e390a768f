/** The reply writer: what it writes is what an independent reader reads, in both protocols, however much there is. */
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {formatDouble, ReplyWriter} from '../../src/resp/reply-writer.ts'
import {parseReply, replyEnd} from '../support/resp-split.ts'

/** A reply to write. */
type Node =
  | {readonly kind: 'ok' | 'pong' | 'queued' | 'null' | 'nullArray'}
  | {readonly kind: 'simple' | 'error' | 'bulkString' | 'verbatim'; readonly text: string}
  | {readonly kind: 'integer' | 'bulkInteger' | 'double'; readonly value: number}
  | {readonly kind: 'bigint'; readonly value: bigint}
  | {readonly kind: 'boolean'; readonly value: boolean}
  | {readonly kind: 'bulk'; readonly bytes: Buffer}
  | {readonly kind: 'array' | 'set' | 'push'; readonly items: readonly Node[]}
  | {readonly kind: 'map'; readonly items: readonly Node[]}

function write(out: ReplyWriter, node: Node): void {
  switch (node.kind) {
    case 'ok':
    case 'pong':
    case 'queued':
    case 'null':
    case 'nullArray':
      return out[node.kind]()
    case 'simple':
    case 'error':
    case 'bulkString':
      return out[node.kind](node.text)
    case 'verbatim':
      return out.verbatim('txt', node.text)
    case 'integer':
    case 'bulkInteger':
    case 'double':
      return out[node.kind](node.value)
    case 'bigint':
      return out.bigint(node.value)
    case 'boolean':
      return out.boolean(node.value)
    case 'bulk':
      return out.bulk(Buffer.concat([Buffer.from('##'), node.bytes, Buffer.from('##')]), 2, node.bytes.length)
    case 'map':
      out.map(node.items.length / 2)
      return node.items.forEach((item) => write(out, item))
    default:
      out[node.kind](node.items.length)
      return node.items.forEach((item) => write(out, item))
  }
}

const bulk = (text: string): string => `$${Buffer.byteLength(text, 'latin1')}\r\n${text}\r\n`
const utf8 = (text: string): string => Buffer.from(text).toString('latin1')

/** The bytes that must come out, as Latin-1, said once more and plainly. */
function expected(node: Node, proto: 2 | 3): string {
  const is3 = proto === 3
  switch (node.kind) {
    case 'ok':
      return '+OK\r\n'
    case 'pong':
      return '+PONG\r\n'
    case 'queued':
      return '+QUEUED\r\n'
    case 'null':
      return is3 ? '_\r\n' : '$-1\r\n'
    case 'nullArray':
      return is3 ? '_\r\n' : '*-1\r\n'
    case 'simple':
      return `+${node.text}\r\n`
    case 'error':
      return `-${node.text}\r\n`
    case 'bulkString':
      return bulk(utf8(node.text))
    case 'verbatim':
      return is3 ? bulk(`txt:${utf8(node.text)}`).replace('$', '=') : bulk(utf8(node.text))
    case 'integer':
    case 'bigint':
      return `:${node.value}\r\n`
    case 'bulkInteger':
      return bulk(String(node.value))
    case 'double':
      return is3 ? `,${formatDouble(node.value)}\r\n` : bulk(formatDouble(node.value))
    case 'boolean':
      if (is3) return node.value ? '#t\r\n' : '#f\r\n'
      return node.value ? ':1\r\n' : ':0\r\n'
    case 'bulk':
      return bulk(node.bytes.toString('latin1'))
    case 'map':
      return `${is3 ? `%${node.items.length / 2}` : `*${node.items.length}`}\r\n${node.items.map((item) => expected(item, proto)).join('')}`
    default: {
      const sign = is3 ? {array: '*', set: '~', push: '>'}[node.kind] : '*'
      return `${sign}${node.items.length}\r\n${node.items.map((item) => expected(item, proto)).join('')}`
    }
  }
}

const line = fc.stringMatching(/^[ -~\u00a0-\u00ff]{0,30}$/)
const whole = fc.oneof(
  fc.maxSafeInteger(),
  fc.integer({min: -10, max: 10}),
  fc.constantFrom(99, 100, 999, 1000, 99_999, 2 ** 31 - 2, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 53 - 1),
)
const leaf: fc.Arbitrary<Node> = fc.oneof(
  fc.constantFrom('ok', 'pong', 'queued', 'null', 'nullArray').map((kind): Node => ({kind: kind as 'ok'})),
  fc.record({kind: fc.constantFrom('simple' as const, 'error' as const), text: line}),
  fc.record({
    kind: fc.constantFrom('bulkString' as const, 'verbatim' as const),
    text: fc.string({unit: 'binary', maxLength: 40}),
  }),
  fc.record({kind: fc.constantFrom('integer' as const, 'bulkInteger' as const), value: whole}),
  fc.record({kind: fc.constant('double' as const), value: fc.double()}),
  fc.record({
    kind: fc.constant('bigint' as const),
    value: fc.bigInt({min: -9223372036854775808n, max: 9223372036854775807n}),
  }),
  fc.record({kind: fc.constant('boolean' as const), value: fc.boolean()}),
  fc.uint8Array({maxLength: 200}).map((array): Node => ({kind: 'bulk', bytes: Buffer.from(array)})),
)
const tree = fc.letrec<{node: Node}>((tie) => ({
  node: fc.oneof(
    {maxDepth: 3, withCrossShrink: true},
    leaf,
    fc.record({
      kind: fc.constantFrom('array' as const, 'set' as const, 'push' as const),
      items: fc.array(tie('node'), {maxLength: 5}),
    }),
    fc
      .array(tie('node'), {maxLength: 4})
      .map((items): Node => ({kind: 'map', items: items.slice(0, items.length & ~1)})),
  ),
})).node

describe('replies', () => {
  it('are the bytes that both protocols want, and strict RESP', () => {
    const out = new ReplyWriter()
    fc.assert(
      fc.property(fc.array(tree, {minLength: 1, maxLength: 5}), fc.constantFrom<2 | 3>(2, 3), (nodes, proto) => {
        out.clear()
        out.proto = proto
        for (const node of nodes) write(out, node)
        const written = out.buf.subarray(0, out.pos)
        expect(written.toString('latin1')).toBe(nodes.map((node) => expected(node, proto)).join(''))
        let rest = Buffer.from(written)
        for (const _ of nodes) {
          const end = replyEnd(rest)
          expect(() => parseReply(rest.subarray(0, end))).not.toThrow()
          rest = rest.subarray(end)
        }
        expect(rest).toHaveLength(0)
      }),
      {numRuns: 1500},
    )
  })

  it('are whole wherever the buffer ends: it grows by what is needed', () => {
    const nodes: readonly Node[] = [
      {kind: 'ok'},
      {kind: 'integer', value: -123},
      {kind: 'bulk', bytes: Buffer.from('abc')},
      {kind: 'bulk', bytes: Buffer.alloc(200, 'x')},
      {kind: 'bulkString', text: 'größe'},
      {kind: 'array', items: []},
      {kind: 'verbatim', text: 'text'},
      {kind: 'simple', text: 'simple'},
      {kind: 'null'},
    ]
    for (const node of nodes) {
      for (const proto of [2, 3] as const) {
        for (let room = 0; room < 260; room += room < 40 ? 1 : 7) {
          const out = new ReplyWriter()
          out.proto = proto
          const fill = out.buf.length - room
          out.raw(Buffer.alloc(fill, '.'))
          write(out, node)
          expect(out.buf.toString('latin1', fill, out.pos), `${node.kind}, ${room} bytes of room`).toBe(
            expected(node, proto),
          )
          expect(out.buf.toString('latin1', fill - 3, fill)).toBe('...')
        }
      }
    }
  })

  it('of hundreds of megabytes are written, and the room is given back', () => {
    const out = new ReplyWriter()
    const value = Buffer.alloc(32 * 1024 * 1024, 'v')
    out.array(4)
    for (let i = 0; i < 4; i++) out.bulkBuffer(value)
    expect(replyEnd(out.buf.subarray(0, out.pos))).toBe(out.pos)
    expect(out.pos).toBe(4 + 4 * (value.length + '$33554432\r\n\r\n'.length))
    out.clear()
    expect(out.buf.length).toBeLessThanOrEqual(1024 * 1024)
  })

  it('that turn out to be others are taken back', () => {
    const out = new ReplyWriter()
    out.ok()
    const start = out.pos
    out.bulkBuffer(Buffer.alloc(200_000))
    out.rewind(start)
    out.pong()
    expect(out.buf.toString('latin1', 0, out.pos)).toBe('+OK\r\n+PONG\r\n')
    expect(() => out.rewind(100)).toThrow('rewinds')
  })

  it('that were handed over are not written into', () => {
    const out = new ReplyWriter()
    out.ok()
    const handed = out.buf.subarray(0, out.pos)
    out.abandon()
    out.error('ERR other')
    expect(handed.toString()).toBe('+OK\r\n')
  })
})

describe('errors and simple strings', () => {
  it('are one line, whatever characters are in them', () => {
    for (const text of ['ERR a\r\nb', 'ERR a\nb', 'ERR \u010a\u010d \u4e0a', 'ERR \ud83d\ude00']) {
      const out = new ReplyWriter()
      out.error(text)
      out.simple(text.slice(4))
      const written = out.buf.toString('latin1', 0, out.pos)
      expect(written, JSON.stringify(text)).toMatch(/^-ERR [^\r\n]*\r\n\+[^\r\n]*\r\n$/)
    }
  })
})

describe('doubles', () => {
  it('read back as what they were, in the words of Redis 7.2', () => {
    expect([0, -0, 1.5, 1e21, 1e-7, 0.1, 123456789012345680].map(formatDouble)).toEqual([
      '0',
      '-0',
      '1.5',
      '1e+21',
      '1e-7',
      '0.1',
      '123456789012345680',
    ])
    expect([Infinity, -Infinity, NaN].map(formatDouble)).toEqual(['inf', '-inf', 'nan'])
    fc.assert(
      fc.property(fc.double({noNaN: true, noDefaultInfinity: true}), (value) => {
        expect(Number(formatDouble(value))).toBe(value)
      }),
    )
  })
})
