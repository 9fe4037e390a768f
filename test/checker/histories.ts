/** Histories made by hand or at random, and the plain way to judge them: try every order. */
import type {CellOperation} from '../../src/checker/cells.ts'
import type {Operation} from '../../src/checker/history.ts'
import type {RegisterOperation} from '../../src/checker/registers.ts'

type Line = readonly [
  kind: RegisterOperation['kind'],
  value: string | null,
  start: number,
  end: number,
  note?: 'failed',
]

/** Lines of kind, value, start, end. */
export function makeRegister(...lines: readonly Line[]): RegisterOperation[] {
  return lines.map(([kind, value, start, end, note]) => {
    return {key: 'k', kind, value, start, end, hasFailed: note === 'failed'}
  })
}

/** True if the operations can have happened one after the other, each within its time. Unknown ones may be left out. */
export function isLinearizableByForce(operations: readonly CellOperation[]): boolean {
  const real = operations.filter(({hasFailed, kind, end}) => !hasFailed && !(kind === 'read' && end === Infinity))
  const tryFrom = (left: readonly CellOperation[], value: string | null): boolean => {
    if (left.every(({end}) => end === Infinity)) return true
    const firstEnd = Math.min(...left.map(({end}) => end))
    return left.some((operation) => {
      if (operation.start > firstEnd) return false
      const next = apply(operation, value)
      const rest = left.filter((other) => other !== operation)
      return next !== undefined && tryFrom(rest, next)
    })
  }
  return tryFrom(real, null)
}

function apply({kind, value}: CellOperation, state: string | null): string | null | undefined {
  if (kind === 'write') return value
  if (kind === 'delete') return null
  if (kind === 'expire') return state === value ? null : state
  return state === value ? value : undefined
}

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
