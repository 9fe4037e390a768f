/**
 * Is a history of reads and writes of registers linearizable, if every value is written once? Exactly, by zones (Gibbons and Korach, Testing Shared Memories, 1997):
 * for each value let f be the end of the first completed operation with it and s the latest start among them; its zone is [min, max], *forward* if f < s, else
 * *backward*. Linearizable iff no read ends before its write starts, no two forward zones overlap and no backward zone lies inside a forward one.
 */

export interface RegisterOperation {
  readonly key: string
  readonly kind: 'read' | 'write'
  /** Null: the key was not there. */
  readonly value: string | null
  /** Stamps of one counter; `end` is Infinity for an operation of which nobody knows whether it happened. */
  readonly start: number
  readonly end: number
  /** Certainly not applied. */
  readonly hasFailed: boolean
}

export interface RegisterViolation {
  readonly key: string
  readonly reason: string
  readonly operations: readonly RegisterOperation[]
}

interface Zone {
  readonly value: string | null
  readonly from: number
  readonly to: number
}

interface Cluster {
  write: RegisterOperation | null
  readonly operations: RegisterOperation[]
}

export function checkRegisters(history: readonly RegisterOperation[]): RegisterViolation[] {
  const byKey = new Map<string, RegisterOperation[]>()
  for (const operation of history) {
    const list = byKey.get(operation.key)
    if (list) list.push(operation)
    else byKey.set(operation.key, [operation])
  }
  const violations: RegisterViolation[] = []
  for (const [key, operations] of byKey) {
    const violation = checkKey(key, operations)
    if (violation) violations.push(violation)
  }
  return violations
}

function checkKey(key: string, operations: readonly RegisterOperation[]): RegisterViolation | null {
  const clusters = new Map<string | null, Cluster>()
  const initial: RegisterOperation = {key, kind: 'write', value: null, start: -1, end: -1, hasFailed: false}
  clusters.set(null, {write: initial, operations: [initial]})
  for (const operation of operations) {
    if (operation.kind === 'write') clusters.set(operation.value, {write: operation, operations: [operation]})
  }
  for (const read of operations) {
    if (read.kind !== 'read' || read.hasFailed || read.end === Infinity) continue
    const cluster = clusters.get(read.value)
    if (!cluster?.write) return {key, reason: `read ${read.value}, which nobody wrote`, operations: [read]}
    const {write} = cluster
    if (write.hasFailed) return {key, reason: `read ${read.value}, whose write failed`, operations: [write, read]}
    if (read.end < write.start) return {key, reason: 'read before it was written', operations: [write, read]}
    cluster.operations.push(read)
  }
  return checkZones(key, clusters)
}

function checkZones(key: string, clusters: ReadonlyMap<string | null, Cluster>): RegisterViolation | null {
  const forward: Zone[] = []
  const backward: Zone[] = []
  for (const [value, {operations}] of clusters) {
    const first = Math.min(...operations.map(({end}) => end))
    const last = Math.max(...operations.map(({start}) => start))
    // Nobody saw it and nobody knows whether it happened.
    if (first === Infinity || operations[0]!.hasFailed) continue
    if (first < last) forward.push({value, from: first, to: last})
    else backward.push({value, from: last, to: first})
  }
  forward.sort((a, b) => a.from - b.from)
  const explain = (reason: string, ...zones: Zone[]): RegisterViolation => {
    return {key, reason, operations: zones.flatMap(({value}) => clusters.get(value)!.operations)}
  }
  for (let i = 1; i < forward.length; i++) {
    const [a, b] = [forward[i - 1]!, forward[i]!]
    if (b.from < a.to) return explain(`${a.value} and ${b.value} were each seen before and after the other`, a, b)
  }
  for (const zone of backward) {
    const around = lastBefore(forward, zone.from)
    if (around && around.from < zone.from && zone.to < around.to) {
      return explain(`${zone.value} happened while only ${around.value} can have been there`, around, zone)
    }
  }
  return null
}

/** The last zone that begins before `at`. */
function lastBefore(zones: readonly Zone[], at: number): Zone | null {
  let low = 0
  let high = zones.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (zones[middle]!.from < at) low = middle + 1
    else high = middle
  }
  return zones[low - 1] ?? null
}
