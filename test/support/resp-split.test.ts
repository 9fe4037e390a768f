import {describe, expect, it} from 'vitest'
import {encodeReply, MalformedReply, parseReply, replyEnd} from './resp-split.ts'

const WHOLE = [
  '+OK\r\n',
  '-ERR no\r\n',
  ':-12\r\n',
  '$0\r\n\r\n',
  '$5\r\na\r\nbc\r\n',
  '$-1\r\n',
  '*-1\r\n',
  '_\r\n',
  '#t\r\n',
  ',1.5\r\n',
  '(123456789012345678901234567890\r\n',
  '*0\r\n',
  '*2\r\n*1\r\n:1\r\n$1\r\nx\r\n',
  '%1\r\n+a\r\n*1\r\n_\r\n',
  '~2\r\n:1\r\n:2\r\n',
  '>2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n',
  '|1\r\n+ttl\r\n:3\r\n$1\r\nv\r\n',
  '=7\r\ntxt:abc\r\n',
  '!5\r\nERR x\r\n',
]

describe('reply splitter', () => {
  it('finds the end of each reply, and never before its last byte', () => {
    for (const text of WHOLE) {
      const bytes = Buffer.from(`${text}+NEXT\r\n`, 'latin1')
      expect(replyEnd(bytes)).toBe(text.length)
      for (let cut = 0; cut < text.length; cut++)
        expect(replyEnd(bytes.subarray(0, cut)), `${text} cut at ${cut}`).toBe(-1)
    }
  })

  it('reads and writes every reply back unchanged', () => {
    for (const text of WHOLE) expect(encodeReply(parseReply(Buffer.from(text, 'latin1'))).toString('latin1')).toBe(text)
  })

  it('refuses what is not strict RESP', () => {
    for (const text of ['OK\r\n', '$x\r\n', '$03\r\nabc\r\n', '$3\r\nabcd\r\n', '*+1\r\n', '+OK\n', '\r\n'])
      expect(() => replyEnd(Buffer.from(text)), text).toThrow(MalformedReply)
  })
})
