/** What segments a log has: from their footers; only the open one is read. */
import {errnoCode} from '../disk/durable-file.ts'
import {logError, noLog} from './log-errors.ts'
import {nodeLogFileSystem, type LogFileSystem} from './log-fs.ts'
import {checkIdentity, readHead} from './log-reader.ts'
import {listSegments, openListed, type SegmentSource} from './segment-files.ts'
import {BLOCK_HEAD} from './segment-format.ts'
import {scanSegment} from './segment-scan.ts'
import {decodeFoot, SegmentTable, type SegmentFoot} from './segment-table.ts'
import type {LogIdentity} from './types.ts'

export interface SegmentInfo extends SegmentFoot {
  readonly number: number
  /** Path. */
  readonly file: string
  /** On the disk. */
  readonly bytes: number
  /** `damaged`: it has no footer though there is a later segment, or no head; its counts are of what can be read. */
  readonly state: 'sealed' | 'compressed' | 'open' | 'damaged'
}

/** Errors: E_LOG (there is none, or it cannot be read), E_LOG_FORMAT, E_LOG_FOREIGN. */
export async function listLog(
  dir: string,
  {fs = nodeLogFileSystem}: {fs?: LogFileSystem} = {},
): Promise<{readonly identity: LogIdentity | null; readonly segments: readonly SegmentInfo[]}> {
  try {
    const names = await listSegments(dir, fs)
    if (names.length === 0) throw noLog(dir)
    let identity: LogIdentity | null = null
    const segments: SegmentInfo[] = []
    for (const name of names) {
      const source = await openListed(dir, name, fs)
      if (source === null) continue
      try {
        const block = source.foot ?? (await readHead(source))
        identity = (block && checkIdentity(name.file, block.body, identity)) ?? identity
        segments.push(await infoOf(source, name === names.at(-1) && block !== null))
      } finally {
        await source.close()
      }
    }
    return {identity, segments}
  } catch (error) {
    throw errnoCode(error) === 'ENOENT' ? noLog(dir) : logError(dir, error)
  }
}

async function infoOf(source: SegmentSource, isOpen: boolean): Promise<SegmentInfo> {
  const {number, file, isCompressed} = source.name
  const foot = source.foot === null ? null : decodeFoot(source.foot.body)
  if (foot !== null) return {...foot, number, file, bytes: source.bytes, state: isCompressed ? 'compressed' : 'sealed'}
  const table = new SegmentTable()
  table.begin(number, 0)
  for await (const item of scanSegment(source, 0, null)) {
    if (item.kind !== 'block') continue
    const {kind, body, offset, time} = item.block
    if (kind === BLOCK_HEAD) table.begin(number, time)
    if (kind < BLOCK_HEAD) table.take(kind, body, offset, time)
  }
  const {created, from, to, blocks, records, imageRecords, images, gaps} = table
  const counted = {created, from, to, blocks, records, imageRecords, images, gaps}
  return {...counted, number, file, bytes: source.bytes, state: isOpen && !isCompressed ? 'open' : 'damaged'}
}
