/** Planned work as an operator orders it: buckets are moved by hand, and spread evenly again. */
import {expect} from 'vitest'
import {moveBuckets} from '../../src/cli/move-buckets.ts'
import {rebalance} from '../../src/cli/rebalance.ts'
import type {ProcessCluster} from './processes.ts'

const MOVE_TIMEOUT_MS = 60_000

/** Gives the node 400 buckets of others, wherever they are. */
export async function moveSome(nodes: ProcessCluster, port: number, first: number): Promise<void> {
  const {signal} = new AbortController()
  await nodes.linked(async (link) => {
    const {members} = await link.state()
    const toId = members.find((member) => member.port === port)!.id
    const buckets = Array.from({length: 400}, (_, i) => first + i)
    const {blocked, moved} = await moveBuckets({
      ...{link, buckets, toId, timeoutMs: MOVE_TIMEOUT_MS, signal, onProgress: () => undefined},
    })
    expect(blocked).toEqual([])
    expect(moved).toBeGreaterThan(100)
  })
}

export async function spreadAgain(nodes: ProcessCluster): Promise<void> {
  const {signal} = new AbortController()
  const options = {timeoutMs: MOVE_TIMEOUT_MS, signal, isWaiting: true, onProgress: () => undefined}
  await nodes.linked((link) => rebalance({link, ...options}))
}
