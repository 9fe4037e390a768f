/** Publish and subscribe on one node: what subscribers are told, and when they are told nothing. The words are compared in test/compat. */
import {describe, expect, it} from 'vitest'
import {PUBLISH_BYTES_MAX} from '../../src/constants.ts'
import {PeerRelay} from '../../src/core/pubsub/relay.ts'
import {ROLE_FOREIGN, ROLE_HANDING, ROLE_SERVING} from '../../src/core/replication/roles.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {Stage} from './server-support.ts'
import {ClusterMap} from '../../src/core/cluster/cluster-map.ts'
import {Links} from '../../src/core/cluster/links.ts'
import {memberInfo} from './server-cluster-support.ts'
import type {Link} from '../../src/core/peer/link.ts'

const bucketOf = (key: string): number => keyBucket(Buffer.from(key), 0, key.length)

describe('subscriptions', () => {
  it('end with the connection', () => {
    const stage = new Stage()
    const [listener, speaker] = [stage.connect(), stage.connect()]
    listener.call('SUBSCRIBE', 'a')
    listener.call('PSUBSCRIBE', 'a*')
    listener.call('SSUBSCRIBE', 'a')
    expect(speaker.call('PUBLISH', 'a', 'x')).toBe(2)
    stage.disconnect(listener)
    expect(speaker.call('PUBLISH', 'a', 'x')).toBe(0)
    expect(speaker.call('PUBSUB', 'NUMPAT')).toBe(0)
    expect(speaker.call('PUBSUB', 'SHARDCHANNELS')).toEqual([])
  })

  it('are counted by INFO', () => {
    const stage = new Stage()
    const [listener, other] = [stage.connect(), stage.connect()]
    listener.send('SUBSCRIBE', 'a', 'b')
    listener.send('PSUBSCRIBE', 'c*')
    listener.send('SSUBSCRIBE', 'd')
    expect(other.raw('INFO', 'stats')).toMatch(/pubsub_channels:2\r\npubsub_patterns:1\r\npubsubshard_channels:1\r\n/)
  })

  it('let a session of RESP2 say GOODBYE, and nothing but what belongs to them', () => {
    const client = new Stage().connect()
    client.call('SUBSCRIBE', 'a')
    expect(client.call('GET', 'k')).toMatch(/^-ERR Can't execute 'get'/)
    expect(client.call('GOODBYE')).toBe('OK')
  })

  it('take names of any bytes', () => {
    const stage = new Stage()
    const [listener, speaker] = [stage.connect(), stage.connect()]
    const name = Buffer.from([0, 13, 10, 255])
    listener.call('SUBSCRIBE', name)
    expect(speaker.call('PUBLISH', name, name)).toBe(1)
    const text = name.toString('latin1')
    expect(listener.replies()).toEqual([['message', text, text]])
  })
})

describe('PUBLISH', () => {
  it('refuses what is too long for the way to other nodes, and sends it to nobody', () => {
    const stage = new Stage()
    const [listener, speaker] = [stage.connect(), stage.connect()]
    listener.call('SUBSCRIBE', 'a')
    expect(speaker.call('PUBLISH', 'a', Buffer.alloc(PUBLISH_BYTES_MAX))).toMatch(/^-ERR a channel and its message/)
    expect(listener.replies()).toEqual([])
  })

  it('sends nothing for a transaction that was discarded or refused', () => {
    const stage = new Stage()
    const [listener, speaker] = [stage.connect(), stage.connect()]
    listener.call('SUBSCRIBE', 'a')
    for (const end of [['DISCARD'], ['NOSUCH']]) {
      speaker.call('MULTI')
      speaker.call('PUBLISH', 'a', 'x')
      speaker.call(...end)
      speaker.call('EXEC')
    }
    expect(listener.replies()).toEqual([])
  })
})

describe('sharded channels of a bucket', () => {
  it('stay while it is being handed over, and end when it is gone', () => {
    const stage = new Stage()
    const listener = stage.connect()
    listener.send('SSUBSCRIBE', '{s}1', '{s}2')
    listener.send('SUBSCRIBE', 's')
    listener.replies()
    stage.engine.roles.set(bucketOf('s'), ROLE_HANDING, 0)
    stage.engine.roles.set(bucketOf('s'), ROLE_SERVING, 0)
    stage.engine.roles.set(bucketOf('other'), ROLE_FOREIGN, 0)
    expect(listener.replies()).toEqual([])
    stage.engine.roles.set(bucketOf('s'), ROLE_FOREIGN, 0)
    expect(listener.replies()).toEqual([
      ['sunsubscribe', '{s}1', 1],
      ['sunsubscribe', '{s}2', 0],
    ])
    expect(listener.session.subscriptions!.names.map((names) => names.size)).toEqual([1, 0, 0])
  })
})

describe('the relay', () => {
  /** A relay of node 1 in a cluster of nodes 1 to 4, of which 3 only votes and 4 keeps a log; what was sent to whom. */
  function makeRelay(queued = 0): {relay: PeerRelay; stage: Stage; sent: [string, Buffer][]; flushes: number[]} {
    const stage = new Stage()
    const sent: [string, Buffer][] = []
    const flushes: number[] = []
    const members = [1, 2, 3, 4].map((n) => memberInfo(n))
    const map = new ClusterMap()
    map.apply({type: 'genesis', clusterId: 'c', replicas: 0, member: members[0]!})
    map.apply({type: 'joined', member: members[1]!})
    map.apply({type: 'joined', member: {...members[2]!, isVoterOnly: true}})
    map.apply({type: 'joined', member: {...members[3]!, isVoterOnly: true, log: 'async'}})
    const links = new Links((id) => {
      const link = {isConnected: true, sendLoose: (_: number, body: Buffer) => void sent.push([id, body])}
      return link as unknown as Link
    })
    for (const {id, incarnation} of members) links.of(id, incarnation)
    const host = {queuedBytes: () => queued, flushSoon: () => void flushes.push(1)}
    const relay = new PeerRelay(stage.engine.pubsub, {links, selfId: members[0]!.id, map: () => map, host})
    return {relay, stage, sent, flushes}
  }

  it('sends the messages of a turn together, to nodes that serve clients', () => {
    const {relay, stage, sent, flushes} = makeRelay()
    const speaker = stage.connect()
    speaker.call('PUBLISH', 'a', 'one')
    speaker.call('PUBLISH', 'b', '')
    expect(sent).toEqual([])
    expect(flushes.length).toBeGreaterThan(0)
    relay.flush()
    expect(sent.map(([id]) => id)).toEqual([memberInfo(2).id])
    const receiver = makeRelay()
    const heard = receiver.stage.connect()
    heard.call('PSUBSCRIBE', '*')
    receiver.relay.receive(sent[0]![1])
    expect(heard.replies()).toEqual([
      ['pmessage', '*', 'a', 'one'],
      ['pmessage', '*', 'b', ''],
    ])
    // What came from a peer goes no further.
    receiver.relay.flush()
    expect(receiver.sent).toEqual([])
  })

  it('passes over a peer for which much waits', () => {
    const {relay, stage, sent} = makeRelay(64 * 1024 * 1024)
    stage.connect().call('PUBLISH', 'a', 'one')
    relay.flush()
    expect([sent, relay.dropped]).toEqual([[], 1])
  })

  it('takes no harm from bytes that make no sense', () => {
    const {relay, stage} = makeRelay()
    const listener = stage.connect()
    listener.call('PSUBSCRIBE', '*')
    for (const bytes of [[], [1, 2, 3], new Array<number>(8).fill(255), new Array<number>(20).fill(9)])
      relay.receive(Buffer.from(bytes))
    expect(listener.replies()).toEqual([])
  })
})
