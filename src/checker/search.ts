/**
 * Is a history linearizable? By search, for objects that no shortcut covers (registers that are deleted and expire): Wing and Gong's algorithm with Lowe's
 * memory of what was tried (Testing for Linearizability, 2017). It tries to let operations happen one after the other, each within its own
 * time, and goes back when it comes to the end of one that has not happened. Exponential at worst, so it has a budget; an object that
 * is undecided then is counted and told, never passed over.
 */

export interface SearchOperation {
  /** Stamps of one counter; `end` is Infinity for one that may happen at any time later, or never. */
  readonly start: number
  readonly end: number
  /** The state after it, or null if it cannot happen (with what it returned) in this state. */
  apply(state: string): string | null
}

export type SearchVerdict = 'linearizable' | 'not linearizable' | 'undecided'

/** The beginning or the end of an operation, in a list from which those that have happened are taken out. */
interface Node {
  readonly bit: bigint
  readonly operation: SearchOperation
  /** Null for an end. */
  end: Node | null
  readonly isStart: boolean
  before: Node | null
  after: Node | null
}

interface Step {
  readonly node: Node
  readonly state: string
}

/** `budget`: steps. */
export function searchLinearization(
  operations: readonly SearchOperation[],
  initial: string,
  budget: number,
): SearchVerdict {
  const head = makeList(operations)
  const seen = new Set<string>()
  const steps: Step[] = []
  let state = initial
  let happened = 0n
  let openEnds = operations.filter(({end}) => end !== Infinity).length
  let node = head.after
  for (let step = 0; openEnds > 0; step++) {
    if (step >= budget) return 'undecided'
    if (node?.isStart) {
      const next = node.operation.apply(state)
      const key = next === null ? '' : `${(happened | node.bit).toString(36)} ${next}`
      if (next === null || seen.has(key)) {
        node = node.after
        continue
      }
      seen.add(key)
      steps.push({node, state})
      state = next
      happened |= node.bit
      if (node.end) openEnds--
      takeOut(node)
      node = head.after
      continue
    }
    // It ended and cannot have happened yet: something before was tried in the wrong order.
    const last = steps.pop()
    if (!last) return 'not linearizable'
    putBack(last.node)
    if (last.node.end) openEnds++
    happened &= ~last.node.bit
    state = last.state
    node = last.node.after
  }
  return 'linearizable'
}

function makeList(operations: readonly SearchOperation[]): Node {
  const events: {at: number; node: Node}[] = []
  operations.forEach((operation, i) => {
    const bit = 1n << BigInt(i)
    const blank = {bit, operation, end: null, before: null, after: null}
    const start: Node = {...blank, isStart: true}
    events.push({at: operation.start, node: start})
    if (operation.end === Infinity) return
    start.end = {...blank, isStart: false}
    events.push({at: operation.end, node: start.end})
  })
  events.sort((a, b) => a.at - b.at)
  const nothing: SearchOperation = {start: 0, end: 0, apply: () => null}
  const head: Node = {bit: 0n, operation: nothing, end: null, isStart: false, before: null, after: null}
  let last = head
  for (const {node} of events) {
    last.after = node
    node.before = last
    last = node
  }
  return head
}

function takeOut(node: Node): void {
  unlink(node)
  if (node.end) unlink(node.end)
}

function putBack(node: Node): void {
  if (node.end) link(node.end)
  link(node)
}

function unlink(node: Node): void {
  node.before!.after = node.after
  if (node.after) node.after.before = node.before
}

function link(node: Node): void {
  node.before!.after = node
  if (node.after) node.after.before = node
}
