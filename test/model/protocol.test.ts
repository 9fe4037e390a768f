/**
 * The models of the protocol, explored whole: protocol.pml is the core (copies, epochs, in-sync sets, crash, failover).
 * Each rule that a model has can be switched off, and must then be missed: a model in which nothing can go wrong
 * proves nothing.
 */
import {describe, expect, test, vi} from 'vitest'
import {explore, readReport} from './spin.ts'

const TEST_MS = 900_000

describe('protocol.pml', () => {
  const bounds = (epochs: number): string[] => [`MAXE=${epochs}`, 'MAXW=1', 'MAXC=1']

  test('no acknowledged or observed write is lost, whatever happens in which order', {timeout: TEST_MS}, async () => {
    const result = await explore({model: 'protocol.pml', defines: bounds(3), isLong: true})
    expect(result.error).toBe('')
    expect(result.errors).toBe(0)
    expect(result.gaps).toEqual([])
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
    const result = await explore({
      model: 'protocol.pml',
      defines: [...bounds(epochs), `BUG_${bug}`],
      isLong: false,
    })
    expect(result.errors).toBe(1)
    expect(result.error).toMatch(/^assertion violated/)
    expect(result.gaps).toEqual([])
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
    expect(readReport(whole)).toEqual({errors: 0, states: 12, error: '', gaps: [], unreached: []})
    expect(readReport(`error: max search depth too small\n${whole}`).gaps).toEqual(['max search depth too small'])
    expect(readReport(`pan: out of memory\n${whole}`).gaps).toEqual(['out of memory'])
    expect(readReport(whole.replace('+ Partial', '- Partial')).gaps).toEqual(['no partial order reduction'])
    expect(readReport(`Warning: Search not completed\n${whole}`).gaps).toEqual(['search not completed'])
    expect(() => readReport('pan: unknown option')).toThrow('no report of pan')
  })

  test('an error and statements that were never reached are told', () => {
    const report = `pan:1: assertion violated (x==1) (at depth 3)\n${whole.replace('errors: 0', 'errors: 1')}
unreached in proctype Node
\tmodel.pml:7, state 4, "x = 1"
\tmodel.pml:9, state 6, "-end-"
\t(2 of 6 states)\n`
    const {errors, error, unreached} = readReport(report)
    expect({errors, error, unreached}).toEqual({
      errors: 1,
      error: 'assertion violated (x==1) (at depth 3)',
      unreached: ['model.pml:7 x = 1'],
    })
  })
})
