/**
 * Deliberate bugs (`KV_PLANT=<name>`, refused unless KV_ALLOW_PLANTS=1): what the checkers must find. A checker that never fails proves nothing.
 * Each name is one of `verification.md`; what it breaks is said here.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {formatBuckets} from './bucket-ranges.ts'
import {NO_NODE} from './cluster-map.ts'
import type {Cluster} from './cluster.ts'
import type {Effects} from '../effects.ts'

/** Every name, with what it breaks. */
export const PLANTS: Readonly<Record<string, string>> = {
  'ack-before-replica': 'replies leave before the copies have the change',
  'ack-majority': 'replies leave when a majority of the copies has the change',
  'dirty-read': 'reads are answered with what is not acknowledged yet',
  'read-without-lease': 'reads are answered without a lease',
  'lease-before-read': 'the lease is looked at before the value is read, not after',
  'skip-epoch-check': 'records of a deposed master are applied and acknowledged',
  'forget-epoch': 'a node learns epochs from messages alone, not from the agreed map',
  'keep-seat': 'a process that starts anew keeps the place of the old one in the in-sync sets',
  'skip-agreement': 'a new master serves before the other copies agreed',
  'drop-tail': 'a copy acknowledges a change that it does not have, and becomes master without it',
  'early-shrink': 'a master stops counting a late copy before the map says so',
  'early-join': 'a copy counts at the end of its image, before it has it',
  'copy-ignores-delete': 'a copy that is being made ignores deletes',
  'drop-record': 'a frame of records is lost now and then',
  'split-transaction': 'the changes of a transaction travel one by one',
  'relative-ttl': 'a copy counts the time to live from when it hears of it',
  'serve-after-handoff': 'the source serves while a bucket is handed over, and after it until the map says so',
  'lost-is-empty': 'a lost bucket is begun anew, empty',
  'forget-vote': 'a vote is not made durable',
  'log-skip-record': 'a data log forgets a record now and then',
  'log-ack-before-fsync': 'a data log acknowledges what is not on its disk yet',
}

/** Switches the named bugs on. `lease-before-read` is in the driver, `forget-vote` in Raft. */
export function plantBugs(names: ReadonlySet<string>, cluster: Cluster): void {
  const {gate, replica, master, sets} = cluster
  gate.isAckEarly = names.has('ack-before-replica')
  gate.isReadDirty = names.has('dirty-read')
  gate.isLeaseIgnored = names.has('read-without-lease')
  replica.isFenceIgnored = names.has('skip-epoch-check')
  replica.copyIgnoresDeletes = names.has('copy-ignores-delete')
  replica.countsTtlAnew = names.has('relative-ttl')
  master.skipsAgreement = names.has('skip-agreement')
  master.servesAfterHandoff = names.has('serve-after-handoff')
  master.shrinksEarly = names.has('early-shrink')
  if (names.has('drop-tail')) replica.dropTailEvery = 20
  master.copier.joinsEarly = names.has('early-join')
  sets.acksMajority = names.has('ack-majority')
  if (names.has('log-skip-record') && cluster.recorder) cluster.recorder.skipEvery = 30
  cluster.logsLate = names.has('log-ack-before-fsync')
  cluster.bucketRoles.keepsSeat = cluster.map.keepsSeats = names.has('keep-seat')
  cluster.fillsLost = names.has('lost-is-empty')
  if (names.has('drop-record')) sets.dropEvery = 50
  if (names.has('forget-epoch')) replica.learn = () => true
}

/** `lost-is-empty`: what nobody has begins empty here. */
export function fillLost(cluster: Cluster): void {
  const lost: number[] = []
  const {epoch, master} = cluster.map
  // Those that had a master once: the simulator begins with most buckets lost.
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    if (master[bucket] === NO_NODE && epoch[bucket]! > 1) lost.push(bucket)
  }
  if (lost.length > 0) cluster.propose({type: 'accept-loss', node: cluster.self.id, buckets: formatBuckets(lost)})
}

/** `split-transaction`: no groups, and what was changed before is sent first. */
export function splitTransactions(effects: Effects, flush: () => void): void {
  effects.beginGroup = () => undefined
  effects.endGroup = () => undefined
  const set = effects.set.bind(effects)
  const stringWritten = effects.stringWritten.bind(effects)
  effects.set = (...change) => {
    flush()
    return set(...change)
  }
  effects.stringWritten = (...change) => {
    flush()
    stringWritten(...change)
  }
}
