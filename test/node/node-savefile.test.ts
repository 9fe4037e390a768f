/** The savefile of a running node: injected once, written while it serves, refused when it is not good. */
import {copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync} from 'node:fs'
import {createServer} from 'node:net'
import {once} from 'node:events'
import {join} from 'node:path'
import {crc32} from 'node:zlib'
import {describe, expect, it, onTestFinished} from 'vitest'
import {verifySavefile} from '../../src/node/savefile.ts'
import {encodeHeader} from '../../src/node/savefile-format.ts'
import {encodeCommand, type Arg, type RawConnection} from '../support/raw-connection.ts'
import {freePort} from '../support/ports.ts'
import {sleep, waitFor} from '../support/wait.ts'
import {makeFolder} from './folder.ts'
import {connectTo, fill, HOST, liveNode, nodeChild, pipeline, refusalOf} from './live-node.ts'
import {meta, smallSavefile} from './savefile-make.ts'

/** A savefile made by a node that held what these commands make. */
async function savefileOf(path: string, ...commands: Arg[][]): Promise<void> {
  const node = await liveNode({saveFile: path})
  await pipeline(await connectTo(node), commands)
  await node.stop('saved')
}

describe('at the start', () => {
  it('is injected, then marked used: a later crash cannot bring old data back', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'data')
    await savefileOf(
      saveFile,
      ['SET', 'string', 'v'],
      ['HSET', 'map', 'f', 'v', 'g', 'w'],
      ['SET', 'brief', 'v', 'EX', '1000'],
    )
    const child = await nodeChild({saveFile})
    expect(child.keys).toBe(3)
    expect(readdirSync(folder)).toEqual(['data.used'])
    const client = await connectTo(child.port)
    const got = await pipeline(client, [
      ['GET', 'string'],
      ['HGETALL', 'map'],
      ['TTL', 'brief'],
      ['TTL', 'string'],
      ['DBSIZE'],
    ])
    expect(got[0]).toBe('$1\r\nv\r\n')
    expect(got[1]).toBe('*4\r\n$1\r\nf\r\n$1\r\nv\r\n$1\r\ng\r\n$1\r\nw\r\n')
    expect(got.slice(2).map((reply) => Number(reply.slice(1)))).toEqual([expect.closeTo(1000, -1), -1, 3])
    child.process.kill('SIGKILL')
    await child.exited
    expect((await liveNode({saveFile})).keysLoaded).toBe(0)
    expect(readdirSync(folder)).toEqual(['data.used'])
  })

  it('keys and fields whose time came meanwhile are dropped', async () => {
    const saveFile = join(makeFolder(), 'data')
    await savefileOf(
      saveFile,
      ['SET', 'gone', 'v', 'PX', '40'],
      ['SET', 'stays', 'v', 'EX', '1000'],
      ['HSET', 'map', 'gone', 'v', 'stays', 'v'],
      ['HPEXPIRE', 'map', '40', 'FIELDS', '1', 'gone'],
      ['HSET', 'whole', 'gone', 'v'],
      ['HPEXPIRE', 'whole', '40', 'FIELDS', '1', 'gone'],
    )
    await sleep(60)
    const node = await liveNode({saveFile})
    const client = await connectTo(node)
    expect(await pipeline(client, [['DBSIZE'], ['GET', 'gone'], ['HGETALL', 'map'], ['EXISTS', 'whole']])).toEqual([
      ':2\r\n',
      '$-1\r\n',
      '*2\r\n$5\r\nstays\r\n$1\r\nv\r\n',
      ':0\r\n',
    ])
    expect(node.keysLoaded).toBe(2)
  })

  it('stays for the next start if this one fails for another reason', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'data')
    await savefileOf(saveFile, ['SET', 'k', 'v'])
    const other = createServer().listen(0, HOST)
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const {port} = other.address() as {port: number}
    expect(await refusalOf({saveFile, port})).toMatchObject({code: 'E_PORT_IN_USE'})
    expect(await refusalOf({saveFile, host: '203.0.113.7'})).toMatchObject({code: 'E_ADDRESS'})
    expect(readdirSync(folder)).toEqual(['data'])
    expect((await liveNode({saveFile})).keysLoaded).toBe(1)
  })

  it('if it cannot be marked, nobody is served and the port is given back', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'data')
    await savefileOf(saveFile, ['SET', 'k', 'v'])
    mkdirSync(`${saveFile}.used`)
    writeFileSync(join(`${saveFile}.used`, 'in the way'), '')
    const port = await freePort()
    const error = await refusalOf({saveFile, port})
    expect(error).toMatchObject({code: 'E_SAVEFILE'})
    expect(error.message).toMatch(/cannot rename the savefile/)
    await liveNode({port})
    expect((await verifySavefile(saveFile)).keys).toBe(1)
  })
})

