/** The client library's subscriptions on a real cluster: every node's messages arrive, and a sharded channel follows its bucket over a move, a stop and a crash. */
import {expect, test} from 'vitest'
import {connect, type Subscription} from '../../src/client/index.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {run} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {waitFor} from '../support/wait.ts'
import {ProcessCluster} from './processes.ts'

const CHANNEL = 'news'
const BUCKET = keyBucket(Buffer.from(CHANNEL), 0, CHANNEL.length)

/** Everything that was heard, texts of messages and `gap`. */
function heardOf(subscription: Subscription): string[] {
  const heard: string[] = []
  subscription.listen((event) => heard.push(event.type === 'message' ? event.message : event.type))
  return heard
}

test('a sharded channel is followed wherever its bucket goes, and others are heard from every node', async () => {
  const cluster = await ProcessCluster.start(4)
  const addresses = cluster.nodes.map(({port}) => ({host: '127.0.0.1', port}))
  const [publisher, subscriber] = [await connect(addresses), await connect(addresses)]
  try {
    await cluster.settled(2)
    const sharded = heardOf(await subscriber.subscribe(CHANNEL, {sharded: true}))
    const plain = heardOf(await subscriber.subscribe(CHANNEL))
    // What is published while nobody is subscribed is lost, as ever: it is said again until it is heard.
    const isHeard = async (heard: readonly string[], text: string, isSharded: boolean): Promise<void> => {
      await waitFor(
        `"${text}" is heard`,
        async () => {
          await publisher.publish(CHANNEL, text, {sharded: isSharded})
          return heard.includes(text)
        },
        {timeoutMs: 30_000, intervalMs: 100},
      )
    }
    await isHeard(sharded, 'before', true)
    await isHeard(plain, 'everywhere', false)

    const owner = (await cluster.linked((link) => link.state())).ranges.find(
      ([first, last]) => first <= BUCKET && BUCKET <= last,
    )!
    const state = await cluster.linked((link) => link.state())
    const target = state.members.find(({slot, isDown}) => slot !== owner[2] && !isDown)!
    const moved = await run(
      './bin/kv',
      ['buckets', 'move', String(BUCKET), '--to', `127.0.0.1:${target.port}`, '-n', `127.0.0.1:${target.port}`],
      {
        cwd: REPO_ROOT,
        timeoutMs: 60_000,
      },
    )
    expect(moved.exit, moved.stderr).toBe(0)
    await isHeard(sharded, 'after the move', true)

    const master = cluster.nodes.find(({port}) => port === target.port)!
    expect(await master.stop()).toBe(0)
    await isHeard(sharded, 'after the stop', true)
    const heir = (await cluster.linked((link) => link.state())).ranges.find(
      ([first, last]) => first <= BUCKET && BUCKET <= last,
    )!
    const members = (await cluster.linked((link) => link.state())).members
    await cluster.nodes.find(({port}) => port === members.find(({slot}) => slot === heir[2])!.port)!.kill()
    await isHeard(sharded, 'after the crash', true)
    await isHeard(plain, 'still everywhere', false)
  } finally {
    await Promise.all([publisher.close(), subscriber.close()])
    await cluster.stop()
  }
})
