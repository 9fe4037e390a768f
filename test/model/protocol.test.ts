/**
 * The models of the protocol, explored whole: protocol.pml is the core (copies, epochs, in-sync sets, crash, failover), handoff.pml how
 * copies come, go and hand over as built. What each leaves out, and how many states it has, is in its head comment. Each rule that a
 * model has can be switched off, and must then be missed: a model in which nothing can go wrong proves nothing.
 */
import {describe, expect, test, vi} from 'vitest'
import {explore, readReport} from './spin.ts'
import type {Exploration} from './spin.ts'

const TEST_MS = 900_000

describe('protocol.pml', () => {
  const bounds = (epochs: number): string[] => [`MAXE=${epochs}`, 'MAXW=1', 'MAXC=1']

  test('no acknowledged or observed write is lost, whatever happens in which order', {timeout: TEST_MS}, async () => {
    const result = await explore({model: 'protocol.pml', defines: bounds(3), isLong: true})
    expectNothing(result)
    expect(result.states).toBeGreaterThan(2_000_000)
  })

  test.each([
    ['NOFENCE', 'copies take what comes from an older epoch', 3],
    ['UNFENCE', 'a restarted node does not learn the present epoch first', 3],
    ['AMNESIA', 'a node that lost its memory goes on as if it had not', 3],
    ['EARLYSHRINK', 'a late copy is left out before the map says so', 3],
    ['DIRTYREAD', 'reads see what is not acknowledged', 3],
    ['LOCALREAD', 'reads need no lease', 3],
    ['EARLYJOIN', 'a copy is called in sync before it has everything', 4],
  ])('the planted bug %s is found: %s', {timeout: TEST_MS}, async (bug, _what, epochs) => {
    const defines = [...bounds(epochs), `BUG_${bug}`]
    expectError(await explore({model: 'protocol.pml', defines, isLong: false}))
  })
})

describe('handoff.pml', () => {
  const three = ['MOVES', 'INSYNC0=7', 'MAXR=4']
  const two = ['MOVES', 'MAXR=5', 'MAXW=2']
  const copy = ['COPIES', 'SYNCING0=2', 'MAXR=3']
  const copyLonger = ['COPIES', 'SYNCING0=2', 'MAXR=4', 'ONESTEP']
  const copyThenMove = ['COPIES', 'MOVES', 'INSYNC0=1', 'SYNCING0=2', 'MAXR=3']

  test.each([
    ['a bucket is handed over among three copies', three, 1_000_000],
    ['a bucket is handed over between two copies', two, 200_000],
    ['a third copy is made', copy, 500_000],
    ['a third copy is made, and more happens', copyLonger, 2_000_000],
    ['a second copy is made and becomes master', copyThenMove, 200_000],
  ])('no write is lost and no read is stale while %s', {timeout: TEST_MS}, async (_what, defines, statesMin) => {
    const result = await explore({model: 'handoff.pml', defines, isLong: true})
    expectNothing(result)
    expect(result.states).toBeGreaterThan(statesMin)
  })

  test.each([
    ['HANDOFF', 'a planned move ends, and the new master writes', three],
    ['WITHDRAWN', 'a source serves again while its proposal is on its way', two],
    ['FAILOVER', 'a new master serves without a copy that differs', three],
    ['COPY', 'a new copy is in sync', copy],
    ['RETURN', 'a process that died is in sync again', copy],
    ['COPYMOVE', 'a new copy becomes master and writes', copyThenMove],
  ])('it gets to %s: %s', {timeout: TEST_MS}, async (goal, _what, defines) => {
    const result = await explore({model: 'handoff.pml', defines: [...defines, `GOAL_${goal}`], isLong: false})
    expectError(result)
    expect(result.error).toMatch(/^assertion violated +!\(/)
  })

  test.each([
    ['EARLYCOUNT', 'a copy is proposed at the end of its image, before all that was acknowledged without it', copy],
    ['LATECOUNT', 'a copy counts only when the map says that it is in sync', copy],
    ['EARLYSHRINK', 'a copy does not count before the map says that it is out', copy],
    ['KEEPSEAT', 'a process that starts anew keeps the seat of the old one', copy],
    ['NOAGREE', 'a new master serves before the others agreed', three],
    ['NOWAIT', 'nobody waits for the lease of one that was taken out unasked', two],
    ['OLDDROP', 'an older line of the log throws away a newer copy', copy],
    ['LATEADD', 'a late proposal counts for a newer copy of the same node', copy],
    ['SNAPSHOT', 'a new assignment that came by a snapshot is taken for the old one', copy],
    ['REFENCE', 'a deposed master is made one again by older lines of the log', copy],
    ['FORGET', 'a copy that differs is thrown away while it is in the in-sync set', three],
  ])('the planted bug %s is found: %s', {timeout: TEST_MS}, async (bug, _what, defines) => {
    const result = await explore({model: 'handoff.pml', defines: [...defines, `BUG_${bug}`], isLong: false})
    expectError(result)
  })
})

describe('running the checker', () => {
  test('without the tools nothing is passed over: it is said what to install', async () => {
    vi.stubEnv('PATH', '/nowhere')
    const result = explore({model: 'protocol.pml', defines: [], isLong: false})
    await expect(result).rejects.toThrow('spin is not installed: apt-get install spin')
    vi.unstubAllEnvs()
  })

  const whole = '\t+ Partial Order Reduction\nFull statespace search for:\nerrors: 0\n 12 states, stored\n'

  test('a search that was cut short is not taken for a whole one', () => {
    expect(readReport(whole)).toEqual({errors: 0, states: 12, error: '', gaps: []})
    expect(readReport(`error: max search depth too small\n${whole}`).gaps).toEqual(['max search depth too small'])
    expect(readReport(`pan: out of memory\n${whole}`).gaps).toEqual(['out of memory'])
    expect(readReport(whole.replace('+ Partial', '- Partial')).gaps).toEqual(['no partial order reduction'])
    expect(readReport(`Warning: Search not completed\n${whole}`).gaps).toEqual(['search not completed'])
    expect(() => readReport('pan: unknown option')).toThrow('no report of pan')
  })

  test('an error is told in the words of the checker', () => {
    const report = `pan:1: assertion violated (x==1) (at depth 3)\n${whole.replace('errors: 0', 'errors: 1')}`
    const {errors, error} = readReport(report)
    expect({errors, error}).toEqual({errors: 1, error: 'assertion violated (x==1) (at depth 3)'})
  })
})

function expectNothing({error, errors, gaps}: Exploration): void {
  expect({error, errors, gaps}).toEqual({error: '', errors: 0, gaps: []})
}

function expectError({error, errors, gaps}: Exploration): void {
  expect(error).toMatch(/^assertion violated/)
  expect({errors, gaps}).toEqual({errors: 1, gaps: []})
}
