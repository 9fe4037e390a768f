/** What the workload needs of the world that it runs in: virtual time and simulated nodes, or a clock and sockets. */

export interface Clock {
  /** Monotonic ms. */
  now(): number
  /** Calls `run` in `ms`; never earlier. */
  after(ms: number, run: () => void): void
}

/** `failed`: certainly not done. `unknown`: it may have been done, or may still be. */
export type Outcome = 'ok' | 'failed' | 'unknown'
export type Reply = string | number | null | Error | readonly Reply[]
export type Request = readonly string[]
/** `replies`: one for each request; empty if the outcome is not ok. `node`: who answered. */
export type Finish = (outcome: Outcome, replies: readonly Reply[], node?: string) => void

/** One process that works with the cluster: one operation in flight, nothing is ever sent twice, MOVED is followed. */
export interface WorkClient {
  /** Sends these requests in one go to the master of `key`. */
  send(key: string, requests: readonly Request[], then: Finish): void
  /**
   * Sends `first` and, on the same connection, what `next` makes of its replies (null: nothing; the operation ends with them). The second
   * round is not redirected. `then` gets the replies of the last round that was sent. A client without connections lacks this.
   */
  sendTwice?(key: string, first: readonly Request[], next: Next, then: Finish): void
}

export type Next = (replies: readonly Reply[]) => readonly Request[] | null
