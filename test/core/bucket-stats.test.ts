/** Figures of buckets: what is counted, when they begin anew, and how CLUSTER SLOT-STATS gives them. */
import {describe, expect, it} from 'vitest'
import {keyBucket} from '../../src/base/crc16.ts'
import {encodeCommand} from '../support/raw-connection.ts'
import {ClusterStage} from './server-cluster-support.ts'
import {Stage, type Client, type Plain} from './server-support.ts'

const FOO = keyBucket(Buffer.from('foo'), 0, 3)
const BAR = keyBucket(Buffer.from('bar'), 0, 3)

interface Figures {
  readonly keys: number
  readonly bytesIn: number
  readonly bytesOut: number
  readonly operations: number
}

function rows(reply: Plain): [number, Figures][] {
  return (reply as [number, Plain[]][]).map(([bucket, fields]) => {
    expect(fields.filter((_, i) => i % 2 === 0)).toEqual([
      'key-count',
      'network-bytes-in',
      'network-bytes-out',
      'operations',
    ])
    const [keys, bytesIn, bytesOut, operations] = fields.filter((_, i) => i % 2 === 1) as number[]
    return [bucket, {keys: keys!, bytesIn: bytesIn!, bytesOut: bytesOut!, operations: operations!}]
  })
}

function figuresOf(client: Client, bucket: number): Figures {
  return rows(client.call('CLUSTER', 'SLOT-STATS', 'SLOTSRANGE', bucket, bucket))[0]![1]
}

/** Sends requests and says what they are on the wire, there and back. */
function wire(client: Client, ...requests: readonly (readonly string[])[]): {bytesIn: number; bytesOut: number} {
  let bytesIn = 0
  let bytesOut = 0
  for (const request of requests) {
    bytesIn += encodeCommand(request).length
    bytesOut += client.raw(...request).length
  }
  return {bytesIn, bytesOut}
}

describe('figures of a bucket', () => {
  it('count every operation, and its bytes as they are on the wire', () => {
    const client = new Stage().connect()
    const many = Array.from({length: 60}, (_, i) => [`field${i}`, 'v']).flat()
    const bytes = wire(
      client,
      ['SET', 'foo', 'v'.repeat(1000)],
      ['GET', 'foo'],
      ['HINCRBYFLOAT', '{foo}m', 'f', '1.5'],
      ['HSET', '{foo}n', ...many],
      ['LLEN', 'foo'],
      ['HGET', 'foo', 'f'],
      ['DEL', '{foo}m', 'foo'],
    )
    // LLEN is no command here: it never came to a bucket.
    const unknown = encodeCommand(['LLEN', 'foo']).length
    const {keys, bytesIn, operations} = figuresOf(client, FOO)
    expect({keys, bytesIn, operations}).toEqual({keys: 1, bytesIn: bytes.bytesIn - unknown, operations: 6})
  })

  it('count the bytes of replies, late ones too, and none where replies are off', () => {
    const stage = new Stage()
    const client = stage.connect()
    const fields = Array.from({length: 200}, (_, i) => [`field${i}`, 'v'.repeat(50)]).flat()
    const made = wire(client, ['HSET', 'foo', ...fields])
    expect(figuresOf(client, FOO).bytesOut).toBe(made.bytesOut)
    stage.engine.firstStepBudget = 1
    const reader = stage.connect()
    reader.send('HGETALL', 'foo')
    while (stage.engine.work(50)) stage.settle()
    expect(reader.received.length).toBeGreaterThan(10_000)
    expect(figuresOf(client, FOO).bytesOut).toBe(made.bytesOut + reader.received.length)
    const before = figuresOf(client, FOO)
    reader.send('CLIENT', 'REPLY', 'OFF')
    reader.send('HGET', 'foo', 'field1')
    expect(figuresOf(client, FOO)).toMatchObject({bytesOut: before.bytesOut, operations: before.operations + 1})
  })

  it('count the commands of a transaction once, when they are executed', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.call('MULTI')
    client.call('SET', 'foo', 'v')
    expect(figuresOf(stage.connect(), FOO).operations).toBe(0)
    client.call('GET', 'foo')
    client.call('EXEC')
    const {operations, bytesIn, bytesOut} = figuresOf(client, FOO)
    expect({operations, bytesOut}).toEqual({operations: 2, bytesOut: '+OK\r\n$1\r\nv\r\n'.length})
    expect(bytesIn).toBe(encodeCommand(['SET', 'foo', 'v']).length + encodeCommand(['GET', 'foo']).length)
  })

  it('begin anew with CONFIG RESETSTAT, but keys are what they are', () => {
    const client = new Stage().connect()
    wire(client, ['SET', 'foo', 'v'])
    client.call('CONFIG', 'RESETSTAT')
    expect(figuresOf(client, FOO)).toEqual({keys: 1, bytesIn: 0, bytesOut: 0, operations: 0})
  })

  it('begin anew when the bucket goes to another node', () => {
    const stage = new ClusterStage()
    stage.join(1)
    stage.apply({type: 'replicas', count: 0})
    stage.call('SET', 'foo', 'v')
    const {bucketStats} = stage.stage.engine
    expect(bucketStats.get(FOO, 0)).toBe(1)
    stage.copy(1, String(FOO))
    expect(bucketStats.get(FOO, 0)).toBe(1)
    stage.move(1, String(FOO))
    expect(stage.call('GET', 'foo')).toMatch(/^-MOVED/)
    expect(bucketStats.get(FOO, 0)).toBe(0)
  })
})

describe('CLUSTER SLOT-STATS ORDERBY', () => {
  const busy = (): Client => {
    const client = new Stage().connect()
    wire(client, ['SET', 'foo', 'v'.repeat(500)], ['SET', '{bar}1', 'v'], ['SET', '{bar}2', 'v'], ['GET', '{bar}1'])
    return client
  }

  it.each([
    ['KEY-COUNT', [BAR, FOO]],
    ['operations', [BAR, FOO]],
    ['NETWORK-BYTES-IN', [FOO, BAR]],
    ['network-bytes-out', [BAR, FOO]],
  ])('%s: the largest first', (metric, expected) => {
    const reply = busy().call('CLUSTER', 'SLOT-STATS', 'ORDERBY', metric, 'LIMIT', 2)
    expect(rows(reply).map(([bucket]) => bucket)).toEqual(expected)
  })

  it('ASC, the smallest first; of equal ones the one with the smaller number', () => {
    const reply = busy().call('CLUSTER', 'SLOT-STATS', 'ORDERBY', 'KEY-COUNT', 'LIMIT', 3, 'ASC')
    expect(rows(reply).map(([bucket]) => bucket)).toEqual([0, 1, 2])
    expect(busy().call('CLUSTER', 'SLOT-STATS', 'ORDERBY', 'KEY-COUNT')).toHaveLength(16_384)
  })

  it('knows no CPU time', () => {
    expect(busy().call('CLUSTER', 'SLOT-STATS', 'ORDERBY', 'CPU-USEC')).toBe(
      '-ERR Unrecognized sort metric for ORDERBY.',
    )
  })
})
