/**
 * Deliberate bugs (`KV_PLANT=<name>`, refused unless KV_ALLOW_PLANTS=1): what the checkers must find. A checker that never fails proves nothing.
 * Each name is one of `verification.md`; what it breaks is said here.
 */
import type {Cluster} from './cluster.ts'

/** Every name, with what it breaks. */
export const PLANTS: Readonly<Record<string, string>> = {
  'ack-before-replica': 'replies leave before the copies have the change',
  'dirty-read': 'reads are answered with what is not acknowledged yet',
  'read-without-lease': 'reads are answered without a lease',
  'skip-epoch-check': 'records of a deposed master are applied and acknowledged',
  'skip-agreement': 'a new master serves before the other copies agreed',
  'early-shrink': 'a master stops counting a late copy before the map says so',
  'early-join': 'a copy counts at the end of its image, before it has it',
  'copy-ignores-delete': 'a copy that is being made ignores deletes',
  'drop-record': 'a frame of records is lost now and then',
  'serve-after-handoff': 'the source goes on serving while a bucket is handed over',
  'forget-vote': 'a vote is not made durable',
}

/** Switches the named bugs on. */
export function plantBugs(names: ReadonlySet<string>, cluster: Cluster): void {
  const {gate, replica, master, sets} = cluster
  gate.isAckEarly = names.has('ack-before-replica')
  gate.isReadDirty = names.has('dirty-read')
  gate.isLeaseIgnored = names.has('read-without-lease')
  replica.isFenceIgnored = names.has('skip-epoch-check')
  replica.copyIgnoresDeletes = names.has('copy-ignores-delete')
  master.skipsAgreement = names.has('skip-agreement')
  master.servesAfterHandoff = names.has('serve-after-handoff')
  master.shrinksEarly = names.has('early-shrink')
  master.copier.joinsEarly = names.has('early-join')
  if (names.has('drop-record')) sets.dropEvery = 50
}
