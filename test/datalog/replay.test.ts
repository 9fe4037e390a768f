/** Replays into a kv node, a Redis cluster and a Redis server: all of it arrives, once, or it is said what did not. */
import {existsSync, readdirSync} from 'node:fs'
import {describe, expect, onTestFinished, test} from 'vitest'
import {KvError} from '../../src/errors.ts'
import {statePath} from '../../src/datalog/replay-state.ts'
import {ReplayTarget} from '../../src/datalog/replay-target.ts'
import {TestEngine} from '../core/support.ts'
import {makeFolder} from '../node/folder.ts'
import {connectTo, liveNode, pipeline} from '../node/live-node.ts'
import {freePort} from '../support/ports.ts'
import {startRedis} from '../support/redis.ts'
import {startScriptedServer} from '../client/scripted-server.ts'
import {waitFor} from '../support/wait.ts'
import {Recorder} from './recorder.ts'
import {dumpEngine, dumpServer, plainRedis, redisAt, replayTo} from './replay-support.ts'

/** Ms until what expires does so: after the test. */
const LATER = '900000'
const STRANGE = 'nul\0 \r\n"quote" \xff'

/** An engine with some of everything, and the log of how it came about. */
function recorded(count = 120): Recorder {
  const subject = new TestEngine()
  const keys = [...Array.from({length: count}, (_, i) => `k${i}`), 'map', 'large', 'fields', STRANGE, '']
  const recorder = new Recorder(keys, subject)
  for (let i = 0; i < count; i += 2) subject.run('SET', `k${i}`, 'before the image')
  recorder.follow()
  for (let i = 0; i < count; i++) subject.run('SET', `k${i}`, `value ${i}`, ...(i % 3 === 0 ? ['PX', LATER] : []))
  subject.run('DEL', 'k1')
  subject.run('SET', STRANGE, STRANGE)
  subject.run('SET', '', 'of the empty key')
  subject.run('HSET', 'map', 'f', '1', '', 'empty name', STRANGE, STRANGE)
  subject.run('PEXPIRE', 'map', LATER)
  const fields = Array.from({length: 604}, (_, i) => [`f${i}`, `v${i}`]).flat()
  subject.run('HSET', 'large', ...fields)
  subject.run('HSET', 'fields', 'stays', '1', 'goes', '2', 'goes too', '3')
  subject.run('HPEXPIRE', 'fields', LATER, 'FIELDS', '1', 'goes')
  subject.run('HPEXPIRE', 'fields', '7777777', 'FIELDS', '1', 'goes too')
  recorder.drain()
  return recorder
}

