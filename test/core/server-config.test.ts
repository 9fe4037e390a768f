/** CONFIG, SLOWLOG, MONITOR: settings, and what an operator sees. */
import {describe, expect, it} from 'vitest'
import {shownArguments} from '../../src/core/slowlog.ts'
import {withoutSecrets} from '../../src/core/monitor.ts'
import {copyRequest, RequestDecoder} from '../../src/resp/request-decoder.ts'
import {encodeCommand, type Arg} from '../support/raw-connection.ts'
import {Stage, START_MS, type Client, type Plain} from './server-support.ts'
import type {Request} from '../../src/resp/request-decoder.ts'

function requestOf(...args: Arg[]): Request {
  const bytes = encodeCommand(args)
  const decoder = new RequestDecoder()
  decoder.next(bytes, 0, bytes.length)
  return copyRequest(decoder.request)
}

describe('CONFIG', () => {
  const pairs = (reply: Plain): Record<string, Plain> => {
    const list = reply as Plain[]
    return Object.fromEntries(list.flatMap((name, i) => (i % 2 === 0 ? [[String(name), list[i + 1]!]] : [])))
  }

  it('GET finds by name and by pattern, each once', () => {
    const client = new Stage().connect()
    expect(pairs(client.call('CONFIG', 'GET', 'maxmemory*'))).toEqual({
      maxmemory: '0',
      'maxmemory-policy': 'noeviction',
    })
    expect(client.call('CONFIG', 'GET', 'maxmemory', 'max*y', 'none')).toEqual([
      'maxmemory',
      '0',
      'maxmemory-policy',
      'noeviction',
    ])
    expect(client.call('CONFIG', 'GET', 'MaxMemory')).toEqual(['MaxMemory', '0'])
    expect(pairs(client.call('CONFIG', 'GET', '*'))).toMatchObject({
      appendonly: 'no',
      save: '',
      databases: '1',
      'cluster-enabled': 'yes',
      'slowlog-log-slower-than': '10000',
      'slowlog-max-len': '128',
      'proto-max-bulk-len': '536870912',
      maxclients: '1000',
    })
    expect(client.call('CONFIG', 'GET', 'none')).toEqual([])
  })

  it('SET changes all or nothing', () => {
    const stage = new Stage()
    const client = stage.connect()
    expect(
      client.call('CONFIG', 'SET', 'maxmemory', '100mb', 'MAXMEMORY-POLICY', 'AllKeys-LRU', 'maxclients', '5'),
    ).toBe('OK')
    expect([stage.engine.eviction.maxBytes, stage.engine.eviction.policy]).toEqual([100 * 1024 * 1024, 'allkeys-lru'])
    expect(stage.asked).toEqual(['set maxclients 5'])
    const failed =
      "-ERR CONFIG SET failed (possibly related to argument 'maxclients') - argument must be between 1 and 4294967295 inclusive"
    expect(client.call('CONFIG', 'SET', 'maxmemory', '1gb', 'slowlog-max-len', '3', 'maxclients', '0')).toBe(failed)
    expect(stage.engine.eviction.maxBytes).toBe(100 * 1024 * 1024)
    expect(stage.engine.slowlog.lengthMax).toBe(128)
  })

  it('SET says what is wrong, in the words of Redis', () => {
    const client = new Stage().connect()
    const failed = (name: string, why: string): string =>
      `-ERR CONFIG SET failed (possibly related to argument '${name}') - ${why}`
    const unknown = (name: string): string => `-ERR Unknown option or number of arguments for CONFIG SET - '${name}'`
    const wrong: readonly (readonly [string[], string])[] = [
      [['maxmemory', 'x'], failed('maxmemory', 'argument must be a memory value')],
      [['maxmemory', '-1'], failed('maxmemory', 'argument must be a memory value')],
      [['maxmemory', '1', 'maxmemory', '2'], failed('maxmemory', 'duplicate parameter')],
      [['appendonly', 'yes'], failed('appendonly', "can't set immutable config")],
      [
        ['slowlog-log-slower-than', 'x'],
        failed('slowlog-log-slower-than', "argument couldn't be parsed into an integer"),
      ],
      [
        ['slowlog-log-slower-than', '-2'],
        failed('slowlog-log-slower-than', 'argument must be between -1 and 9223372036854775807 inclusive'),
      ],
      [
        ['slowlog-max-len', '-1'],
        failed('slowlog-max-len', 'argument must be between 0 and 9223372036854775807 inclusive'),
      ],
      [['NoSuch', '1'], unknown('NoSuch')],
      [['maxmemory', '1', 'x'], "-ERR wrong number of arguments for 'config|set' command"],
    ]
    for (const [args, error] of wrong) expect(client.call('CONFIG', 'SET', ...args), args.join(' ')).toBe(error)
    expect(client.call('CONFIG', 'SET', 'appendonly', 'no')).toBe('OK')
  })

  it('knows its own names only, not those of every JavaScript object', () => {
    const client = new Stage().connect()
    for (const name of ['constructor', '__proto__', 'toString', 'hasOwnProperty']) {
      expect(client.call('CONFIG', 'SET', name, '1')).toMatch(/^-ERR Unknown option/)
      expect(client.call('CONFIG', 'GET', name)).toEqual([])
    }
  })

  it('requirepass counts for those who connect later', () => {
    const stage = new Stage()
    const before = stage.connect()
    expect(before.call('CONFIG', 'SET', 'requirepass', 'secret')).toBe('OK')
    expect(before.call('GET', 'k')).toBe(null)
    const later = stage.connect()
    expect(later.call('GET', 'k')).toBe('-NOAUTH Authentication required.')
    expect(later.call('AUTH', 'secret')).toBe('OK')
  })

  it('RESETSTAT sets the counters to zero', () => {
    const client = new Stage().connect()
    for (const args of [['GET', 'k'], ['SET', 'k', 'v'], ['GET', 'k'], ['NOSUCH'], ['INCR', 'k'], ['GET']])
      client.call(...args)
    const before = String(client.call('INFO', 'stats', 'commandstats'))
    expect(before).toContain('keyspace_hits:1\r\nkeyspace_misses:1\r\n')
    expect(before).toContain('total_error_replies:3\r\n')
    expect(before).toMatch(/cmdstat_get:calls=2,.*rejected_calls=1,failed_calls=0\r\n/)
    expect(before).toMatch(/cmdstat_incr:calls=1,.*rejected_calls=0,failed_calls=1\r\n/)
    client.call('CONFIG', 'RESETSTAT')
    const after = String(client.call('INFO', 'stats', 'commandstats'))
    expect(after).toContain('keyspace_hits:0\r\nkeyspace_misses:0\r\n')
    expect(after).not.toContain('cmdstat_get')
    expect(after).toContain('total_error_replies:0\r\n')
  })
})

