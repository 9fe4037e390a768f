/** What stands at a path that a person typed: the folder of a data log, or a savefile. Both can be rebuilt. */
import {stat} from 'node:fs/promises'
import {describeErrno} from '../disk/durable-file.ts'
import {KvError} from '../errors.ts'
import {openLogReader} from './log-reader.ts'
import {rebuildLog, rebuildSavefile, requireContent, type Rebuilt, type RebuildOptions} from './rebuild.ts'

export interface Content {
  readonly path: string
  readonly kind: 'log' | 'savefile'
  /** Who wrote it, or when: another one at the same path has another. */
  readonly source: string
  /** Errors: as `rebuildLog` or `rebuildSavefile`; E_USAGE if there is no content at that point, or `until` is given for a savefile. */
  rebuild(options: RebuildOptions): Promise<Rebuilt>
  close(): Promise<void>
}

/** Errors: E_USAGE if there is nothing, E_LOG and its kin. */
export async function openContent(path: string): Promise<Content> {
  const found = await stat(path).catch((error: unknown) => {
    throw new KvError('E_USAGE', `There is neither a data log nor a savefile at ${path}: ${describeErrno(error)}.`)
  })
  if (found.isDirectory()) return openLog(path)
  return {
    path,
    kind: 'savefile',
    source: `savefile ${found.size} ${found.mtimeMs}`,
    rebuild: async (options) => {
      if (options.until !== undefined) {
        throw new KvError('E_USAGE', `${path} is a savefile: it holds one moment, so --until says nothing.`)
      }
      return rebuildSavefile(path, options)
    },
    close: async () => undefined,
  }
}

async function openLog(path: string): Promise<Content> {
  const reader = await openLogReader(path)
  const {clusterId, nodeId} = reader.identity
  return {
    path,
    kind: 'log',
    source: `log ${clusterId} ${nodeId}`,
    rebuild: async (options) => {
      const rebuilt = await rebuildLog(reader, options)
      try {
        requireContent(rebuilt, path, options.until)
        return rebuilt
      } catch (error) {
        await rebuilt.close()
        throw error
      }
    },
    close: () => reader.close(),
  }
}
