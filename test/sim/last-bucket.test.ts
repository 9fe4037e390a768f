/** A node that leaves hands its last bucket over some time after the others: clients that drop who is master of nothing have nothing on the way there by then. */
import {expect, test} from 'vitest'
import {HANDOFF_LAST_MS} from '../../src/constants.ts'
import {runScenario} from '../../src/sim/scenario.ts'

/** Clocks of nodes run up to so much faster than virtual time. */
const DRIFT = 0.99

test('the last bucket goes a while after the one before it', () => {
  let leaver = ''
  let heardBy = ''
  const movedAt: number[] = []
  const {violations} = runScenario(
    {
      name: 'a node leaves',
      *script(stage) {
        const i = stage.sim.ids.findIndex((_id, number) => number !== stage.leader)
        leaver = stage.sim.ids[i]!
        heardBy = stage.sim.ids[stage.leader]!.slice(0, 4)
        stage.leave(i)
        yield stage.until('it is out of the map', () => stage.member(i) === null)
      },
    },
    (line) => {
      const isMove = line.includes(`"type":"move","from":"${leaver}"`) && line.includes(` ${heardBy} entry `)
      if (leaver !== '' && isMove) movedAt.push(Number.parseFloat(line))
    },
  )
  expect(violations).toEqual([])
  expect(movedAt.length).toBeGreaterThan(1)
  expect(movedAt.at(-1)! - movedAt.at(-2)!).toBeGreaterThanOrEqual(HANDOFF_LAST_MS * DRIFT)
})
