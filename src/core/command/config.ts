/** CONFIG: settings by their Redis names. Those that a cluster of this kind has no use for answer with the value that is true of it. */
import {matchesGlob} from '../../base/glob.ts'
import {MAX_MEMORY_POLICIES} from '../eviction.ts'
import {PACKED_BYTES_MAX, PACKED_FIELDS_MAX} from '../keyspace/map-store.ts'
import {formatEvents, parseEvents} from '../events.ts'
import {BULK_BYTES_MAX, REQUEST_BYTES_MAX} from '../../constants.ts'
import {parseBytes} from './info.ts'
import {helpReply} from './help.ts'
import {withSubcommands} from './command.ts'
import {CONFIG_SPEC} from './server-container-specs.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'
import type {MaxMemoryPolicy} from '../eviction.ts'

interface Setting {
  readonly get: (c: Context) => string
  /** Returns what is wrong with the value, or null; absent: it cannot be changed. */
  readonly set?: (c: Context, value: string) => string | null
}

/** Gives `set` the number that `value` is, or says why not. */
function setInteger(value: string, min: number, set: (number: number) => void): string | null {
  if (!/^(0|-?[1-9][0-9]{0,15})$/.test(value)) return "argument couldn't be parsed into an integer"
  if (Number(value) < min) return `argument must be between ${min} and 9223372036854775807 inclusive`
  set(Number(value))
  return null
}

function fixed(value: string | number): Setting {
  return {get: () => String(value)}
}

const MIN_REPLICAS: Setting = {
  get: (c) => String(c.engine.minReplicas),
  set: (c, value) => setInteger(value, 0, (count) => (c.engine.minReplicas = count)),
}

const SETTINGS: Readonly<Record<string, Setting>> = {
  appendonly: fixed('no'),
  save: fixed(''),
  databases: fixed(1),
  'cluster-enabled': fixed('yes'),
  'hash-max-listpack-entries': fixed(PACKED_FIELDS_MAX),
  'hash-max-listpack-value': fixed(PACKED_BYTES_MAX),
  'proto-max-bulk-len': fixed(BULK_BYTES_MAX),
  'client-query-buffer-limit': fixed(REQUEST_BYTES_MAX),
  'notify-keyspace-events': {
    get: (c) => formatEvents(c.effects.events.setting),
    set: (c, value) => {
      const bits = parseEvents(value)
      if (bits === null) return "Invalid event class character. Use 'Ag$lshzxeKEtmdn'."
      c.effects.events.setting = bits
      return null
    },
  },
  'slowlog-log-slower-than': {
    get: (c) => String(c.engine.slowlog.thresholdUs),
    set: (c, value) => setInteger(value, -1, (us) => (c.engine.slowlog.thresholdUs = us)),
  },
  'slowlog-max-len': {
    get: (c) => String(c.engine.slowlog.lengthMax),
    set: (c, value) => setInteger(value, 0, (length) => (c.engine.slowlog.lengthMax = length)),
  },
  'latency-monitor-threshold': {
    get: (c) => String(c.engine.latency.thresholdMs),
    set: (c, value) => setInteger(value, 0, (ms) => (c.engine.latency.thresholdMs = ms)),
  },
  'tracking-table-max-keys': {
    get: (c) => String(c.engine.tracking.keysMax),
    set: (c, value) => setInteger(value, 0, (count) => (c.engine.tracking.keysMax = count)),
  },
  maxmemory: {
    get: (c) => String(c.engine.eviction.maxBytes),
    set: (c, value) => {
      const bytes = parseBytes(value)
      if (!Number.isSafeInteger(bytes)) return 'argument must be a memory value'
      c.engine.eviction.maxBytes = bytes
      if (c.engine.eviction.isOver) c.engine.eviction.makeRoom()
      return null
    },
  },
  'maxmemory-policy': {
    get: (c) => c.engine.eviction.policy,
    set: (c, value) => {
      const policy = value.toLowerCase() as MaxMemoryPolicy
      if (!MAX_MEMORY_POLICIES.includes(policy)) {
        return `argument(s) must be one of the following: ${MAX_MEMORY_POLICIES.join(', ')}`
      }
      c.engine.eviction.policy = policy
      return null
    },
  },
  'min-replicas-to-write': MIN_REPLICAS,
  'min-slaves-to-write': MIN_REPLICAS,
  requirepass: {
    get: (c) => c.engine.password,
    set: (c, value) => {
      c.engine.password = value
      return null
    },
  },
}

