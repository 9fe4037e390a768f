/**
 * Tells clients that asked for it (CLIENT MAINT_NOTIFICATIONS ON, RESP3) which buckets have another master now, after a handoff and after a
 * failover alike, so that they do not go on asking a node that is gone:
 *
 *   ["SMIGRATED", seq, [[source "host:port", target "host:port", "123,456,789-1000"], ...]]
 *
 * The form is that of node-redis' parser (`EnterpriseMaintenanceManager.parseSMigratedPush`). Changes gather during a turn. `seq` is the map's
 * revision: node-redis passes over a number that it has met, whichever node it came from. Each node's notices up to a revision hold all
 * changes up to it, so what is passed over is known.
 */
import {BUCKET_COUNT} from '../../constants.ts'
import {formatBuckets} from './bucket-ranges.ts'
import {NO_NODE} from './map-layout.ts'
import type {Host} from '../host.ts'
import type {ClusterMap} from './cluster-map.ts'

export class MoveNotices {
  readonly #host: Pick<Host, 'sessions' | 'push'>
  /** Masters as clients know them. */
  readonly #told = new Uint8Array(BUCKET_COUNT).fill(NO_NODE)
  /** Addresses by slot; those of members that are gone as well. */
  readonly #addresses: string[] = []
  /** `source target`: buckets. */
  readonly #moves = new Map<string, number[]>()
  #revision = 0

  constructor(host: Pick<Host, 'sessions' | 'push'>) {
    this.#host = host
  }

  /** The map changed in these buckets, or in all. */
  note(map: ClusterMap, buckets: readonly number[] | null): void {
    this.#revision = map.revision
    const before = [...this.#addresses]
    for (const member of map.members) if (member) this.#addresses[member.slot] = `${member.host}:${member.port}`
    if (buckets === null) for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) this.#noteBucket(map, bucket, before)
    else for (const bucket of buckets) this.#noteBucket(map, bucket, before)
  }

  /** Sends what has gathered. */
  flush(): void {
    if (this.#moves.size === 0) return
    const moves = [...this.#moves].map(([ends, buckets]) => [
      ...ends.split(' '),
      formatBuckets([...new Set(buckets)].sort((a, b) => a - b)),
    ])
    this.#moves.clear()
    for (const session of this.#host.sessions()) {
      if (!session.wantsMaintenance || session.proto !== 3) continue
      this.#host.push(session, (out) => {
        out.push(3)
        out.bulkString('SMIGRATED')
        out.integer(this.#revision)
        out.array(moves.length)
        for (const move of moves) {
          out.array(move.length)
          for (const part of move) out.bulkString(part)
        }
      })
    }
  }

  #noteBucket(map: ClusterMap, bucket: number, before: readonly string[]): void {
    const from = this.#told[bucket]!
    const to = map.master[bucket]!
    if (from === to || to === NO_NODE) return
    this.#told[bucket] = to
    if (from === NO_NODE) return
    // A slot may have another owner by now: clients know the one it had.
    const ends = `${before[from] ?? this.#addresses[from]!} ${this.#addresses[to]!}`
    const list = this.#moves.get(ends)
    if (!list) this.#moves.set(ends, [bucket])
    else list.push(bucket)
  }
}
