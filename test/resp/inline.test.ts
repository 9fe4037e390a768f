/** Inline requests against a model of sdssplitargs, and the examples that one types. */
import fc from 'fast-check'
import {describe, expect, it} from 'vitest'
import {splitInline} from '../../src/resp/inline.ts'
import {Request} from '../../src/resp/request-decoder.ts'
import {modelSplit} from './model.ts'

/** The words of a line, or null; other bytes lie around the line. */
function split(line: string): string[] | null {
  const around = Buffer.from(`"'x${line}' "x`, 'latin1')
  const request = new Request()
  if (!splitInline(around, 3, 3 + line.length, request)) return null
  const {buf, off, len, argc} = request
  return Array.from({length: argc}, (_, i) => buf.toString('latin1', off[i], off[i]! + len[i]!))
}

describe('a line of words', () => {
  const LINES: readonly (readonly [string, string[] | null])[] = [
    ['', []],
    ['  \t ', []],
    ['PING', ['PING']],
    ['  SET  k\tv  ', ['SET', 'k', 'v']],
    ['SET "a b" \'c d\'', ['SET', 'a b', 'c d']],
    ['SET "" \'\'', ['SET', '', '']],
    ['"\\n\\r\\t\\b\\a\\\\\\"\\q"', ['\n\r\t\b\x07\\"q']],
    ['"\\x00\\xff\\xFf\\x4a"', ['\x00\xff\xffJ']],
    ['"\\x4"', ['x4']],
    ['"\\xzz"', ['xzz']],
    ["'it\\'s' 'a\\nb'", ["it's", 'a\\nb']],
    ['a"b c"', ['ab c']],
    ['a"b"c', null],
    ['"a""b"', null],
    ['"a\'', null],
    ["'a", null],
    ['"a\\', null],
    ['"a\\"', null],
    ['"', null],
    ['"a"\vb', ['a', 'b']],
    ['a\vb', ['a\vb']],
    ['\v\fa', ['a']],
    ['a\0b \0', ['a\0b', '\0']],
    ['caf\xe9', ['caf\xe9']],
  ]

  it.each(LINES)('%j', (line, words) => {
    expect(split(line)).toEqual(words)
    expect(modelSplit(line)).toEqual(words)
  })

  it('is split as the model does it', () => {
    const piece = fc.oneof(
      fc.constantFrom(
        '"',
        "'",
        '\\',
        '\\"',
        "\\'",
        '\\x4',
        '\\x41',
        '\\n',
        ' ',
        '\t',
        '\v',
        '\r',
        'a',
        'b c',
        '\0',
        '\xff',
      ),
      fc.string({maxLength: 3, unit: 'binary-ascii'}),
    )
    fc.assert(
      fc.property(fc.array(piece, {maxLength: 14}), (parts) => {
        const line = parts.join('').replaceAll('\n', ' ')
        expect(split(line)).toEqual(modelSplit(line))
      }),
      {numRuns: 5000},
    )
  })
})
