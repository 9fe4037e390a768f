/** The plain way to judge a history: try every order. */
import type {Operation} from '../../src/checker/history.ts'

/** True if the operations of one key can have happened one after the other, each within its time, from nothing (a counter: from 0). Unknown ones may be left out. */
export function canHaveHappened(operations: readonly Operation[]): boolean {
  const real = operations.filter(({hasFailed, kind, end}) => !hasFailed && !(kind === 'read' && end === Infinity))
  const known = real.reduce((bits, {end}, i) => (end === Infinity ? bits : bits | (1 << i)), 0)
  const tryFrom = (done: number, state: Operation['value']): boolean => {
    if ((known & ~done) === 0) return true
    const firstEnd = Math.min(...real.map(({end}, i) => ((done >> i) & 1 ? Infinity : end)))
    return real.some((operation, i) => {
      if ((done >> i) & 1 || operation.start > firstEnd) return false
      const next = applyTo(state, operation)
      return next !== undefined && tryFrom(done | (1 << i), next)
    })
  }
  return tryFrom(0, operations[0]?.rule === 'counter' ? 0 : null)
}

/** The state after the operation, or undefined if it cannot happen now. */
function applyTo(state: Operation['value'], operation: Operation): Operation['value'] | undefined {
  const {kind, value, expected} = operation
  switch (kind) {
    case 'read':
      return state === value ? state : undefined
    case 'write':
      return value
    case 'swap':
      return state === (expected ?? null) ? value : undefined
    case 'delete':
      return null
    case 'expire':
      return state === value ? null : state
    case 'increment':
      return value === null || value === Number(state) + 1 ? Number(state) + 1 : undefined
  }
}