describe('a file that is not good', () => {
  const good = smallSavefile()
  const newer = Buffer.from(encodeHeader(meta))
  newer.writeUInt16LE(2, 6)
  newer.writeUInt32LE(crc32(newer.subarray(0, 124)), 124)
  const damaged = Buffer.from(good)
  damaged[good.length - 100]! ^= 1
  const cases: readonly (readonly [string, Buffer, RegExp])[] = [
    ['cut', good.subarray(0, good.length - 10), /refused, byte \d+: it is cut/],
    ['damaged', damaged, /refused, byte \d+: /],
    ['foreign', Buffer.from('REDIS0011\xfa\tredis-ver'), /refused, byte 0: it is a Redis RDB file/],
    ['empty', Buffer.alloc(0), /refused, byte 0: it is empty/],
    ['of a newer version', newer, /refused, byte 6: written by a newer kv/],
  ]

  it.each(cases)('%s: refused, nothing is loaded, nothing stays locked', async (_name, bytes, message) => {
    const folder = makeFolder()
    const [saveFile, dataDir] = [join(folder, 'data'), join(folder, 'dir')]
    writeFileSync(saveFile, bytes)
    const error = await refusalOf({saveFile, dataDir})
    expect(error).toMatchObject({code: 'E_SAVEFILE', hint: expect.stringMatching(/./) as string})
    expect(error.message).toMatch(message)
    expect(readFileSync(saveFile).equals(bytes)).toBe(true)
    renameSync(saveFile, `${saveFile}.bad`)
    // The same dir and an empty node: the refused start left neither a lock nor half of the data.
    const node = await liveNode({saveFile, dataDir})
    expect(await (await connectTo(node)).call('DBSIZE')).toBe(':0\r\n')
  })
})

describe('SAVE and BGSAVE', () => {
  it('are answered when the file is written, or begun', async () => {
    const saveFile = join(makeFolder(), 'data')
    const node = await liveNode({saveFile})
    const [client, other] = [await connectTo(node), await connectTo(node)]
    await fill(client, 40_000)
    client.write(encodeCommand(['SAVE']))
    await waitFor(
      'it saves',
      async () => (await other.call('INFO', 'persistence')).includes('rdb_bgsave_in_progress:1'),
      {intervalMs: 1},
    )
    expect([await other.call('SAVE'), await other.call('BGSAVE')]).toEqual(
      Array(2).fill('-ERR Background save already in progress\r\n'),
    )
    expect(existsSync(saveFile)).toBe(false)
    expect(String(await client.reply())).toBe('+OK\r\n')
    expect(await verifySavefile(saveFile)).toMatchObject({kind: 'snapshot', keys: 40_000})
    expect(await client.call('INFO', 'persistence')).toContain('rdb_changes_since_last_save:0\r\n')
    await client.call('SET', 'one', 'more')
    expect(await client.call('INFO', 'persistence')).toContain('rdb_changes_since_last_save:1\r\n')
    expect(await client.call('BGSAVE')).toBe('+Background saving started\r\n')
    await waitFor('it is done', async () => (await verifySavefile(saveFile)).keys === 40_001)
    expect(Math.abs(Date.now() / 1000 - Number((await client.call('LASTSAVE')).slice(1)))).toBeLessThan(5)
  })

  it('that fail say why, and the next one may succeed', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'missing', 'data')
    const node = await liveNode({saveFile})
    const client = await connectTo(node)
    expect(await client.call('SAVE')).toMatch(/^-ERR cannot write the savefile .*ENOENT/)
    expect(await client.call('INFO', 'persistence')).toContain('rdb_last_bgsave_status:err\r\n')
    mkdirSync(join(folder, 'missing'))
    expect(await client.call('SAVE')).toBe('+OK\r\n')
    expect(await client.call('INFO', 'persistence')).toContain('rdb_last_bgsave_status:ok\r\n')
  })

  it('of a client that leaves meanwhile go on', async () => {
    const saveFile = join(makeFolder(), 'data')
    const node = await liveNode({saveFile})
    const [client, other] = [await connectTo(node), await connectTo(node)]
    await fill(client, 20_000)
    client.write(encodeCommand(['SAVE']))
    await sleep(5)
    client.close()
    await waitFor('the file is there', () => existsSync(saveFile))
    expect(await other.call('PING')).toBe('+PONG\r\n')
  })
})