describe('into kv', () => {
  test('every key, value, field and time arrives, and the second time changes nothing', async () => {
    const {log, subject} = recorded()
    const {port} = (await liveNode()).address
    const report = await replayTo({log, port})
    const all = await dumpEngine(subject)
    expect(await dumpServer(port)).toEqual(all)
    expect(report).toMatchObject({
      written: {keys: 124, strings: 121, maps: 3, fields: 610, expiring: 41},
      refused: {count: 0},
      leftOut: {count: 0},
      verified: {keys: 124, differing: {count: 0, names: []}, differingBuckets: []},
      target: {isCluster: true, keys: 0, hasFieldExpiry: true},
    })
    const again = await replayTo({log, port}, {mode: 'overwrite'})
    expect(await dumpServer(port)).toEqual(all)
    expect(again.verified.differing.count).toBe(0)
  })

  test('through a cluster of two, redirects and all', async () => {
    const {log, subject} = recorded()
    const first = await liveNode({replicas: 0})
    const second = await liveNode({join: [first.address]})
    const connection = await connectTo(first)
    // What moves while it is read back below would answer MOVED.
    await waitFor('both have their buckets', async () => {
      const state = await connection.call('CLUSTER', 'STATE')
      return /"masters":8192,.*"masters":8192,/.test(state) && /"moves":\[\]/.test(state)
    })
    const report = await replayTo({log, port: second.address.port})
    const lines = [...(await dumpServer(first.address.port)), ...(await dumpServer(second.address.port))].sort()
    expect(lines).toEqual(await dumpEngine(subject))
    expect(report.verified.differing.count).toBe(0)
  })

  test('a target with keys is refused, and not touched', async () => {
    const {log} = recorded(10)
    const {port} = (await liveNode()).address
    const connection = await connectTo(port)
    await connection.call('SET', 'mine', '1')
    await expect(replayTo({log, port})).rejects.toMatchObject({
      code: 'E_TARGET',
      message: 'The target is not empty, it has 1 keys; nothing was written.',
    })
    expect(await dumpServer(port)).toEqual(['mine = 1 @-1'])
  })

  test('overwrite replaces keys whole, of either type, and leaves others alone', async () => {
    const {log} = recorded(4)
    const {port} = (await liveNode()).address
    const connection = await connectTo(port)
    await pipeline(connection, [
      ['HSET', 'k0', 'was', 'a map'],
      ['SET', 'map', 'was a string'],
      ['HSET', 'fields', 'old', '1'],
      ['SET', 'other', 'stays', 'PX', LATER],
      ['SET', 'k2', 'v', 'PX', LATER],
    ])
    const report = await replayTo({log, port}, {mode: 'overwrite'})
    expect(report.verified.differing.names).toEqual([])
    const lines = await dumpServer(port)
    expect(lines.filter((line) => line.startsWith('other'))).toHaveLength(1)
    expect(lines).toContain('k2 = value 2 @-1')
    expect(lines.filter((line) => line.startsWith('fields.'))).toHaveLength(3)
    expect(lines.some((line) => line.startsWith('k0 = value 0'))).toBe(true)
  })

  test('what has expired is not written, nor is what the choice leaves out', async () => {
    const subject = new TestEngine()
    const recorder = new Recorder(['gone', 'here', 'map', 'other'], subject)
    recorder.follow()
    // The engine's clock is not ours: its past is.
    subject.run('SET', 'gone', '1', 'PXAT', String(subject.now + 1))
    subject.run('SET', 'here', '1')
    subject.run('SET', 'other', '1')
    subject.run('HSET', 'map', 'gone', '1', 'here', '2')
    subject.run('HPEXPIREAT', 'map', String(subject.now + 1), 'FIELDS', '1', 'gone')
    recorder.drain()
    const {port} = (await liveNode()).address
    const now = Date.now
    onTestFinished(() => {
      Date.now = now
    })
    Date.now = () => subject.now + 1000
    const report = await replayTo({log: recorder.log, port}, {matches: (key) => key.toString() !== 'other'})
    Date.now = now
    expect(report.expired).toEqual({keys: 1, fields: 1})
    expect(report.verified.differing.names).toEqual([])
    expect(await dumpServer(port)).toEqual(['here = 1 @-1', 'map.here = 2 @-1 of @-1'])
  })

  test('a dry run counts and writes nothing', async () => {
    const {log} = recorded(10)
    const {port} = (await liveNode()).address
    const folder = makeFolder()
    const report = await replayTo({log, port, folder}, {isDryRun: true})
    expect(report.written).toMatchObject({keys: 14, strings: 11, maps: 3, fields: 610})
    expect(await dumpServer(port)).toEqual([])
    expect(readdirSync(folder)).toEqual([])
  })
})

