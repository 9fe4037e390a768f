/** The engine against a plain model, and its records against itself. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {canonicalImage} from '../../src/core/keyspace/canonical.ts'
import {checkKeyspace, contents, emptyBytes} from './keyspace-check.ts'
import {Model} from './model.ts'
import {replay} from './records.ts'
import {START_MS, TestEngine} from './support.ts'
import {steps, take} from './commands.ts'

const RUNS = Number(process.env['KV_TEST_RUNS'] ?? 300)

test('engine: random commands answer and end as the model does, and everything is given back', () => {
  fc.assert(
    fc.property(steps, fc.integer(), (list, seed) => {
      const subject = new TestEngine(seed)
      useSmallSteps(subject, seed)
      const model = new Model(START_MS)
      for (const step of list) take(step, subject, model)
      subject.settle()
      model.expire()
      subject.collect()
      expect(contents(subject.engine)).toEqual(model.contents())
      checkKeyspace(subject.engine)
      for (const key of model.keys.keys()) subject.run('del', key)
      subject.collect()
      checkKeyspace(subject.engine)
      expect(subject.engine.keyspace.memory.usedBytes).toBe(emptyBytes())
    }),
    {numRuns: RUNS},
  )
})

test('records: replayed once or twice they give the same state and the same seqs', () => {
  fc.assert(
    fc.property(steps, fc.integer(), (list, seed) => {
      const subject = new TestEngine()
      useSmallSteps(subject, seed)
      const model = new Model(START_MS)
      const writer = new RecordWriter()
      for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) subject.engine.effects.listen(bucket, writer)
      for (const step of list) take(step, subject, model)
      subject.settle()
      const frames = Buffer.from(writer.frame())
      const copy = new TestEngine(2)
      replay(copy, frames)
      expectSame(copy, subject)
      replay(copy, frames)
      expectSame(copy, subject)
      copy.collect()
      checkKeyspace(copy.engine)
    }),
    {numRuns: RUNS},
  )
})

/** In most runs even small maps take many steps. */
function useSmallSteps(subject: TestEngine, seed: number): void {
  if (seed % 4 === 0) return
  subject.engine.firstStepBudget = Math.abs(seed) % 5
  subject.workBudget = 1 + (Math.abs(seed) % 300)
}

function expectSame(a: TestEngine, b: TestEngine): void {
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (a.engine.effects.seq[bucket] !== b.engine.effects.seq[bucket])
      throw new Error(`seqs of bucket ${bucket} differ`)
    if (a.engine.keyspace.bucketCount(bucket) === 0 && b.engine.keyspace.bucketCount(bucket) === 0) continue
    const left = canonicalImage(a.engine.keyspace, a.engine.maps, bucket)
    const right = canonicalImage(b.engine.keyspace, b.engine.maps, bucket)
    expect(left.equals(right)).toBe(true)
  }
}