describe('SLOWLOG', () => {
  const add = (stage: Stage, client: Client, us: number, ...args: Arg[]): void => {
    const {slowlog} = stage.engine
    if (slowlog.isSlow(us)) slowlog.add(client.session, stage.now, us, shownArguments(requestOf(...args)))
  }

  it('keeps what was slow, newest first, with who sent it', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.call('CLIENT', 'SETNAME', 'me')
    add(stage, client, 9_999, 'FAST')
    add(stage, client, 10_000.4, 'KEYS', '*')
    stage.now += 2000
    add(stage, client, 25_000, 'DEL', 'a')
    const start = START_MS / 1000
    expect(client.call('SLOWLOG', 'GET')).toEqual([
      [1, start + 2, 25_000, ['DEL', 'a'], '10.0.0.1:5000', 'me'],
      [0, start, 10_000, ['KEYS', '*'], '10.0.0.1:5000', 'me'],
    ])
    expect(client.call('SLOWLOG', 'GET', '1')).toHaveLength(1)
    expect(client.call('SLOWLOG', 'GET', '0')).toEqual([])
    expect(client.call('SLOWLOG', 'LEN')).toBe(2)
    expect(client.call('SLOWLOG', 'RESET')).toBe('OK')
    expect(client.call('SLOWLOG', 'GET', '-1')).toEqual([])
    add(stage, client, 10_000, 'AGAIN')
    expect((client.call('SLOWLOG', 'GET') as Plain[][])[0]![0]).toBe(2)
    expect(client.call('SLOWLOG', 'GET', '-2')).toBe('-ERR count should be greater than or equal to -1')
  })

  it('follows its settings', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0', 'slowlog-max-len', '3')
    for (let i = 0; i < 5; i++) add(stage, client, i, 'GET', String(i))
    expect((client.call('SLOWLOG', 'GET', '-1') as Plain[][]).map((entry) => entry[0])).toEqual([4, 3, 2])
    client.call('CONFIG', 'SET', 'slowlog-max-len', '1')
    expect(client.call('SLOWLOG', 'LEN')).toBe(1)
    client.call('CONFIG', 'SET', 'slowlog-max-len', '0')
    add(stage, client, 9, 'GET')
    expect(client.call('SLOWLOG', 'LEN')).toBe(0)
    client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '-1')
    expect(stage.engine.slowlog.isSlow(1e12)).toBe(false)
  })

  it('cuts arguments as Redis does', () => {
    const shown = (...args: Arg[]): string[] => shownArguments(requestOf(...args)).map(String)
    expect(shown('SET', 'k', 'x'.repeat(128))).toEqual(['SET', 'k', 'x'.repeat(128)])
    expect(shown('SET', 'k', 'x'.repeat(200))).toEqual(['SET', 'k', `${'x'.repeat(128)}... (72 more bytes)`])
    const many = Array.from({length: 40}, (_, i) => `k${i}`)
    expect(shown('DEL', ...many.slice(0, 31))).toHaveLength(32)
    expect(shown('DEL', ...many)).toEqual(['DEL', ...many.slice(0, 30), '... (10 more arguments)'])
  })
})