describe('into Redis', () => {
  test('a cluster takes all but what it has no words for, which is named', async () => {
    const {log, subject} = recorded()
    const redis = await startRedis()
    onTestFinished(() => redis.stop())
    const report = await replayTo({log, port: redis.port})
    subject.run('HDEL', 'fields', 'goes', 'goes too')
    expect(await dumpServer(redis.port, false)).toEqual(await dumpEngine(subject, false))
    expect(report.leftOut.count).toBe(2)
    expect([...report.leftOut.names].sort()).toEqual(['fields goes', 'fields goes too'])
    expect(report).toMatchObject({
      verified: {differing: {names: []}},
      target: {product: 'Redis 7.0.15', isCluster: true},
    })
  })

  test('a server without cluster mode', async () => {
    const {log, subject} = recorded()
    const port = await plainRedis()
    const report = await replayTo({log, port})
    subject.run('HDEL', 'fields', 'goes', 'goes too')
    expect(await dumpServer(port, false)).toEqual(await dumpEngine(subject, false))
    expect(report).toMatchObject({verified: {differing: {names: []}}, target: {isCluster: false, masters: 1}})
  })

  test('what a target refuses is named and counted, the rest arrives', async () => {
    const {log} = recorded(20)
    const port = await plainRedis('--proto-max-bulk-len', '1mb', '--maxmemory', '0', '--rename-command', 'DEL', '')
    const report = await replayTo({log, port}, {mode: 'overwrite'})
    expect(report.refused.count).toBe(3)
    expect(report.refused.names.join()).toContain('map: ERR unknown command')
    expect(report.written.strings).toBe(21)
    expect(report.verified.differing.count).toBe(3)
  })

  test('one that is too old is refused before anything is written', async () => {
    const old = await startScriptedServer(([name, sub]) => {
      if (name === 'HELLO') return '-ERR unknown command\r\n'
      if (name === 'DBSIZE') return ':0\r\n'
      if (name === 'INFO') return '$20\r\nredis_version:5.0.14\r\n'
      return sub === 'SLOTS' ? '-ERR This instance has cluster support disabled\r\n' : '-ERR unknown command\r\n'
    })
    onTestFinished(() => old.stop())
    await expect(replayTo({log: recorded(1).log, port: old.address.port})).rejects.toMatchObject({
      code: 'E_TARGET',
      message: expect.stringContaining('is Redis 5.0.14; a replay needs 6.2'),
    })
  })

  test('a cluster that does not serve all slots is refused', async () => {
    const some = await startScriptedServer(([name, sub]) => {
      if (name === 'HELLO') return '-ERR unknown command\r\n'
      return sub === 'SLOTS' ? '*1\r\n*3\r\n:0\r\n:99\r\n*2\r\n$0\r\n\r\n:1\r\n' : ':0\r\n'
    })
    onTestFinished(() => some.stop())
    const {port} = some.address
    const reply = `*1\r\n*3\r\n:0\r\n:99\r\n*2\r\n$9\r\n127.0.0.1\r\n:${port}\r\n`
    const server = await startScriptedServer(([name, sub]) => {
      if (name === 'HELLO') return '-ERR unknown command\r\n'
      return sub === 'SLOTS' ? reply : ':0\r\n'
    })
    onTestFinished(() => server.stop())
    await expect(replayTo({log: recorded(1).log, port: server.address.port})).rejects.toMatchObject({
      code: 'E_TARGET',
      message: 'The target does not serve 16284 of the 16384 buckets (hash slots) now.',
    })
  })
})

