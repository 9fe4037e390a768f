/** The judge of the stock clients' reads must reject what is wrong, and only that. */
import {expect, it} from 'vitest'
import {KeyBook} from './key-book.ts'

function wrongAfter(run: (book: KeyBook) => void): number {
  const book = new KeyBook('me')
  run(book)
  return book.wrongReads.length
}

function written(book: KeyBook, name: string): string {
  const value = book.begin(name)
  book.acknowledge(name, value)
  return value
}

it('the last acknowledged value is right, however often it is read', () => {
  const wrong = wrongAfter((book) => {
    const value = written(book, 'k')
    book.read('k', value)
    book.read('k', value)
  })
  expect(wrong).toBe(0)
})

it('a key that nobody wrote is missing, and anything else in it is wrong', () => {
  expect(wrongAfter((book) => book.read('k', null))).toBe(0)
  expect(wrongAfter((book) => book.read('k', 'you:k:1'))).toBe(1)
})

it('a lost write is wrong: an older value, none, or that of another key', () => {
  const readAfterTwo = (pick: (first: string, other: string) => string | null): number =>
    wrongAfter((book) => {
      const first = written(book, 'k')
      written(book, 'k')
      book.read('k', pick(first, written(book, 'other')))
    })
  expect(readAfterTwo((first) => first)).toBe(1)
  expect(readAfterTwo(() => null)).toBe(1)
  expect(readAfterTwo((_, other) => other)).toBe(1)
})

it('a write without an answer may be read or not, also after the next one', () => {
  const wrong = wrongAfter((book) => {
    const known = written(book, 'k')
    const unknown = book.begin('k')
    book.read('k', known)
    const next = written(book, 'k')
    book.read('k', next)
    book.read('k', unknown)
  })
  expect(wrong).toBe(0)
})

it('once a write without an answer was read, what was before it is wrong', () => {
  const wrong = wrongAfter((book) => {
    const known = written(book, 'k')
    book.read('k', book.begin('k'))
    book.read('k', known)
  })
  expect(wrong).toBe(1)
})

it('no two values are alike, so that each read names its write', () => {
  const book = new KeyBook('me')
  const values = ['a', 'b', 'a', 'b'].map((name) => book.begin(name))
  expect(new Set(values).size).toBe(4)
})
