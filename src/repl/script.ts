/** The console without a person: lines from standard input, one after the other, until the first that fails. */
import {createInterface} from 'node:readline'
import {parseLine} from './words.ts'
import type {Outcome} from './console.ts'

export interface ScriptOptions {
  readonly input: NodeJS.ReadableStream
  /** A line that fails does not end it. */
  readonly keepsGoing: boolean
  /** Never rejects. */
  readonly run: (text: string) => Promise<Outcome>
  /** The input ended within a line. */
  readonly unfinished: (text: string) => void
}

/** Resolves to true if all went well. */
export async function runScript({input, keepsGoing, run, unfinished}: ScriptOptions): Promise<boolean> {
  const lines = createInterface({input, crlfDelay: Infinity})
  let typed = ''
  let isGood = true
  for await (const line of lines) {
    typed = typed === '' ? line : `${typed}\n${line}`
    if (parseLine(typed).kind === 'unfinished') continue
    const text = typed
    typed = ''
    const outcome = await run(text)
    if (outcome === 'leave') return isGood
    if (outcome === 'failed') isGood = false
    if (!isGood && !keepsGoing) return false
  }
  if (typed === '') return isGood
  unfinished(typed)
  return false
}
