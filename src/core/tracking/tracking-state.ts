/** What one session asked for with CLIENT TRACKING; sessions that did not have none of these. */
import type {Session} from '../session.ts'

export interface TrackingOptions {
  /** Whom its invalidations go to; null: to itself. */
  readonly redirect: Session | null
  /** Told of every change of keys with its prefixes, whether it read them or not. */
  readonly isBroadcast: boolean
  readonly isOptIn: boolean
  readonly isOptOut: boolean
  /** Not told of its own changes. */
  readonly isNoLoop: boolean
  /** As Latin-1; only with `isBroadcast`. */
  readonly prefixes: readonly string[]
}

export class TrackingState {
  options: TrackingOptions
  /** All that were asked for so far. */
  readonly prefixes: string[] = []
  /** CLIENT CACHING was sent: of the next command the opposite holds. */
  isExcepted = false
  /** The session that it redirects to is gone. */
  isBroken = false

  constructor(options: TrackingOptions) {
    this.options = options
  }

  /** What the session reads now may be kept by its client, so it must be told when that changes. */
  get remembers(): boolean {
    const {isBroadcast, isOptIn, isOptOut} = this.options
    if (isBroadcast) return false
    return isOptIn ? this.isExcepted : !(isOptOut && this.isExcepted)
  }
}

/** Why these options cannot be had together, or by this session as it is; null if they can. The words are Redis'. */
export function trackingProblem(state: TrackingState | null, options: TrackingOptions): string | null {
  const {isBroadcast, isOptIn, isOptOut, prefixes} = options
  if (!isBroadcast && prefixes.length > 0) return 'ERR PREFIX option requires BCAST mode to be enabled'
  if (state && state.options.isBroadcast !== isBroadcast) {
    return "ERR You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a different mode."
  }
  if (isBroadcast && (isOptIn || isOptOut)) return 'ERR OPTIN and OPTOUT are not compatible with BCAST'
  if (isOptIn && isOptOut) return "ERR You can't specify both OPTIN mode and OPTOUT mode"
  if (state && ((isOptIn && state.options.isOptOut) || (isOptOut && state.options.isOptIn))) {
    return "ERR You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a different mode."
  }
  return overlap(state?.prefixes ?? [], prefixes)
}

function overlap(existing: readonly string[], given: readonly string[]): string | null {
  const meets = (a: string, b: string): boolean => a.startsWith(b) || b.startsWith(a)
  const tail = 'Prefixes for a single client must not overlap.'
  for (const [i, prefix] of given.entries()) {
    const old = existing.find((other) => meets(prefix, other))
    if (old !== undefined) return `ERR Prefix '${prefix}' overlaps with an existing prefix '${old}'. ${tail}`
    const other = given.slice(i + 1).find((later) => meets(prefix, later))
    if (other !== undefined) {
      return `ERR Prefix '${prefix}' overlaps with another provided prefix '${other}'. ${tail}`
    }
  }
  return null
}
