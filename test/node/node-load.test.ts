/** A node that begins with the content of a data log or savefile, and the nodes that must not. */
import {existsSync, readdirSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {IMAGE_FIRST, LOG_IMAGE_BEGIN, LOG_IMAGE_END} from '../../src/record/log-entry.ts'
import type {TestEngine} from '../core/support.ts'
import {folderOf} from '../datalog/log-folder.ts'
import {Recorder} from '../datalog/recorder.ts'
import {dumpEngine, dumpServer} from '../datalog/replay-support.ts'
import {makeFolder} from './folder.ts'
import {connectTo, liveNode, nodeChild, refusalOf} from './live-node.ts'

/** A log of some changes that knows all buckets, or only those that have keys. */
async function logOf(isWhole = true): Promise<{dir: string; subject: TestEngine}> {
  const recorder = new Recorder(['a', 'map', 'gone'])
  if (isWhole) {
    const ours = new Set(recorder.buckets.map(({bucket}) => bucket))
    const others = Array.from({length: BUCKET_COUNT}, (_, bucket) => bucket).filter((bucket) => !ours.has(bucket))
    const lines = others.map((bucket) => ({bucket, epoch: 0, seq: 0, code: IMAGE_FIRST}))
    recorder.log.lines(LOG_IMAGE_BEGIN, lines, recorder.subject.now)
    recorder.log.lines(
      LOG_IMAGE_END,
      lines.map((line) => ({...line, code: 0})),
      recorder.subject.now,
    )
  }
  recorder.follow()
  const {subject} = recorder
  subject.run('SET', 'a', '1', 'PX', '900000')
  subject.run('HSET', 'map', 'f', '1', 'g', '2')
  subject.run('HPEXPIRE', 'map', '900000', 'FIELDS', '1', 'f')
  recorder.raise(0)
  subject.run('SET', 'a', '2', 'KEEPTTL')
  subject.run('SET', 'gone', '1')
  subject.run('PEXPIREAT', 'gone', String(Date.now() + 3))
  recorder.drain()
  return {dir: await folderOf(recorder.log), subject}
}

describe('--load', () => {
  test('a new cluster begins with the content of a log, is written to, and another node joins it', async () => {
    const {dir, subject} = await logOf()
    const names = readdirSync(dir)
    const node = await liveNode({load: dir})
    subject.run('DEL', 'gone')
    const all = await dumpEngine(subject)
    const {port} = node.address
    await expect.poll(() => dumpServer(port)).toEqual(all)
    expect(node.keysLoaded).toBeGreaterThanOrEqual(2)
    const connection = await connectTo(node)
    expect(await connection.call('SET', 'a', '3')).toBe('+OK\r\n')
    expect(await connection.call('HSET', 'map', 'h', '3')).toBe(':1\r\n')
    const second = await liveNode({join: [node.address]})
    await expect
      .poll(async () => (await (await connectTo(second)).call('CLUSTER', 'INFO')).includes('cluster_known_nodes:2'))
      .toBe(true)
    expect(readdirSync(dir)).toEqual(names)
  })

  test('a savefile, which stays where it is', async () => {
    const saveFile = `${makeFolder()}/kv.save`
    const first = await liveNode({saveFile})
    await (await connectTo(first)).call('SET', 'k', 'v')
    await first.stop('for its savefile')
    const node = await liveNode({load: saveFile})
    expect(await dumpServer(node.address.port)).toEqual(['k = v @-1'])
    expect(existsSync(saveFile)).toBe(true)
  })

  test('unknown buckets are not served as empty unless their loss is accepted', async () => {
    const {dir} = await logOf(false)
    expect(await refusalOf({load: dir})).toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('has no whole image of 16381 buckets'),
    })
    const node = await liveNode({load: dir, acceptsLoss: true})
    expect(await (await connectTo(node)).call('GET', 'a')).toBe('$1\r\n2\r\n')
  })

  test('is refused where there is or will be other content', async () => {
    const {dir} = await logOf()
    const first = await liveNode()
    expect(await refusalOf({load: dir, join: [first.address]})).toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('this one joins one'),
    })
    expect(await refusalOf({load: dir, isVoterOnly: true})).toMatchObject({code: 'E_USAGE'})
    const saveFile = `${makeFolder()}/kv.save`
    const second = await liveNode({saveFile})
    await (await connectTo(second)).call('SET', 'k', 'v')
    await second.stop('for its savefile')
    expect(await refusalOf({load: dir, saveFile})).toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining(`there is a savefile too, ${saveFile}`),
    })
    expect(existsSync(saveFile)).toBe(true)
    expect(await refusalOf({load: '/nowhere'})).toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('/nowhere'),
    })
  })

  test('is refused by a node that was in a cluster: old content must not come over newer', async () => {
    const {dir} = await logOf()
    const dataDir = makeFolder()
    const child = await nodeChild({dataDir})
    await (await connectTo(child.port)).call('SET', 'a', 'newer')
    child.process.kill('SIGKILL')
    await child.exited
    expect(await refusalOf({load: dir, dataDir})).toMatchObject({
      code: 'E_USAGE',
      message: expect.stringContaining('this one belongs to a cluster'),
    })
  })
})
