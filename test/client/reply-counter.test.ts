import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {isError} from '../../src/client/reply.ts'
import {ReplyCounter} from '../../src/client/reply-counter.ts'
import {anyReply, encodeReply} from './resp3.ts'

function count(chunks: readonly Buffer[]): {replies: number; counter: ReplyCounter} {
  const counter = new ReplyCounter()
  const replies = chunks.reduce((sum, chunk) => sum + counter.count(chunk), 0)
  return {replies, counter}
}

const bytesOf = (wire: Buffer): Buffer[] => [...wire].map((byte) => Buffer.from([byte]))

describe('it agrees with the decoder', () => {
  test('on any replies, whole and byte by byte', () => {
    fc.assert(
      fc.property(fc.array(anyReply, {maxLength: 5}), (replies) => {
        const wire = Buffer.concat(replies.map(encodeReply))
        for (const chunks of [[wire], bytesOf(wire)]) {
          const {replies: counted, counter} = count(chunks)
          expect(counted).toBe(replies.length)
          expect(counter.nulls).toBe(replies.filter((reply) => reply === null).length)
          if (replies.some(isError)) expect(counter.firstError).toBeDefined()
        }
      }),
      {numRuns: 2_000},
    )
  })

  test.each([
    ['$-1\r\n*-1\r\n_\r\n', 3, 3],
    ['>2\r\n+a\r\n:1\r\n:2\r\n', 1, 0],
    ['|1\r\n+a\r\n:1\r\n:2\r\n', 1, 0],
    ['*2\r\n|1\r\n+a\r\n*1\r\n_\r\n:1\r\n%1\r\n+a\r\n_\r\n', 1, 0],
    ['%0\r\n*0\r\n~0\r\n', 3, 0],
    ['*2\r\n_\r\n$-1\r\n', 1, 0],
  ])('%j', (wire, replies, nulls) => {
    for (const chunks of [[Buffer.from(wire)], bytesOf(Buffer.from(wire))]) {
      const {replies: counted, counter} = count(chunks)
      expect([counted, counter.nulls]).toEqual([replies, nulls])
    }
  })
})

test('errors are counted by their first word, and the first is kept', () => {
  const {counter} = count(bytesOf(Buffer.from('-MOVED 7 h:1\r\n+OK\r\n-MOVED 8 h:1\r\n-ERR no\r\n')))
  expect(Object.fromEntries(counter.errors)).toEqual({MOVED: 2, ERR: 1})
  expect(counter.firstError).toBe('MOVED 7 h:1')
})

test('only the given length of a reused buffer counts', () => {
  expect(new ReplyCounter().count(Buffer.from('+OK\r\n+OK\r\n'), 5)).toBe(1)
})

test.each(['HTTP/1.1 400\r\n', '$999999999999\r\n', '*99999999999\r\n'])('%j is refused', (wire) => {
  expect(() => count([Buffer.from(wire)])).toThrow('not RESP')
})
