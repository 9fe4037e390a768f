/** How a line of the console is taken apart, and put together again. */
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {parseLine, piecesOf, quoteWord, type Statement} from '../../src/repl/words.ts'

function statement(text: string): Statement {
  const parsed = parseLine(text)
  if (parsed.kind !== 'statement') throw new Error(JSON.stringify(parsed))
  return parsed.statement
}

function words(text: string): string[] {
  return statement(text).words.map((word) => word.bytes.toString('latin1'))
}

describe('words', () => {
  test.each([
    ['get a', ['get', 'a']],
    ['  set  a   "b c" ', ['set', 'a', 'b c']],
    [String.raw`set a "\x00\xFF\n\t\"\\"`, ['set', 'a', '\0\xff\n\t"\\']],
    [String.raw`set a 'it\'s \n'`, ['set', 'a', String.raw`it's \n`]],
    ['set a ""', ['set', 'a', '']],
    ['set a b|c>d', ['set', 'a', 'b|c>d']],
    ['set a ">"', ['set', 'a', '>']],
    ['set a \\\n b', ['set', 'a', 'b']],
    ['set a "two\nlines"', ['set', 'a', 'two\nlines']],
  ])('%j', (text, expected) => {
    expect(words(text)).toEqual(expected)
  })

  test('text in any language is sent as UTF-8', () => {
    expect(statement('set a "žluť 🐎" 漢').words.map(({text}) => text)).toEqual(['set', 'a', 'žluť 🐎', '漢'])
  })

  test('nothing, or a comment, is nothing', () => {
    for (const text of ['', '   ', '# set a 1', '  #']) expect(parseLine(text)).toEqual({kind: 'nothing'})
  })

  test('what ends within quotes or with a backslash goes on', () => {
    for (const text of ['set a "b', "set a 'b", 'set a \\', 'set a "\\'])
      expect(parseLine(text).kind).toBe('unfinished')
  })

  test.each([
    ['set a "b"c', 'Behind the closing " goes a blank.'],
    ['> file', 'There is no command before >.'],
    ['get a |', 'Behind | goes a program'],
    ['get a > ', 'Behind > goes the name of one file'],
    ['get a > b c', 'Behind > goes the name of one file'],
  ])('%s is wrong, and says why', (text, problem) => {
    expect(parseLine(text)).toMatchObject({kind: 'wrong', problem: expect.stringContaining(problem)})
  })

  test('output goes to files and programs', () => {
    expect(statement('get a > "my file"').to).toEqual({kind: 'file', path: 'my file', isAppended: false})
    expect(statement('get a >> f').to).toEqual({kind: 'file', path: 'f', isAppended: true})
    expect(statement(`hgetall a | jq '.a | .b' > x`).to).toEqual({kind: 'program', command: `jq '.a | .b' > x`})
  })

  test('any bytes that are quoted come back, alone and among others', () => {
    const bytes = fc.uint8Array({maxLength: 20}).map((array) => Buffer.from(array))
    fc.assert(
      fc.property(bytes, (word) => {
        expect(statement(`set ${quoteWord(word)} x`).words[1]!.bytes).toEqual(word)
      }),
      {numRuns: 2_000},
    )
  })

  test('any text is taken apart without an exception', () => {
    fc.assert(
      fc.property(fc.string({unit: 'binary', maxLength: 40}), (text) => {
        parseLine(text)
        piecesOf(text)
      }),
      {numRuns: 5_000},
    )
  })
})
