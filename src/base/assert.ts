/** A broken invariant: our bug, never the user's. */
export class AssertionError extends Error {
  override readonly name = 'AssertionError'
}

/** Always on, in production too: state that contradicts itself must stop the process, not spread. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message)
}

/** Marks a place that a total switch cannot reach; a new case then fails to compile. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable: ${String(value)}`)
}
