/** `kv log list` and `kv log verify` as a user runs them. */
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {beforeAll, expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {nodeLogFileSystem} from '../../src/datalog/log-fs.ts'
import {identity, LogMaker, openWriter, readAll, T0} from '../datalog/make-log.ts'
import {tempDir} from '../support/temp.ts'
import {kv} from './kv-command.ts'

const dir = tempDir('log').path
const SECOND = '0000000002.kvlog'
let records = 0

beforeAll(async () => {
  const maker = new LogMaker(new Prng(1), [7])
  const entries = [
    maker.begin(7),
    maker.line(4, 7),
    ...Array.from({length: 30}, () => maker.records(2)),
    maker.begin(7),
  ]
  const writer = await openWriter(nodeLogFileSystem, {segmentBytes: 2500}, dir)
  entries.forEach(({kind, body}, i) => writer.append(kind, body, T0 + i * 1000))
  await writer.close()
  records = 60
})

test('log list: one line a segment, totals at the end', async () => {
  const {exit, stdout, stderr} = await kv(['log', 'list', dir])
  expect({exit, stderr}).toEqual({exit: 0, stderr: ''})
  const lines = stdout.trimEnd().split('\n')
  expect(lines[0]).toMatch(/^SEGMENT +SIZE +FROM +TO +RECORDS +IMAGES +GAPS +STATE$/)
  expect(lines[1]).toMatch(/^ +1 +2\.\d+ KB +2026-11-22 12:00:00Z +2026-11-22 12:00:\d\dZ +\d+ +1 +0 +sealed$/)
  expect(lines.at(-2)).toMatch(/ +1 +1 +open$/)
  expect(lines.at(-1)).toMatch(/^\d segments, \d+\.\d+ KB, 60 records, 2 images, 1 gap$/)
  const {stdout: json} = await kv(['log', 'list', dir, '--json'])
  expect(JSON.parse(json)).toMatchObject({
    clusterId: identity.clusterId,
    totals: {segments: lines.length - 2, records, images: 2, gaps: 1},
  })
})

test('log verify: 0 and one line if it is whole', async () => {
  const {exit, stdout} = await kv(['log', 'verify', dir])
  expect(exit).toBe(0)
  expect(stdout).toMatch(/^The log is whole: \d segments, .*, 60 records, 2 images, 1 gap\.\n$/)
})

test('log verify: 3 with the bytes and the changes that are missing', async () => {
  const damagedDir = tempDir('log').path
  for (const name of ['0000000001.kvlog', SECOND]) writeFileSync(join(damagedDir, name), readFileSync(join(dir, name)))
  const entry = (await readAll(nodeLogFileSystem, {from: {segment: 2, offset: 0}}, damagedDir))[1]!
  const bytes = readFileSync(join(damagedDir, SECOND))
  bytes[entry.offset + 60]! ^= 1
  writeFileSync(join(damagedDir, SECOND), bytes)
  const {exit, stdout} = await kv(['log', 'verify', damagedDir])
  expect(exit).toBe(3)
  expect(stdout).toContain(`${SECOND}, bytes ${entry.offset} to `)
  expect(stdout).toMatch(/bucket 7: records are missing \(missing: 1\.\d+ to 1\.\d+\)/)
  expect(stdout).toMatch(/2 findings: 2 segments/)
  const {exit: jsonExit, stdout: json} = await kv(['log', 'verify', damagedDir, '--json'])
  expect(jsonExit).toBe(3)
  expect(JSON.parse(json)).toMatchObject({
    ok: false,
    findingCount: 2,
    findings: [{segment: 2}, {segment: 2, bucket: 7}],
  })
})

test('log verify, log list: 1 where there is no log', async () => {
  const empty = tempDir('log').path
  for (const command of ['list', 'verify']) {
    for (const path of [empty, join(empty, 'none')]) {
      const {exit, stdout, stderr} = await kv(['log', command, path])
      expect({exit, stdout}).toEqual({exit: 1, stdout: ''})
      expect(stderr).toMatch(/^kv: there is no data log in /)
    }
  }
})
