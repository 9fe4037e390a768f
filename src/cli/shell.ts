/** Command lines that we print for people to paste into their shell. */
import {basename, delimiter, dirname, isAbsolute} from 'node:path'

/**
 * How the person who reads our hints would start us: `./bin/kv` in a checkout, `kv` if that is on the PATH. bin/kv
 * passes on the name it was called by in KV_COMMAND.
 */
export function selfCommand(env: NodeJS.ProcessEnv = process.env): string {
  const calledAs = env['KV_COMMAND']
  if (calledAs === undefined || calledAs === '') return 'kv'
  const isOnPath = (env['PATH'] ?? '').split(delimiter).includes(dirname(calledAs))
  return isAbsolute(calledAs) && isOnPath ? basename(calledAs) : calledAs
}

/** Hints write commands as `kv ...` in backticks; this puts in what works for this reader. */
export function personalHint(hint: string): string {
  return hint.replaceAll('`kv ', `\`${selfCommand()} `)
}

/** One word for a POSIX shell, quoted if it needs to be. */
export function shellQuote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
