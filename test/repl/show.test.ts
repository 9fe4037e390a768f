/** How replies are shown, and what is too much for a screen. */
import {Chalk} from 'chalk'
import {expect, test} from 'vitest'
import {isSecret} from '../../src/repl/history.ts'
import {showReply} from '../../src/repl/show.ts'
import type {Reply} from '../../src/client/reply.ts'

function shown(reply: Reply, columns = 40): string[] {
  return showReply(reply, {style: new Chalk({level: 0}), columns}).split('\n')
}

function map(entries: Readonly<Record<string, string>>): Reply {
  return {
    kind: 'map',
    entries: Object.entries(entries).map(([key, value]) => [Buffer.from(key), Buffer.from(value)] as const),
  }
}

test('a map is a table', () => {
  expect(shown(map({name: 'Ada', city: 'Zürich'}))).toEqual(['FIELD  VALUE', 'name   Ada', 'city   Zürich'])
})

test('a table fits the screen, also one of 20 columns', () => {
  const wide = map({['f'.repeat(100)]: 'v'.repeat(100), b: 'c'})
  for (const columns of [20, 40, 100])
    for (const line of shown(wide, columns)) expect(line.length).toBeLessThanOrEqual(columns)
  expect(shown(wide, 20)[1]).toMatch(/^f+… {2}v+…$/)
})

test('what would move the cursor is quoted', () => {
  const [, line] = shown(map({a: '\x1b[2Jboo\n'}))
  expect(line).toBe(String.raw`a      "\x1b[2Jboo\n"`)
})

test('a map within a list, and a list, are as redis-cli shows them', () => {
  expect(shown([Buffer.from('a'), 1, null])).toEqual(['1) "a"', '2) (integer) 1', '3) (nil)'])
})

test('a large value is cut, and says how large it is and how to have it', () => {
  const [first, note] = shown(Buffer.alloc(50_000_000, 'x'))
  expect(first!.length).toBeLessThan(70_000)
  expect(note).toBe('… 50,000,000 bytes in all; add `> FILE` to have them in a file.')
})

test('a long list and a long map are cut', () => {
  expect(shown(Array.from({length: 2_500}, (_, i) => i)).at(-1)).toBe(
    '… 1,500 items more; add `| less` to see them all.',
  )
  const long = map(Object.fromEntries(Array.from({length: 1_001}, (_, i) => [`f${i}`, 'v'])))
  expect(shown(long).at(-1)).toBe('… 1 field more; add `| less` to see them all.')
})

test('an error is one', () => {
  expect(shown({kind: 'error', text: 'WRONGTYPE no'})).toEqual(['(error) WRONGTYPE no'])
})

test.each([
  ['auth secret', true],
  ['  AUTH user secret', true],
  ['hello 3 auth default secret', true],
  ['config set requirepass secret', true],
  ['config set maxmemory 1gb', false],
  ['set author me', false],
  ['get auth', false],
])('history: %s is a secret: %s', (line, expected) => {
  expect(isSecret(line)).toBe(expected)
})
