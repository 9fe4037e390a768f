/** A node is killed with SIGKILL at random moments while it saves: the old savefile, or the new one, is there whole. */
import {copyFileSync, readdirSync, readFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, it} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {verifySavefile} from '../../src/node/savefile.ts'
import {encodeCommand} from '../support/raw-connection.ts'
import {sleep, waitFor} from '../support/wait.ts'
import {makeFolder} from './folder.ts'
import {connectTo, fill, liveNode, nodeChild} from './live-node.ts'

const KEYS = 15_000
const ROUNDS = 9
/** Where a save is so short that it is seldom hit, more are tried. */
const ROUNDS_MAX = 60

it('killed at random moments during SAVE, the old savefile is intact and loads', async () => {
  const folder = makeFolder()
  const saveFile = join(folder, 'data')
  const prng = new Prng(11)
  const seen = {old: 0, new: 0, during: 0}
  // Until the kills have hit what they are aimed at.
  const isDone = (): boolean => seen.during > 1 && seen.old > 1
  let round = 0
  for (; round < ROUNDS || (!isDone() && round < ROUNDS_MAX); round++) {
    const child = await nodeChild({saveFile})
    // What the last one left, old or new, was whole, and now it is used.
    expect(child.keys).toBe(round === 0 ? 0 : KEYS + 1)
    const client = await connectTo(child.port)
    if (round === 0) await fill(client, KEYS)
    await client.call('SET', 'round', `${round} old`)
    expect(await client.call('SAVE')).toBe('+OK\r\n')
    const before = readFileSync(saveFile)
    await client.call('SET', 'round', `${round} new`)
    const isSeen = round % 2 === 0
    client.write(encodeCommand(['SAVE']))
    if (isSeen)
      await waitFor('it writes', () => readdirSync(folder).some((name) => name.includes('.tmp-')), {intervalMs: 1})
    // As soon as it is seen, or some time later, when it may be over.
    if (round % 4 !== 0) await sleep(prng.below(60))
    child.process.kill('SIGKILL')
    await child.exited
    if (readdirSync(folder).some((name) => name.includes('.tmp-'))) seen.during++
    const summary = await verifySavefile(saveFile)
    expect(summary.keys).toBe(KEYS + 1)
    if (readFileSync(saveFile).equals(before)) seen.old++
    else seen.new++
  }
  expect(isDone(), JSON.stringify(seen)).toBe(true)
  const copy = join(folder, 'copy')
  copyFileSync(saveFile, copy)
  const node = await liveNode({saveFile: copy})
  expect(await (await connectTo(node)).call('GET', 'round')).toMatch(new RegExp(`${round - 1} (old|new)`))
  // A temp that a dead node left is removed by the next save.
  const last = await connectTo(node)
  expect(await last.call('SAVE')).toBe('+OK\r\n')
  expect(readdirSync(folder).filter((name) => name.startsWith('copy'))).toEqual(['copy', 'copy.used'])
})
