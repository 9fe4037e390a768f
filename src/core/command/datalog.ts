/**
 * DATALOG READ segment offset [COUNT bytes]: entries of the data log that this node keeps, from that place on, as they are in its files. How `kv log tail` looks at a
 * log on another machine. Internal: for kv's own tools.
 *
 *   reply: [segment, offset of the next READ, number of the last segment, then one array for each entry: segment, offset, time, kind, body]
 */
import {LOG_PAGE_BYTES, LOG_PAGE_BYTES_MAX} from '../../constants.ts'
import {ERR_SYNTAX, WAITING} from './context.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

function read(c: Context): void {
  const segment = c.integer(2)
  const offset = c.integer(3)
  let bytes = LOG_PAGE_BYTES
  if (c.argc !== 4) {
    if (c.argc !== 6 || !c.is(4, 'COUNT')) return c.fail(ERR_SYNTAX)
    bytes = c.integer(5)
  }
  const isPlace = segment >= 0 && offset >= 0 && bytes >= 0
  if (!isPlace) return c.fail('ERR segment, offset and COUNT are not negative integers')
  const error = c.engine.host.readLog(c.session, {segment, offset}, Math.min(bytes, LOG_PAGE_BYTES_MAX))
  if (error === null) c.verdict = WAITING
  else c.fail(error)
}

export const DATALOG_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'datalog',
    arity: -4,
    flags: ['admin', 'no_multi', 'loading', 'stale'],
    group: 'server',
    since: '7.2.4',
    complexity: 'O(N) where N is the number of bytes read',
    summary: 'Reads the data log of this node: READ segment offset [COUNT bytes].',
    args: [
      {name: 'read', type: 'string'},
      {name: 'segment', type: 'integer'},
      {name: 'offset', type: 'integer'},
      {name: 'bytes', type: 'integer', token: 'COUNT', optional: true},
    ],
    run: (c) => (c.is(1, 'READ') ? read(c) : c.fail(ERR_SYNTAX)),
  },
]
