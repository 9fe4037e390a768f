/** The fault budget: what it must refuse, and that it does not refuse what is safe. */
import fc from 'fast-check'
import {describe, expect, test} from 'vitest'
import {calmPlaces, whyNotAway, whyNotLose, type BudgetFacts} from '../../../src/chaos/budget.ts'
import {FAULT_KINDS, FAULTS, requireNodes} from '../../../src/chaos/faults.ts'

/** Three nodes, all healthy; each pair of them has some buckets. */
function facts(change: Partial<BudgetFacts> = {}): BudgetFacts {
  return {
    up: ['n1', 'n2', 'n3'],
    disturbed: [],
    leader: 'n1',
    voters: ['n1', 'n2', 'n3'],
    copySets: [
      ['n1', 'n2'],
      ['n2', 'n3'],
      ['n3', 'n1'],
    ],
    hasLeftovers: false,
    ...change,
  }
}

describe('losing a memory', () => {
  test('any one of three healthy nodes may crash, the leader too, and lose its disk', () => {
    for (const victim of ['n1', 'n2', 'n3']) {
      expect(whyNotLose(facts(), victim, false)).toBeNull()
      expect(whyNotLose(facts(), victim, true)).toBeNull()
    }
  })

  test('nobody may while the other copy is at a place that is down, or just up', () => {
    expect(whyNotLose(facts({up: ['n1', 'n2'], voters: ['n1', 'n2']}), 'n1', false)).not.toBeNull()
    const moved = facts({up: ['n1', 'n2', 'n4'], voters: ['n1', 'n2', 'n4'], copySets: [['n1', 'n2']]})
    expect(whyNotLose(moved, 'n1', false)).toBeNull()
  })

  test('the only copy of a bucket stays, and nothing is taken while some bucket is lost', () => {
    expect(whyNotLose(facts({copySets: [['n1']]}), 'n1', false)).toMatch('no other calm copy')
    expect(whyNotLose(facts({copySets: [['n1']]}), 'n2', false)).toBeNull()
    expect(whyNotLose(facts({copySets: [[], ['n1', 'n2']]}), 'n2', false)).toMatch('lost already')
  })

  test('a copy at a member without a place does not count', () => {
    expect(whyNotLose(facts({copySets: [['n1', '']]}), 'n1', false)).not.toBeNull()
  })

  test('nobody who is disturbed is killed, nor one whose other copies are cut off', () => {
    const cut = facts({
      up: ['n1', 'n2', 'n3', 'n4'],
      disturbed: [
        ['n3', 'n1'],
        ['n3', 'n2'],
        ['n3', 'n4'],
      ],
      voters: ['n1', 'n2', 'n3', 'n4'],
    })
    expect(whyNotLose(cut, 'n3', false)).toMatch('disturbed')
    expect(whyNotLose(cut, 'n2', false)).not.toBeNull()
    // Five voters, one cut off: the others may go on losing one, if its buckets have copies among them.
    const wider = {...cut, up: [...cut.up, 'n5'], voters: [...cut.voters, 'n5'], copySets: [['n1', 'n2']]}
    expect(whyNotLose(wider, 'n1', false)).toBeNull()
    expect(whyNotLose({...wider, copySets: [['n1', 'n3']]}, 'n1', false)).not.toBeNull()
  })

  test('nobody may while the leader is not heard, or a majority of voters would not be left', () => {
    expect(whyNotLose(facts({leader: null}), 'n2', false)).toMatch('leader')
    expect(whyNotLose(facts({leader: 'n9'}), 'n2', false)).toMatch('leader')
    expect(whyNotLose(facts({voters: ['n1', 'n2']}), 'n2', false)).toMatch('majority')
    expect(whyNotLose(facts({voters: ['n1']}), 'n1', false)).toMatch('majority')
    // Who is about to be made a voter counts as one.
    expect(whyNotLose(facts({voters: ['n1']}), 'n2', true)).toMatch('majority')
  })

  test('a disk may not go while the membership changes; a process may', () => {
    expect(whyNotLose(facts({hasLeftovers: true}), 'n1', true)).toMatch('membership')
    expect(whyNotLose(facts({hasLeftovers: true}), 'n1', false)).toBeNull()
  })
})

test('places that are calm can all talk to each other, and a majority is not sacrificed for a few', () => {
  const names = ['a', 'b', 'c', 'd', 'e']
  expect([...calmPlaces({up: names, disturbed: [['a', 'b'], ['a', 'c'], ['a', 'd']]})]).toEqual(['b', 'c', 'd', 'e']) // prettier-ignore
  const name = fc.constantFrom(...names)
  fc.assert(
    fc.property(fc.uniqueArray(name), fc.array(fc.tuple(name, name), {maxLength: 12}), (up, disturbed) => {
      const calm = calmPlaces({up, disturbed})
      for (const one of calm) expect(up).toContain(one)
      for (const [a, b] of disturbed) expect(a !== b && calm.has(a) && calm.has(b)).toBe(false)
      // Whoever is not disturbed at all stays.
      for (const one of up) if (!disturbed.some((pair) => pair.includes(one))) expect(calm.has(one)).toBe(true)
    }),
  )
})

test('whatever is allowed leaves each bucket of the victim another copy that is up and in touch', () => {
  const name = fc.constantFrom('n1', 'n2', 'n3', 'n4')
  const some = fc.uniqueArray(name)
  const pairs = fc.array(fc.tuple(name, name), {maxLength: 3})
  let allowed = 0
  fc.assert(
    fc.property(some, pairs, some, fc.array(some, {maxLength: 4}), name, (up, disturbed, voters, copySets, victim) => {
      const all = facts({up, disturbed, voters, copySets, leader: up[0] ?? null})
      if (whyNotLose(all, victim, false) !== null) return
      allowed++
      const isCut = (a: string, b: string): boolean =>
        disturbed.some(([c, d]) => (a === c && b === d) || (a === d && b === c))
      for (const copies of copySets) {
        const others = copies.filter((other) => other !== victim && up.includes(other) && !isCut(victim, other))
        expect(copies.includes(victim) && others.length === 0).toBe(false)
      }
    }),
    {numRuns: 3_000},
  )
  expect(allowed).toBeGreaterThan(20)
})

test('a minority may be away for a while, a majority may not', () => {
  expect(whyNotAway(facts(), ['n2'])).toBeNull()
  expect(whyNotAway(facts(), ['n2', 'n3'])).not.toBeNull()
  expect(whyNotAway(facts({up: ['n1', 'n2']}), ['n2'])).not.toBeNull()
})

describe('enough nodes', () => {
  test('three nodes with a replica and a log node can do everything', () => {
    expect(requireNodes(FAULT_KINDS, 3, 1, true)).toBeNull()
  })

  test('each fault says what it lacks', () => {
    expect(requireNodes(['kill'], 2, 1)).toBe('The fault kill needs at least 3 nodes, and there are 2.')
    expect(requireNodes(['kill'], 2, 1, true)).toBeNull()
    expect(requireNodes(['stop', 'wipe'], 5, 0)).toMatch('--replicas')
    expect(requireNodes(['log-kill'], 5, 1, false)).toMatch('--log-node')
    expect(requireNodes(['log-kill'], 5, 1)).toBeNull()
    expect(requireNodes(['stop'], 2, 2)).toMatch('more than 2 nodes')
    expect(requireNodes([], 1, 0)).toBeNull()
  })

  test('every fault is explained', () => {
    for (const kind of FAULT_KINDS) expect(FAULTS[kind].does.length).toBeGreaterThan(20)
  })
})
