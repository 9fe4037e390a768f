/** Where the last two segments of a log begin: the last one may hold next to nothing yet. */
import {nodeLogFileSystem} from './log-fs.ts'
import {listSegments} from './segment-files.ts'
import type {LogPlace} from './types.ts'

/** Null: there is no segment. */
export async function lastSegments(dir: string): Promise<LogPlace | null> {
  const names = await listSegments(dir, nodeLogFileSystem)
  const name = names.at(-2) ?? names.at(-1)
  return name ? {segment: name.number, offset: 0} : null
}