describe('a file written while the node is being written to', () => {
  const PAIRS = 40
  /** More than the records of one turn, so that its image is taken in slices. */
  const LARGE_BUCKET = 6000

  async function keepWriting(client: RawConnection, until: () => boolean): Promise<number> {
    let round = 0
    while (!until()) {
      round++
      const requests: Arg[][] = []
      for (let pair = 0; pair < PAIRS; pair++) {
        const tag = pair % 2 === 0 ? '{large}' : `{p${pair}}`
        requests.push(
          ['MULTI'],
          ['SET', `${tag}a${pair}`, round],
          ['HSET', `${tag}m${pair}`, 'f', round, 'g', round],
          ['SET', `${tag}b${pair}`, round],
          ['EXEC'],
        )
      }
      // Keys of the large bucket come and go, and a map grows and shrinks.
      requests.push(
        ['SET', `{large}new${round}`, 'x'],
        ['DEL', `{large}${round % LARGE_BUCKET}`],
        ['SET', `{large}${(round * 7) % LARGE_BUCKET}`, 'again'],
      )
      requests.push(['HSET', '{large}map', `f${round % 700}`, round], ['HDEL', '{large}map', `f${(round * 3) % 700}`])
      const replies = await pipeline(client, requests)
      expect(replies.filter((reply) => reply.startsWith('-'))).toEqual([])
    }
    return round
  }

  it('holds each bucket as it was at one moment: no transaction by half', async () => {
    const folder = makeFolder()
    const saveFile = join(folder, 'data')
    const node = await liveNode({saveFile})
    const [client, saver] = [await connectTo(node), await connectTo(node)]
    await pipeline(
      client,
      Array.from({length: LARGE_BUCKET}, (_, i) => ['SET', `{large}${i}`, 'x']),
    )
    await fill(client, 10_000)
    let isDone = false
    const writing = keepWriting(client, () => isDone)
    const copies: string[] = []
    for (let save = 0; save < 8; save++) {
      expect(await saver.call('SAVE')).toBe('+OK\r\n')
      copies.push(join(folder, `copy${save}`))
      copyFileSync(saveFile, copies.at(-1)!)
    }
    isDone = true
    expect(await writing).toBeGreaterThan(10)
    let between = 0
    for (const copy of copies) {
      const loaded = await liveNode({saveFile: copy})
      const reader = await connectTo(loaded)
      const rounds = new Set<string>()
      for (let pair = 0; pair < PAIRS; pair++) {
        const tag = pair % 2 === 0 ? '{large}' : `{p${pair}}`
        const [a, b, map] = await pipeline(reader, [
          ['GET', `${tag}a${pair}`],
          ['GET', `${tag}b${pair}`],
          ['HVALS', `${tag}m${pair}`],
        ])
        expect(b, `pair ${pair} of ${copy}`).toBe(a)
        const value = a === '$-1\r\n' ? '' : a!
        expect(map, `map ${pair} of ${copy}`).toBe(value === '' ? '*0\r\n' : `*2\r\n${value}${value}`)
        rounds.add(a!)
      }
      if (rounds.size > 1) between++
      await loaded.stop('next')
    }
    // Else nothing was written while a file was, and nothing was shown.
    expect(between).toBeGreaterThan(0)
  })

  it('holds all that was acknowledged before SAVE was asked for', async () => {
    const saveFile = join(makeFolder(), 'data')
    const node = await liveNode({saveFile})
    const [client, saver] = [await connectTo(node), await connectTo(node)]
    await fill(client, 5000, 'before:')
    let isDone = false
    const writing = keepWriting(client, () => isDone)
    await saver.call('SAVE')
    isDone = true
    await writing
    const copy = `${saveFile}.copy`
    copyFileSync(saveFile, copy)
    const loaded = await liveNode({saveFile: copy})
    const reader = await connectTo(loaded)
    const found = await pipeline(
      reader,
      Array.from({length: 5000}, (_, i) => ['STRLEN', `before:${i}`]),
    )
    expect(found.every((reply) => reply === ':100\r\n')).toBe(true)
  })
})
