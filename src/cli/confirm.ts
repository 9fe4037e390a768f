/** A question before something that cannot be undone. Only ever asked of a person at a terminal; anybody else must say --yes. */
import {createInterface} from 'node:readline/promises'
import {KvError} from '../errors.ts'

export interface Confirmation {
  /** What will happen, as a sentence. */
  readonly text: string
  /** `--yes` was given. */
  readonly isGiven: boolean
}

/** Resolves if it is wanted. Errors: E_REFUSED without a terminal, or if the answer is no. */
export async function confirm({text, isGiven}: Confirmation): Promise<void> {
  if (isGiven) return
  if (!process.stdin.isTTY || !process.stderr.isTTY) throw new KvError('E_REFUSED', text, 'Add --yes to do it.')
  const prompt = createInterface({input: process.stdin, output: process.stderr})
  try {
    const answer = await prompt.question(`${text} Type yes to do it: `)
    if (answer.trim().toLowerCase() !== 'yes') throw new KvError('E_REFUSED', 'Nothing was done.')
  } finally {
    prompt.close()
  }
}
