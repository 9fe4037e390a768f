/**
 * Registers that are deleted and that expire. Nothing is not a unique value, so zones (registers.ts) do not do; the search of search.ts does. A value
 * that was written with a time to live vanishes within a window: from the earliest to the latest moment at which its time may be over.
 */
import {searchLinearization} from './search.ts'
import type {SearchOperation, SearchVerdict} from './search.ts'

export interface CellOperation {
  readonly key: string
  /** `expire`: the time of `value` is over; between `start` and `end` it vanishes, if it is still there. */
  readonly kind: 'read' | 'write' | 'delete' | 'expire'
  /** Null: nothing was there. Values that are written are unique. */
  readonly value: string | null
  readonly start: number
  /** Infinity: nobody knows whether it happened. */
  readonly end: number
  readonly hasFailed: boolean
}

export interface CellVerdict {
  readonly key: string
  readonly verdict: SearchVerdict
}

/** A state that no value equals. */
const NOTHING = '\0'
const BUDGET = 2_000_000

/** The verdict about each key that is not in order. */
export function checkCells(history: readonly CellOperation[], budget = BUDGET): CellVerdict[] {
  const verdicts: CellVerdict[] = []
  for (const [key, operations] of Map.groupBy(history, (operation) => operation.key)) {
    const verdict = searchLinearization(prepare(operations), NOTHING, budget)
    if (verdict !== 'linearizable') verdicts.push({key, verdict})
  }
  return verdicts
}

/**
 * Leaves out what did not happen. An unknown write happened before the first read of its value ended; one that nobody read constrains nothing,
 * for it can be thought to have happened after all others.
 */
function prepare(operations: readonly CellOperation[]): SearchOperation[] {
  const seenAt = new Map<string | null, number>()
  for (const {kind, value, end, hasFailed} of operations) {
    if (kind === 'read' && !hasFailed) seenAt.set(value, Math.min(end, seenAt.get(value) ?? Infinity))
  }
  return operations
    .filter(({hasFailed, kind, end}) => !hasFailed && !(kind === 'read' && end === Infinity))
    .map((operation) => {
      const {kind, value, start, end} = operation
      const seen = kind === 'write' ? (seenAt.get(value) ?? Infinity) : Infinity
      return {start, end: Math.min(end, Math.max(seen, start)), apply: (state) => applyCell(operation, state)}
    })
}

function applyCell({kind, value}: CellOperation, state: string): string | null {
  const own = value ?? NOTHING
  if (kind === 'write') return own
  if (kind === 'delete') return NOTHING
  if (kind === 'expire') return state === own ? NOTHING : state
  return state === own ? state : null
}