describe('MONITOR', () => {
  const head = `${(START_MS / 1000).toFixed(6)} [0 10.0.0.2:5000]`

  it('shows what is executed, when it is, and nothing administrative', () => {
    const stage = new Stage()
    const [monitor, client] = [stage.connect(), stage.connect()]
    expect(monitor.call('MONITOR')).toBe('OK')
    for (const args of [
      ['set', 'a', '1'],
      ['NOSUCH'],
      ['GET'],
      ['CONFIG', 'GET', 'port'],
      ['MULTI'],
      ['GET', 'a'],
      ['EXEC'],
      ['CLIENT', 'ID'],
    ])
      client.call(...args)
    expect(monitor.replies()).toEqual(
      ['"set" "a" "1"', '"MULTI"', '"GET" "a"', '"EXEC"', '"CLIENT" "ID"'].map((words) => `${head} ${words}`),
    )
    stage.disconnect(monitor)
    expect(client.call('PING')).toBe('PONG')
  })

  it('writes bytes as Redis does, and never a second line', () => {
    const stage = new Stage()
    const [monitor, client] = [stage.connect(), stage.connect()]
    monitor.call('MONITOR')
    client.call('ECHO', Buffer.from('a"\\\n\r\t\x07\b\0\x7f\xff', 'latin1'))
    expect(monitor.replies()).toEqual([`${head} "ECHO" "a\\"\\\\\\n\\r\\t\\a\\b\\x00\\x7f\\xff"`])
  })

  it('shows the beginning of what is very long', () => {
    const stage = new Stage()
    const [monitor, client] = [stage.connect(), stage.connect()]
    monitor.call('MONITOR')
    client.call('ECHO', Buffer.alloc(1_000_000, 1))
    client.call('MGET', ...Array<string>(40_000).fill('k'))
    const lines = monitor.replies().map(String)
    expect(lines.map((line) => line.length < 5 * 64 * 1024)).toEqual([true, true])
    expect(lines[0]).toMatch(/"\.\.\. \(\d+ more bytes\)$/)
    expect(lines[1]).toMatch(/ \.\.\. \(\d+ more arguments\)$/)
  })

  it('no secret is shown, there or in the slow log', () => {
    const hidden = (...args: Arg[]): string[] => shownArguments(withoutSecrets(requestOf(...args))).map(String)
    const x = '(redacted)'
    expect(hidden('Auth', 'pw')).toEqual(['Auth', x])
    expect(hidden('AUTH', 'user', 'pw')).toEqual(['AUTH', x, x])
    expect(hidden('HELLO', '3', 'auth', 'user', 'pw', 'SETNAME', 'me')).toEqual([
      'HELLO',
      '3',
      'auth',
      x,
      x,
      'SETNAME',
      'me',
    ])
    expect(hidden('config', 'set', 'maxmemory', '1', 'RequirePass', 'pw')).toEqual([
      'config',
      'set',
      'maxmemory',
      '1',
      'RequirePass',
      x,
    ])
    expect(hidden('SET', 'auth', 'value')).toEqual(['SET', 'auth', 'value'])
    const stage = new Stage('pw')
    const monitor = stage.connect()
    monitor.call('AUTH', 'pw')
    monitor.call('MONITOR')
    const client = stage.connect()
    client.call('AUTH', 'pw')
    client.call('HELLO', '2', 'AUTH', 'default', 'pw')
    expect(monitor.replies().join()).not.toContain('pw')
  })
})
