/** Whether a node may be sent clients: what a load balancer or an orchestrator asks, each reason a line. */
import {BUCKET_COUNT} from '../../constants.ts'
import {viewOf} from '../../core/cluster/view.ts'
import type {Engine} from '../../core/engine.ts'

export interface Check {
  readonly name: string
  readonly isOk: boolean
  /** Why not, or what is so. */
  readonly text: string
}

export interface NodePhase {
  /** Clients are served. */
  readonly isServing: boolean
  readonly isStopping: boolean
}

export function readiness(engine: Engine, {isServing, isStopping}: NodePhase): Check[] {
  const {cluster} = engine
  const {okCount, revision} = viewOf(engine)
  const isJoined = cluster === null || (cluster.isAdmitted && !cluster.isGone)
  const hasLease = cluster?.hasLease ?? true
  const served = revision === 0 ? 0 : okCount
  const check = (name: string, isOk: boolean, good: string, bad: string): Check => ({
    name,
    isOk,
    text: isOk ? good : bad,
  })
  const whyNotJoined = cluster?.joinProblem || 'it is not let in yet, or was removed'
  return [
    check('serving', isServing, 'clients are served', 'it is still starting'),
    check('not-stopping', !isStopping, 'no stop was asked for', 'it is stopping'),
    check('joined', isJoined, 'it is a member', whyNotJoined),
    check('lease', hasLease, 'the leader lets it answer', 'no lease from the leader: it may be cut off'),
    check(
      'buckets',
      served === BUCKET_COUNT,
      'all have a master',
      `${BUCKET_COUNT - served} have no master that lives`,
    ),
  ]
}

export function isReady(checks: readonly Check[]): boolean {
  return checks.every(({isOk}) => isOk)
}

/** A line for each, and one for all. */
export function checksText(checks: readonly Check[]): string {
  const lines = checks.map(({name, isOk, text}) => `[${isOk ? '+' : '-'}] ${name}: ${text}\n`)
  return `${lines.join('')}${isReady(checks) ? 'ready' : 'not ready'}\n`
}

/** The same in one line. */
export function verdictText(checks: readonly Check[]): string {
  const reasons = checks.filter(({isOk}) => !isOk).map(({name, text}) => `${name}: ${text}`)
  return reasons.length === 0 ? 'ready\n' : `not ready (${reasons.join('; ')})\n`
}
