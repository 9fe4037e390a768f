/**
 * Seeded hostility against a live server in a process of its own: whatever comes, it neither crashes nor hangs nor
 * swells, and it still answers. `KV_TEST_SEED=n` repeats a run.
 */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {rssBytes} from '../../support/process-memory.ts'
import {runSeed} from '../../support/random.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess} from '../../support/subject.ts'
import {besideBystander} from '../bad-input/bystander.ts'
import {attackConnections, attackRequests} from './attack.ts'

const MB = 1024 * 1024
const SEED = runSeed()
const CASES = 24_000
const BATCHES = 300
const PER_BATCH = 100
const GROWTH_BYTES_MAX = 300 * MB
const WAIT_MS_MAX = 5_000

let subject: TestServer
beforeAll(async () => {
  subject = await startSubjectProcess()
})
afterAll(() => subject?.stop())

describe(`hostile clients (seed ${SEED})`, () => {
  it(`${CASES} connections of garbage and mutated requests`, async () => {
    const before = rssBytes(subject.pid)
    let answered = 0
    const service = await besideBystander(subject.port, async () => {
      answered = await attackConnections(subject, SEED, CASES)
    })
    // Garbage that is never even answered would attack nothing.
    expect(answered).toBeGreaterThan(CASES / 4)
    expect(service.worstMs).toBeLessThan(WAIT_MS_MAX)
    expect(rssBytes(subject.pid) - before).toBeLessThan(GROWTH_BYTES_MAX)
  })

  it(`${BATCHES * PER_BATCH} well-framed requests that nobody would send: one reply each`, async () => {
    const before = rssBytes(subject.pid)
    const service = await besideBystander(subject.port, () => attackRequests(subject, SEED, BATCHES, PER_BATCH))
    expect(service.worstMs).toBeLessThan(WAIT_MS_MAX)
    expect(rssBytes(subject.pid) - before).toBeLessThan(GROWTH_BYTES_MAX)
  })
})
