/** The quick part of `npm run fuzz:checker`: random small histories, judged by the on-line checkers and by trying every order. */
import {expect, test} from 'vitest'
import {fuzz, SUBJECTS} from './fuzz.ts'

test.each(SUBJECTS)('%s: the on-line checker agrees with trying every order', (subject) => {
  const {good, bad, disagreements} = fuzz(subject, 10_000, 7)
  expect(disagreements.slice(0, 1)).toEqual([])
  expect(Math.min(good, bad)).toBeGreaterThan(1_500)
})
