/**
 * `--load`: a node that founds a cluster begins with the content of a data log or savefile. The file stays as it is and is not marked: it is
 * named anew at each start by whoever wants it, and a node that returns to its cluster refuses it, so that old content never comes
 * over newer.
 *
 * Records go from the log's temporary files straight into the engine, bucket by bucket; nothing is in memory twice. The content is
 * there before the node serves its first client.
 */
import {setImmediate as nextTurn} from 'node:timers/promises'
import {REBUILD_PARTITIONS} from '../constants.ts'
import {Replay} from '../core/replay.ts'
import {openContent} from '../datalog/open-content.ts'
import {KvError} from '../errors.ts'
import {dropExpired} from './saver.ts'
import {savefileExists} from './savefile.ts'
import type {Engine} from '../core/engine.ts'
import type {RebuildSummary} from '../datalog/rebuild.ts'
import type {NodeOptions} from './options.ts'

export interface ContentLoaded {
  readonly path: string
  readonly keys: number
  /** Keys whose time had come. */
  readonly expired: number
  /** Unix ms: as of when. */
  readonly lastTime: number
  readonly unknown: number
  readonly unfinished: number
}

/**
 * Brings the content that `options.load` names into the empty engine; null: it names none. Errors: E_USAGE if this node must not begin with it, or
 * if buckets of it are unknown and their loss is not accepted; those of the log or savefile.
 */
export async function loadContent(
  engine: Engine,
  options: NodeOptions,
  isFounder: boolean,
): Promise<ContentLoaded | null> {
  const {load: path} = options
  if (path === undefined) return null
  await refuseLoad(path, options, isFounder)
  const content = await openContent(path)
  try {
    const rebuilt = await content.rebuild({})
    try {
      if (!options.acceptsLoss) refuseUnknown(path, rebuilt.summary)
      const replay = new Replay(engine.effects)
      for (let partition = 0; partition < REBUILD_PARTITIONS; partition++) {
        await rebuilt.each(partition, (record) => replay.apply(record))
        await nextTurn()
      }
      const expired = await dropExpired(engine)
      const {unknown, unfinished, lastTime} = rebuilt.summary
      return {
        ...{path, keys: engine.keyspace.keyCount, expired, lastTime},
        ...{unknown: unknown.length, unfinished: unfinished.length},
      }
    } finally {
      await rebuilt.close()
    }
  } finally {
    await content.close()
  }
}

/** Errors: E_USAGE if this node has, or will have, other content. */
async function refuseLoad(path: string, options: NodeOptions, isFounder: boolean): Promise<void> {
  const {saveFile} = options
  const refuse = (why: string, hint: string): never => {
    throw new KvError('E_USAGE', `--load ${path} is for a node that founds a new cluster, but ${why}.`, hint)
  }
  const replay = `Start it without --load, then: kv log replay ${path} --to host:port.`
  if ((options.join?.length ?? 0) > 0) refuse('this one joins one', replay)
  if (!isFounder) refuse('this one belongs to a cluster, as its data dir says', replay)
  if (options.isVoterOnly) refuse('this one holds no data (--voter-only)', 'Load it in a node that does.')
  if (saveFile !== undefined && (await savefileExists(saveFile))) {
    refuse(`there is a savefile too, ${saveFile}`, 'Decide which of the two is meant, and move the other one away.')
  }
}

/** A bucket that is lost is never served as empty without being told to. */
function refuseUnknown(path: string, {unknown}: RebuildSummary): void {
  if (unknown.length === 0) return
  throw new KvError(
    'E_USAGE',
    `The log ${path} has no whole image of ${unknown.length} buckets: nothing is known of them.`,
    'Add --accept-loss to begin with these empty.',
  )
}
