/** A log in memory, put into real files. */
import {openLogWriter} from '../../src/datalog/log-writer.ts'
import {makeFolder} from '../node/folder.ts'
import type {MemoryLog} from './memory-log.ts'

/** Writes all entries into a folder (a new one, unless it is given) and returns it. */
export async function folderOf(log: MemoryLog, segmentBytes = 64 * 1024, dir = `${makeFolder()}/log`): Promise<string> {
  const writer = await openLogWriter(dir, {identity: log.identity, now: 0, segmentBytes, isDaily: false})
  for (const {kind, body, time} of log.list) writer.append(kind, Buffer.from(body), time)
  await writer.close()
  return dir
}
