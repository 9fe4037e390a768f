/** Client-side caching on one node: who is told to forget what, and when. What Redis says is compared in test/compat. */
import {describe, expect, it} from 'vitest'
import {keyBucket} from '../../src/base/crc16.ts'
import {ROLE_FOREIGN, ROLE_SERVING} from '../../src/core/replication/roles.ts'
import {Stage, type Client, type Plain} from './server-support.ts'

const bucketOf = (key: string): number => keyBucket(Buffer.from(key), 0, key.length)

function tracker(stage: Stage, ...options: readonly string[]): Client {
  const client = stage.connect()
  client.send('HELLO', '3')
  client.replies()
  expect(client.call('CLIENT', 'TRACKING', 'ON', ...options)).toBe('OK')
  return client
}

const forget = (...keys: readonly string[]): Plain => ['invalidate', [...keys]]

describe('a key that was read', () => {
  it('is told of once, whatever changes it', () => {
    const stage = new Stage()
    const [client, writer] = [tracker(stage), stage.connect()]
    const changes: readonly (readonly string[])[] = [
      ['SET', 'k', '1'],
      ['APPEND', 'k', '1'],
      ['SETRANGE', 'k', '1', '1'],
      ['INCR', 'k'],
      ['EXPIRE', 'k', '100'],
      ['PERSIST', 'k'],
      ['GETDEL', 'k'],
      ['HSET', 'k', 'f', '1'],
      ['HEXPIRE', 'k', '100', 'FIELDS', '1', 'f'],
      ['HPERSIST', 'k', 'FIELDS', '1', 'f'],
      ['HDEL', 'k', 'f'],
    ]
    for (const change of changes) {
      client.call('EXISTS', 'k')
      writer.send(...change)
      writer.send(...change)
      expect(client.replies(), change.join(' ')).toEqual([forget('k')])
    }
  })

  it('is told of when its time comes, and when room is needed', () => {
    const stage = new Stage()
    const [client, writer] = [tracker(stage), stage.connect()]
    writer.call('SET', 'k', 'v', 'PX', '50')
    client.call('GET', 'k')
    stage.pass(100)
    while (stage.engine.work(10_000));
    expect(client.replies()).toEqual([forget('k')])
    writer.call('SET', 'k', 'v')
    client.call('GET', 'k')
    const {keyspace, effects} = stage.engine
    const key = Buffer.from('k')
    effects.evict(bucketOf('k'), keyspace.find(bucketOf('k'), keyspace.hash(key, 0, 1), key, 0, 1))
    expect(client.replies()).toEqual([forget('k')])
  })

  it('is not told of for a change that was refused', () => {
    const stage = new Stage()
    const [client, writer] = [tracker(stage), stage.connect()]
    writer.call('HSET', 'm', 'f', 'v')
    client.call('HGETALL', 'm')
    writer.call('INCR', 'm')
    writer.call('SETNX', 'm', 'v')
    writer.call('MULTI')
    writer.call('DEL', 'm')
    writer.call('DISCARD')
    expect(client.replies()).toEqual([])
  })

  it('is told of to whoever it is redirected to, also over RESP2', () => {
    const stage = new Stage()
    const [target, writer, client] = [stage.connect(), stage.connect(), stage.connect()]
    target.call('SUBSCRIBE', '__redis__:invalidate')
    expect(client.call('CLIENT', 'TRACKING', 'ON', 'REDIRECT', String(target.session.id))).toBe('OK')
    expect(client.call('CLIENT', 'GETREDIR')).toBe(target.session.id)
    client.call('GET', 'k')
    writer.call('SET', 'k', 'v')
    expect(target.replies()).toEqual([['message', '__redis__:invalidate', ['k']]])
    writer.call('FLUSHALL')
    expect(target.replies()).toEqual([['message', '__redis__:invalidate', null]])
    expect(client.replies()).toEqual([])
  })

  it('says so when the target is gone', () => {
    const stage = new Stage()
    const [target, writer] = [stage.connect(), stage.connect()]
    const client = tracker(stage, 'REDIRECT', String(target.session.id))
    client.call('GET', 'k')
    stage.disconnect(target)
    writer.call('SET', 'k', 'v')
    expect(client.replies()).toEqual([['tracking-redir-broken', target.session.id]])
    expect(client.call('CLIENT', 'TRACKINGINFO')).toEqual(expect.arrayContaining([['on', 'broken_redirect']]))
    expect(String(client.call('CLIENT', 'INFO'))).toMatch(/flags=tR /)
  })
})

