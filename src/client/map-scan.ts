/**
 * HSCAN over one map. A cursor means something only to the node that gave it: if another one answers, because the bucket moved in between, the walk begins
 * anew there, and what has come already is left out.
 */
import {CLIENT_SCAN_COUNT} from '../constants.ts'
import {bucketOf, type Key} from './key-bucket.ts'
import {toList, toTexts, unexpected} from './plain-reply.ts'
import {replyText, type Reply} from './reply.ts'
import type {Command} from './command.ts'
import type {Connection} from './connection.ts'
import type {CallOptions} from './options.ts'
import type {Router} from './router.ts'

export interface IterateOptions extends CallOptions {
  /** Only what matches: `*`, `?`, `[a-z]`, as in Redis. */
  readonly match?: string
  /** About how many come from the node at a time. Default 500. */
  readonly count?: number
}

/** One step of a scan: what was found, where to go on, and who said so. */
export interface ScanPage {
  readonly cursor: string
  readonly items: readonly string[]
  readonly from: Connection
}

export async function* iterateMap(
  router: Router,
  key: Key,
  options: IterateOptions,
): AsyncGenerator<[string, string], void, void> {
  const {match, count = CLIENT_SCAN_COUNT} = options
  const filter = match === undefined ? [] : ['MATCH', match]
  const bucket = bucketOf(key)
  // A small map comes whole, in one page, and needs none.
  let seen: Set<string> | undefined
  let cursor = '0'
  let from: Connection | undefined
  for (;;) {
    const args = ['HSCAN', key, cursor, ...filter, 'COUNT', count]
    const page: ScanPage = await router.run(scanCommand(args, bucket), options)
    const isElsewhere = cursor !== '0' && page.from !== from
    from = page.from
    cursor = isElsewhere ? '0' : page.cursor
    if (isElsewhere) continue
    if (cursor !== '0') seen ??= new Set()
    for (let i = 0; i < page.items.length; i += 2) {
      const field = page.items[i]!
      if (seen?.has(field)) continue
      seen?.add(field)
      yield [field, page.items[i + 1]!]
    }
    if (cursor === '0') return
  }
}

function scanCommand(args: Command<unknown>['args'], bucket: number): Command<ScanPage> {
  return {args, bucket, isRead: true, isText: true, convert: toScanPage}
}

function toScanPage(reply: Reply, from: Connection): ScanPage {
  const [cursor, items] = toList(reply)
  return {cursor: replyText(cursor) ?? unexpected(reply, 'a cursor'), items: toTexts(items ?? null), from}
}