describe('interrupted', () => {
  test('it goes on where it was, and the end is the same', async () => {
    const recorder = recorded(1200)
    const {log, subject} = recorder
    const {port} = (await liveNode()).address
    const folder = makeFolder()
    const abort = new AbortController()
    let keys = 0
    const stopped = replayTo(
      {log, port, folder},
      {
        signal: abort.signal,
        rate: 20_000,
        onProgress: (progress) => {
          keys = progress.keys
          if (keys > 700) abort.abort()
        },
      },
    )
    const error = await stopped.catch((caught: unknown) => caught as KvError)
    expect(error).toBeInstanceOf(KvError)
    expect(error).toMatchObject({code: 'E_INTERRUPTED', hint: 'Run the same command again to go on.'})
    const [state] = readdirSync(folder)
    expect((error as KvError).message).toContain(`${folder}/${state}`)
    // What comes now is not part of what was begun.
    const expected = await dumpEngine(subject)
    subject.run('SET', 'k5', 'later')
    recorder.drain()
    const report = await replayTo({log, port, folder})
    expect(report.isResumed).toBe(true)
    expect(report.written.keys).toBeLessThan(1200 - 300)
    expect(report.verified).toMatchObject({keys: 1204, differing: {count: 0}})
    expect(await dumpServer(port)).toEqual(expected)
    expect(readdirSync(folder)).toEqual([])
  })

  test('connections that are cut in the middle: it makes new ones and goes on', async () => {
    const {log, subject} = recorded(1200)
    const redis = await plainRedis()
    const folder = makeFolder()
    const connection = await connectTo(redis)
    let isCut = false
    const report = await replayTo(
      {log, port: redis, folder},
      {
        rate: 20_000,
        onProgress: ({phase, keys}) => {
          if (isCut || phase !== 'write' || keys < 500) return
          isCut = true
          // Every connection but this one is closed under the replay.
          void connection.call('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
        },
      },
    )
    expect(isCut).toBe(true)
    subject.run('HDEL', 'fields', 'goes', 'goes too')
    expect(report.verified.differing.names).toEqual([])
    expect(await dumpServer(redis, false)).toEqual(await dumpEngine(subject, false))
    expect(existsSync(folder)).toBe(true)
  })

  test('a target that dies: it waits for a while, says how to go on, and the same command does', async () => {
    const {log, subject} = recorded(1200)
    const port = await freePort()
    const redis = await redisAt(port)
    const folder = makeFolder()
    const connect = (): Promise<ReplayTarget> => ReplayTarget.connect([{host: '127.0.0.1', port}], {retryMs: 300})
    const error = await replayTo(
      {log, port, folder},
      {
        connect,
        rate: 20_000,
        onProgress: ({keys}) => {
          if (keys > 300) redis.process.kill('SIGKILL')
        },
      },
    ).catch((caught: unknown) => caught as KvError)
    expect(error).toMatchObject({
      message: expect.stringContaining(`how far it has come is in ${folder}/log.replay-`),
      hint: expect.stringContaining('Run the same command again to go on.'),
    })
    await redis.exited
    await redisAt(port)
    const report = await replayTo({log, port, folder}, {connect})
    expect(report).toMatchObject({isResumed: true, verified: {keys: 1204, differing: {count: 0}}})
    subject.run('HDEL', 'fields', 'goes', 'goes too')
    expect(await dumpServer(port, false)).toEqual(await dumpEngine(subject, false))
  })

  test('an earlier state for a target that is empty again begins anew', async () => {
    const {log, subject} = recorded(50)
    const folder = makeFolder()
    const {port} = (await liveNode()).address
    const identity = {path: `${folder}/log`, source: log.identity.nodeId, to: `127.0.0.1:${port}`}
    const path = statePath({...identity, until: undefined, buckets: '', key: '', mode: 'into-empty'})
    const {writeProgress} = await import('../../src/datalog/replay-state.ts')
    const {segment, offset} = log.list.at(-1)!
    await writeProgress(path, {
      end: {segment, offset},
      startedAt: Date.now(),
      target: [],
      done: new Set(Array(16_384).keys()),
    })
    const report = await replayTo({log, port, folder})
    expect(report.written.keys).toBe(54)
    expect(await dumpServer(port)).toEqual(await dumpEngine(subject))
  })

  test('an earlier state does not open the door to another target that has keys', async () => {
    const {log} = recorded(5)
    const folder = makeFolder()
    const {port} = (await liveNode()).address
    await (await connectTo(port)).call('SET', 'mine', '1')
    const identity = {path: `${folder}/log`, source: log.identity.nodeId, to: `127.0.0.1:${port}`}
    const path = statePath({...identity, until: undefined, buckets: '', key: '', mode: 'into-empty'})
    const {writeProgress} = await import('../../src/datalog/replay-state.ts')
    await writeProgress(path, {end: null, startedAt: Date.now(), target: ['f'.repeat(40)], done: new Set()})
    await expect(replayTo({log, port, folder})).rejects.toMatchObject({code: 'E_TARGET'})
    expect(await dumpServer(port)).toEqual(['mine = 1 @-1'])
  })

  test('a state of a log that has changed since is refused', async () => {
    const {log} = recorded(5)
    const folder = makeFolder()
    const {port} = (await liveNode()).address
    const identity = {path: `${folder}/log`, source: log.identity.nodeId, to: `127.0.0.1:${port}`}
    const path = statePath({...identity, until: undefined, buckets: '', key: '', mode: 'into-empty'})
    const {writeProgress} = await import('../../src/datalog/replay-state.ts')
    await writeProgress(path, {end: {segment: 900, offset: 1}, startedAt: Date.now(), target: [], done: new Set()})
    await expect(replayTo({log, port, folder})).rejects.toMatchObject({code: 'E_REPLAY_STATE'})
  })
})

test('reading back finds what differs: a value, a field, a time, a type, a missing and a foreign key', async () => {
  const {log} = recorded(50)
  const {port} = (await liveNode()).address
  const connection = await connectTo(port)
  let isSpoilt = false
  const report = await replayTo(
    {log, port},
    {
      onProgress: ({phase, done, total}) => {
        if (isSpoilt || phase !== 'write' || done < total) return
        isSpoilt = true
        void pipeline(connection, [
          ['SET', 'k2', 'another'],
          ['HSET', 'large', 'f7', 'another'],
          ['PERSIST', 'k3'],
          ['DEL', 'k4'],
          ['HSET', 'fields', 'more', '1'],
          ['SET', '{k6}foreign', '1'],
          ['SET', 'map', 'a string'],
        ])
      },
    },
  )
  const names = report.verified.differing.names.map((text) => text.replace(/ \(bucket \d+\)/, '')).sort()
  expect(names).toEqual([
    expect.stringMatching(/^bucket \d+ has 2 keys, not 1: some are not from the log$/),
    'fields: it has more fields',
    'k2: it has another value',
    'k3: it does not expire',
    'k4: it is missing',
    'large: its field f7 has another value',
    'map: it is no map',
  ])
  expect(report.verified.differingBuckets).toHaveLength(7)
})
