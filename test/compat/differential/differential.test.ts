/**
 * The same script on redis-server and on kv must give the same bytes, over RESP2 and RESP3, sent at once, byte by
 * byte, and in random chunks. Where kv differs on purpose, `known-differences.ts` says why.
 */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {runSeed} from '../../support/random.ts'
import {startRedis} from '../../support/redis.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubject, SUBJECT} from '../../support/subject.ts'
import {compareExpected, compareServers, countSteps, describeDifference, loadScript, loadScripts} from './compare.ts'
import {judge, KNOWN_DIFFERENCES} from './known-differences.ts'
import type {Delivery, Protocol, RunMode} from './run.ts'

const scripts = loadScripts('scripts')
const newer = loadScripts('newer')
const table = SUBJECT === 'kv' ? KNOWN_DIFFERENCES : []

/** Random chunks differ from run to run; the seed is in the test's name, and KV_TEST_SEED repeats it. */
const seed = runSeed()

const modes: RunMode[] = ([2, 3] as Protocol[]).flatMap((protocol) =>
  (['whole', 'bytes', 'chunks'] as Delivery[]).map((delivery) => ({protocol, delivery, seed})),
)

let reference: TestServer
let subject: TestServer

beforeAll(async () => {
  ;[reference, subject] = await Promise.all([startRedis(), startSubject()])
})

afterAll(async () => {
  await Promise.all([reference?.stop(), subject?.stop()])
})

describe(`${SUBJECT} answers as redis-server does`, () => {
  it('with a script of more than 700 steps', () => {
    expect(countSteps(scripts)).toBeGreaterThan(700)
  })

  for (const mode of modes) {
    const name = `RESP${mode.protocol} ${mode.delivery}${mode.delivery === 'chunks' ? ` (seed ${seed})` : ''}`
    it.each(scripts)(`$family, ${name}`, async ({family}) => {
      const script = loadScript('scripts', family)
      const differences = await compareServers(reference, subject, script, mode)
      const {surprises, stale} = judge(differences, script.family, mode.protocol, table)
      expect(surprises.map(describeDifference).join('\n\n')).toBe('')
      expect(stale, 'listed differences that no longer differ').toEqual([])
    })
  }
})

if (SUBJECT === 'kv') {
  describe('kv answers as Redis 8 and Valkey 9 do, where redis-server 7.0 knows no answer', () => {
    for (const mode of modes) {
      it.each(newer)(`$family, RESP${mode.protocol} ${mode.delivery}`, async ({family}) => {
        const differences = await compareExpected(subject, loadScript('newer', family), mode)
        expect(differences.map(describeDifference).join('\n\n')).toBe('')
      })
    }
  })
}
