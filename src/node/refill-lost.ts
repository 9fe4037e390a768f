/** A node that starts with the content of lost buckets (a savefile), or whose operator accepts that they are empty, asks for them until it has them. */
import {setTimeout as sleep} from 'node:timers/promises'
import {BUCKET_COUNT} from '../constants.ts'
import {formatBuckets} from '../core/cluster/bucket-ranges.ts'
import {NO_NODE} from '../core/cluster/map-layout.ts'
import type {Cluster} from '../core/cluster/cluster.ts'

const RETRY_MS = 20

/** Resolves when no bucket is lost any more, or after `timeoutMs`. `hasContent`: this process has what was in them. */
export async function refillLost(cluster: Cluster, hasContent: boolean, timeoutMs: number): Promise<void> {
  const {id: node, incarnation} = cluster.self
  const until = performance.now() + timeoutMs
  for (let lost = lostBuckets(cluster); lost.length > 0 && performance.now() < until; lost = lostBuckets(cluster)) {
    const buckets = formatBuckets(lost)
    if (hasContent) cluster.propose({type: 'restore', node, incarnation, buckets})
    else cluster.propose({type: 'accept-loss', node, buckets})
    await sleep(RETRY_MS)
  }
}

function lostBuckets({map}: Cluster): number[] {
  const lost: number[] = []
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) if (map.master[bucket] === NO_NODE) lost.push(bucket)
  return lost
}
