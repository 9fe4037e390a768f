/** Histories made by hand or at random, and the plain way to judge them: try every order. */
import type {CellOperation} from '../../src/checker/cells.ts'
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
