/**
 * Who is subscribed to what, here. Channels, patterns and sharded channels are kept by their bytes (as Latin-1), in both directions: a session knows its
 * names, a name knows its sessions. A session that is subscribed to nothing has no `Subscriptions` at all, so that others ask with one load.
 */
import type {Session} from '../session.ts'

export const CHANNEL = 0
export const PATTERN = 1
/** Of one bucket: who is subscribed must ask that bucket's master. */
export const SHARD = 2
export type Kind = typeof CHANNEL | typeof PATTERN | typeof SHARD

/** What one session is subscribed to. */
export class Subscriptions {
  readonly names: readonly [Set<string>, Set<string>, Set<string>] = [new Set(), new Set(), new Set()]

  /** What clients are told that they have: channels and patterns are counted together. */
  count(kind: Kind): number {
    const [channels, patterns, shard] = this.names
    return kind === SHARD ? shard.size : channels.size + patterns.size
  }

  get isEmpty(): boolean {
    return this.names.every((names) => names.size === 0)
  }
}

/** What the session is subscribed to, counted as `Subscriptions.count` does. */
export function subscriptionCount({subscriptions}: Session, kind: Kind): number {
  return subscriptions?.count(kind) ?? 0
}

/** All subscriptions of one kind. */
export class Registry {
  readonly #kind: Kind
  readonly #sessions = new Map<string, Set<Session>>()

  constructor(kind: Kind) {
    this.#kind = kind
  }

  /** Names to which somebody is subscribed. */
  get size(): number {
    return this.#sessions.size
  }

  names(): Iterable<string> {
    return this.#sessions.keys()
  }

  entries(): Iterable<readonly [string, ReadonlySet<Session>]> {
    return this.#sessions
  }

  of(name: string): ReadonlySet<Session> | undefined {
    return this.#sessions.get(name)
  }

  add(session: Session, name: string): void {
    session.subscriptions ??= new Subscriptions()
    session.subscriptions.names[this.#kind].add(name)
    const sessions = this.#sessions.get(name)
    if (sessions) sessions.add(session)
    else this.#sessions.set(name, new Set([session]))
  }

  remove(session: Session, name: string): void {
    if (!session.subscriptions?.names[this.#kind].delete(name)) return
    if (session.subscriptions.isEmpty) session.subscriptions = null
    const sessions = this.#sessions.get(name)
    sessions?.delete(session)
    if (sessions?.size === 0) this.#sessions.delete(name)
  }
}
