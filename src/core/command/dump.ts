/** DUMP and RESTORE: their arguments; the work is done in jobs-dump.ts and jobs-restore.ts. */
import {NO_EXPIRY} from '../keyspace/node.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {EXPIRE_AT_MAX_MS} from './expire-time.ts'
import {isKeyTooLong} from './access.ts'
import {DumpJob} from './jobs-dump.ts'
import {RestoreJob} from './jobs-restore.ts'
import type {Context} from './context.ts'

export function dump(c: Context): void {
  const node = c.lookupRead(1)
  if (node === 0) c.out.null()
  else c.engine.startJob(c, new DumpJob(c, node))
}

interface RestoreArguments {
  isReplace: boolean
  isAbsolute: boolean
  /** Seconds; -1 = not given. */
  idle: number
  hasFrequency: boolean
}

export function restore(c: Context): void {
  const options = restoreOptions(c)
  if (options === null || isKeyTooLong(c, 1)) return
  if (!options.isReplace && c.lookup(1) !== 0) return c.fail('BUSYKEY Target key name already exists.')
  const ttl = c.int64(2)
  if (ttl === null) return c.fail(ERR_NOT_INTEGER)
  if (ttl < 0n) return c.fail('ERR Invalid TTL value, must be >= 0')
  let until = NO_EXPIRY
  if (ttl > 0n) until = Math.min(Number(ttl) + (options.isAbsolute ? 0 : c.now), EXPIRE_AT_MAX_MS)
  c.lookup(1)
  c.engine.startJob(c, new RestoreJob(c, {until, idle: options.idle}))
}

function restoreOptions(c: Context): RestoreArguments | null {
  const options: RestoreArguments = {isReplace: false, isAbsolute: false, idle: -1, hasFrequency: false}
  for (let i = 4; i < c.argc; i++) {
    const hasNext = i + 1 < c.argc
    if (c.is(i, 'REPLACE')) options.isReplace = true
    else if (c.is(i, 'ABSTTL')) options.isAbsolute = true
    else if (c.is(i, 'IDLETIME') && hasNext && !options.hasFrequency) {
      const idle = c.int64(++i)
      if (idle === null) return refuse(c, ERR_NOT_INTEGER)
      if (idle < 0n) return refuse(c, 'ERR Invalid IDLETIME value, must be >= 0')
      options.idle = Number(idle)
    } else if (c.is(i, 'FREQ') && hasNext && options.idle < 0) {
      const frequency = c.int64(++i)
      if (frequency === null) return refuse(c, ERR_NOT_INTEGER)
      if (frequency < 0n || frequency > 255n) return refuse(c, 'ERR Invalid FREQ value, must be >= 0 and <= 255')
      options.hasFrequency = true
    } else return refuse(c, ERR_SYNTAX)
  }
  return options
}

function refuse(c: Context, error: string): null {
  c.fail(error)
  return null
}
