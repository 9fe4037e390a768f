/** CLIENT TRACKING and what belongs to it: client-side caching, which is done in core/tracking/. */
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {trackingProblem} from '../tracking/tracking-state.ts'
import type {Context} from './context.ts'
import type {Session} from '../session.ts'
import type {TrackingOptions} from '../tracking/tracking-state.ts'

const NO_CLIENT = 'ERR The client ID you want redirect to does not exist'

export function tracking(c: Context): void {
  const options = readOptions(c)
  if (options === null) return
  if (c.is(2, 'OFF')) c.engine.tracking.stop(c.session)
  else if (!c.is(2, 'ON')) return c.fail(ERR_SYNTAX)
  else {
    const problem = trackingProblem(c.session.tracking, options)
    if (problem !== null) return c.fail(problem)
    c.engine.tracking.start(c.session, options)
  }
  c.out.ok()
}

/** The options behind ON or OFF; null if an error was written. */
function readOptions(c: Context): TrackingOptions | null {
  let redirect: Session | null = null
  const words = new Set<string>()
  const prefixes: string[] = []
  for (let i = 3; i < c.argc; i++) {
    const word = c.text(i).toUpperCase()
    if (word === 'REDIRECT' && i + 1 < c.argc) {
      if (redirect) return refuse(c, 'ERR A client can only redirect to a single other client')
      const id = c.integer(++i)
      if (Number.isNaN(id)) return refuse(c, ERR_NOT_INTEGER)
      redirect = findSession(c, id)
      if (!redirect) return refuse(c, NO_CLIENT)
    } else if (word === 'PREFIX' && i + 1 < c.argc) prefixes.push(c.latin1(++i))
    else if (['BCAST', 'OPTIN', 'OPTOUT', 'NOLOOP'].includes(word)) words.add(word)
    else return refuse(c, ERR_SYNTAX)
  }
  return {
    redirect,
    prefixes,
    isBroadcast: words.has('BCAST'),
    isOptIn: words.has('OPTIN'),
    isOptOut: words.has('OPTOUT'),
    isNoLoop: words.has('NOLOOP'),
  }
}

function refuse(c: Context, error: string): null {
  c.fail(error)
  return null
}

function findSession(c: Context, id: number): Session | null {
  for (const session of c.engine.host.sessions()) if (session.id === id) return session
  return null
}

export function caching(c: Context): void {
  const state = c.session.tracking
  if (state === null) {
    return c.fail(
      'ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled',
    )
  }
  const isYes = c.is(2, 'YES')
  if (!isYes && !c.is(2, 'NO')) return c.fail(ERR_SYNTAX)
  if (!(isYes ? state.options.isOptIn : state.options.isOptOut)) {
    const [word, mode] = isYes ? ['YES', 'OPTIN'] : ['NO', 'OPTOUT']
    return c.fail(`ERR CLIENT CACHING ${word} is only valid when tracking is enabled in ${mode} mode.`)
  }
  state.isExcepted = true
  c.out.ok()
}

export function trackinginfo(c: Context): void {
  const state = c.session.tracking
  const flags = flagsOf(c.session)
  const prefixes = state?.prefixes ?? []
  c.out.map(3)
  c.out.bulkString('flags')
  c.out.set(flags.length)
  for (const flag of flags) c.out.bulkString(flag)
  c.out.bulkString('redirect')
  c.out.integer(redirectOf(c.session))
  c.out.bulkString('prefixes')
  c.out.array(prefixes.length)
  for (const prefix of prefixes) c.out.bulkBuffer(Buffer.from(prefix, 'latin1'))
}

function flagsOf({tracking: state}: Session): readonly string[] {
  if (state === null) return ['off']
  const {isBroadcast, isOptIn, isOptOut, isNoLoop} = state.options
  const {isExcepted, isBroken} = state
  const flags: readonly (readonly [string, boolean])[] = [
    ['on', true],
    ['bcast', isBroadcast],
    ['optin', isOptIn],
    ['caching-yes', isOptIn && isExcepted],
    ['optout', isOptOut],
    ['caching-no', isOptOut && isExcepted],
    ['noloop', isNoLoop],
    ['broken_redirect', isBroken],
  ]
  return flags.filter(([, isSet]) => isSet).map(([flag]) => flag)
}

/** The id of the session that invalidations go to; 0: to itself; -1: it does not track. */
export function redirectOf({tracking: state}: Session): number {
  return state === null ? -1 : (state.options.redirect?.id ?? 0)
}