describe('a bucket that is not served here any more', () => {
  it('takes its keys with it, and no others', () => {
    const stage = new Stage()
    const [client, writer] = [tracker(stage), stage.connect()]
    client.call('MGET', '{a}1', '{a}2')
    client.call('GET', 'b')
    stage.engine.roles.set(bucketOf('a'), ROLE_FOREIGN, 0)
    expect(client.replies()).toEqual([forget('{a}1', '{a}2')])
    stage.engine.roles.set(bucketOf('a'), ROLE_SERVING, 0)
    writer.call('SET', '{a}1', 'v')
    expect(client.replies()).toEqual([])
    writer.call('SET', 'b', 'v')
    expect(client.replies()).toEqual([forget('b')])
  })

  it('makes those forget everything who broadcast, once a turn', () => {
    const stage = new Stage()
    const client = tracker(stage, 'BCAST', 'PREFIX', 'user:')
    for (const key of ['a', 'b', 'c']) stage.engine.roles.set(bucketOf(key), ROLE_FOREIGN, 0)
    stage.engine.tracking.flush()
    stage.engine.tracking.flush()
    expect(client.replies()).toEqual([['invalidate', null]])
  })

  it('and so does a lease that ran out', () => {
    const stage = new Stage()
    const {tracking} = stage.engine
    const client = tracker(stage)
    client.call('GET', 'k')
    tracking.noteLease(true)
    for (let i = 0; i < 3; i++) tracking.noteLease(false)
    expect(client.replies()).toEqual([['invalidate', null]])
    expect(tracking.keyCount).toBe(0)
  })

  it('makes a WATCH fail: it may have been changed elsewhere', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.call('WATCH', 'k')
    stage.engine.roles.set(bucketOf('k'), ROLE_FOREIGN, 0)
    stage.engine.roles.set(bucketOf('k'), ROLE_SERVING, 0)
    client.call('MULTI')
    client.call('SET', 'k', 'v')
    expect(client.call('EXEC')).toBeNull()
  })
})

describe('the table', () => {
  it('has no more keys than it may have: the others are told', () => {
    const stage = new Stage()
    const client = tracker(stage)
    stage.connect().call('CONFIG', 'SET', 'tracking-table-max-keys', '3')
    for (let i = 0; i < 10; i++) client.send('GET', `k${i}`)
    const told = client.replies().filter((reply) => Array.isArray(reply) && reply[0] === 'invalidate')
    expect(told).toHaveLength(7)
    expect(stage.engine.tracking.keyCount).toBe(3)
    expect(client.raw('INFO', 'stats')).toMatch(/tracking_total_keys:3\r\ntracking_total_items:3\r\n/)
  })

  it('is empty, and costs nothing, when nobody tracks any more', () => {
    const stage = new Stage()
    const {tracking, effects} = stage.engine
    const [one, other] = [tracker(stage), tracker(stage, 'BCAST')]
    one.call('GET', 'k')
    expect([tracking.clientCount, tracking.prefixCount, effects.watches.isActive]).toEqual([2, 1, true])
    stage.disconnect(one)
    other.call('CLIENT', 'TRACKING', 'OFF')
    expect([tracking.keyCount, tracking.itemCount, tracking.clientCount, tracking.prefixCount]).toEqual([0, 0, 0, 0])
    expect(effects.watches.isActive).toBe(false)
  })
})
