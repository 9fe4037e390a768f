/** SLOWLOG, MEMORY, DEBUG: looking into a running server. LATENCY is in latency.ts. */
import {FLAG_EXPIRES, FLAG_LARGE, WORD_USED, nodeFlags, valueLength, word} from '../keyspace/node.ts'
import {DESCRIPTOR_BYTES} from '../keyspace/dict.ts'
import {encodingOf} from './encoding.ts'
import {helpReply} from './help.ts'
import {LATENCY_COMMAND} from './latency.ts'
import {subcommandSyntax} from './unknown.ts'
import {withSubcommands} from './command.ts'
import {ERR_NOT_INTEGER, ERR_NO_SUCH_KEY, ERR_SYNTAX} from './context.ts'
import {DEBUG_SPEC, MEMORY_SPEC, SLOWLOG_SPEC} from './server-container-specs.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

/** Fields of a large map that are looked at to estimate its size. */
const SAMPLES_DEFAULT = 5
const SLOW_ENTRIES_DEFAULT = 10

function usage(c: Context): void {
  let samples = SAMPLES_DEFAULT
  if (c.argc === 5 && c.is(3, 'SAMPLES')) {
    samples = c.integer(4)
    if (Number.isNaN(samples)) return c.fail(ERR_NOT_INTEGER)
    if (samples < 0) return c.fail(ERR_SYNTAX)
  } else if (c.argc !== 3) return c.fail(ERR_SYNTAX)
  const node = c.lookup(2)
  if (node === 0) return c.out.null()
  c.out.integer(nodeBytes(c, node, samples === 0 ? Number.MAX_SAFE_INTEGER : samples))
}

/** Bytes of the node's block and, for a large map, of its table and fields, estimated from some of them. */
function nodeBytes(c: Context, node: number, samples: number): number {
  const {memory, dict} = c.keyspace
  const own = memory.capacity(node)
  if ((nodeFlags(memory, node) & FLAG_LARGE) === 0) return own
  const table = c.maps.table(node)
  const count = dict.count(table)
  let seen = 0
  let bytes = 0
  for (let cursor = 0; seen < samples;) {
    cursor = dict.scan(table, cursor, (field) => {
      seen++
      bytes += memory.capacity(field)
    })
    if (cursor === 0) break
  }
  return own + DESCRIPTOR_BYTES + dict.tableBytes(table) + (seen === 0 ? 0 : Math.round((bytes / seen) * count))
}

function memoryStats(c: Context): void {
  const {usedBytes, pageBytes, extentBytes} = c.keyspace.memory.stats()
  const facts = c.engine.host.facts()
  const fields: readonly [string, number][] = [
    ['total.allocated', usedBytes],
    ['keys.count', c.keyspace.keyCount],
    ['keys.bytes-per-key', c.keyspace.keyCount === 0 ? 0 : Math.floor(usedBytes / c.keyspace.keyCount)],
    ['dataset.bytes', usedBytes],
    ['allocator.allocated', usedBytes],
    ['allocator.active', pageBytes],
    ['allocator.resident', extentBytes],
    ['process.resident', facts.residentBytes],
    ['heap.used', facts.heapBytes],
  ]
  c.out.map(fields.length + 1)
  for (const [name, value] of fields) {
    c.out.bulkString(name)
    c.out.integer(value)
  }
  c.out.bulkString('fragmentation')
  c.out.double(Number(c.engine.defrag.fragmentation.toFixed(4)))
}

function memoryDoctor(c: Context): void {
  const percent = Math.round(c.engine.defrag.fragmentation * 100)
  const text =
    c.keyspace.keyCount === 0
      ? 'This node holds no keys.'
      : `${c.keyspace.keyCount} keys; ${percent}% of the allocated pages is unused. Pages are emptied and given back by themselves.`
  c.out.verbatim('txt', `${text}\n`)
}

function purge(c: Context): void {
  c.keyspace.memory.trim()
  c.engine.defrag.plan()
  c.engine.host.requestWork()
  c.out.ok()
}

function debugObject(c: Context): void {
  c.bucket = c.engine.bucketOfArgument(c.request, 2)
  const node = c.lookup(2)
  if (node === 0) return c.fail(ERR_NO_SUCH_KEY)
  const {memory} = c.keyspace
  const idle = Math.max(0, c.keyspace.usedClock - word(memory, node, WORD_USED))
  const bytes =
    (nodeFlags(memory, node) & FLAG_LARGE) === 0 ? valueLength(memory, node) : nodeBytes(c, node, SAMPLES_DEFAULT)
  const expires = (nodeFlags(memory, node) & FLAG_EXPIRES) !== 0 ? 1 : 0
  c.out.simple(
    `Value at:0x${(node >>> 0).toString(16)} refcount:1 encoding:${encodingOf(c, node)} serializedlength:${bytes} lru_seconds_idle:${idle} expires:${expires}`,
  )
}

/** Data commands wait for so long: the loop itself never sleeps. */
function debugSleep(c: Context): void {
  const seconds = Number(c.latin1(2))
  if (!(seconds >= 0 && seconds <= 3600)) return c.fail('ERR value is not a valid float')
  c.engine.pause.begin(c.now + Math.round(seconds * 1000), false)
  c.out.ok()
}

function slowlogGet(c: Context): void {
  if (c.argc > 3) return c.fail(subcommandSyntax(c))
  const wanted = c.argc === 3 ? c.integer(2) : SLOW_ENTRIES_DEFAULT
  if (!(wanted >= -1)) return c.fail('ERR count should be greater than or equal to -1')
  const entries = wanted < 0 ? c.engine.slowlog.entries : c.engine.slowlog.entries.slice(0, wanted)
  c.out.array(entries.length)
  for (const entry of entries) {
    c.out.array(6)
    c.out.integer(entry.id)
    c.out.integer(entry.time)
    c.out.integer(entry.durationUs)
    c.out.array(entry.args.length)
    for (const arg of entry.args) c.out.bulkBuffer(arg)
    c.out.bulkString(entry.address)
    c.out.bulkString(entry.name)
  }
}

export const MONITORING_COMMANDS: readonly CommandSpec[] = [
  LATENCY_COMMAND,
  withSubcommands(SLOWLOG_SPEC, {
    get: slowlogGet,
    len: (c) => c.out.integer(c.engine.slowlog.entries.length),
    reset: (c) => {
      c.engine.slowlog.clear()
      c.out.ok()
    },
    help: (c) => helpReply(c, SLOWLOG_SPEC),
  }),
  withSubcommands(MEMORY_SPEC, {
    usage,
    stats: memoryStats,
    doctor: memoryDoctor,
    purge,
    'malloc-stats': (c) => c.out.verbatim('txt', `${JSON.stringify(c.keyspace.memory.stats())}\n`),
    help: (c) => helpReply(c, MEMORY_SPEC),
  }),
  withSubcommands(DEBUG_SPEC, {
    sleep: debugSleep,
    jmap: (c) => c.out.ok(),
    object: debugObject,
    'set-active-expire': (c) => {
      const value = c.integer(2)
      if (value !== 0 && value !== 1) return c.fail(ERR_NOT_INTEGER)
      c.engine.expiry.isActive = value === 1
      c.out.ok()
    },
    help: (c) => helpReply(c, DEBUG_SPEC),
  }),
]