function namesOf(c: Context): readonly string[] {
  return [...Object.keys(SETTINGS), ...c.engine.host.configNames()]
}

/** Not `SETTINGS[name]`: a client may ask for `constructor`. */
function settingOf(name: string): Setting | undefined {
  return Object.hasOwn(SETTINGS, name) ? SETTINGS[name] : undefined
}

function valueOf(c: Context, name: string): string | null {
  return settingOf(name)?.get(c) ?? c.engine.host.configGet(name)
}

function get(c: Context): void {
  const found = new Map<string, string>()
  for (let i = 2; i < c.argc; i++) {
    const pattern = c.copy(i)
    // A name, not a pattern, is answered as it was written.
    const exact = /[[*?]/.test(c.latin1(i)) ? null : valueOf(c, c.latin1(i).toLowerCase())
    if (exact !== null) found.set(c.latin1(i), exact)
    else
      for (const name of namesOf(c)) {
        if (matchesGlob(pattern, Buffer.from(name), true)) found.set(name, valueOf(c, name) ?? '')
      }
  }
  c.out.map(found.size)
  for (const [name, value] of found) {
    c.out.bulkString(name)
    c.out.bulkString(value)
  }
}

/** All or nothing: what was set before one fails is set back. */
function set(c: Context): void {
  if (c.argc % 2 !== 0) return c.fail("ERR wrong number of arguments for 'config|set' command")
  const done: [string, string][] = []
  const seen = new Set<string>()
  for (let i = 2; i < c.argc; i += 2) {
    const name = c.text(i).toLowerCase()
    const before = valueOf(c, name)
    let error: string | null
    if (before === null) error = `ERR Unknown option or number of arguments for CONFIG SET - '${c.latin1(i)}'`
    else if (seen.has(name))
      error = `ERR CONFIG SET failed (possibly related to argument '${name}') - duplicate parameter`
    else error = change(c, name, c.text(i + 1))
    if (error !== null) {
      for (const [changed, value] of done.reverse()) change(c, changed, value)
      return c.fail(error)
    }
    seen.add(name)
    done.push([name, before!])
  }
  c.out.ok()
}

function change(c: Context, name: string, value: string): string | null {
  const setting = settingOf(name)
  if (setting && !setting.set) {
    // Asking for what is the case already is no change.
    if (setting.get(c) === value) return null
    return `ERR CONFIG SET failed (possibly related to argument '${name}') - can't set immutable config`
  }
  const wrong = setting?.set ? setting.set(c, value) : c.engine.host.configSet(name, value)
  if (wrong === null || wrong.startsWith('ERR ')) return wrong
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${wrong}`
}

function resetstat(c: Context): void {
  Object.assign(c.engine.stats, {commandsProcessed: 0, keyspaceHits: 0, keyspaceMisses: 0, errorReplies: 0})
  c.effects.expiredKeys = 0
  c.effects.expiredFields = 0
  c.effects.evictedKeys = 0
  c.engine.bucketStats.resetAll()
  for (const command of c.engine.table.byName.values()) {
    for (const one of [command, ...(command.subcommands?.values() ?? [])]) {
      one.calls = 0
      one.rejectedCalls = 0
      one.failedCalls = 0
      one.usec = 0
      one.latency = null
    }
  }
  c.out.ok()
}

export const CONFIG_COMMAND: CommandSpec = withSubcommands(CONFIG_SPEC, {
  get,
  set,
  resetstat,
  rewrite: (c) => c.fail('ERR The server is running without a config file'),
  help: (c) => helpReply(c, CONFIG_SPEC),
})
