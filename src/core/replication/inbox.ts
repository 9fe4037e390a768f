/**
 * What peers say in the stream (peer/message.ts), handed to the half that it is for; and what is answered. A refusal is appended before the
 * acknowledgement of the packet that is refused can leave: link.ts then keeps the two in order.
 */
import {
  MESSAGE_AGREE,
  MESSAGE_AGREED,
  MESSAGE_IMAGE,
  MESSAGE_LOG_AT,
  MESSAGE_RECORDS,
  MESSAGE_REFUSED,
  MESSAGE_SERVING,
  MESSAGE_SYNC_BEGIN,
  MESSAGE_SYNC_END,
  REFUSED_STALE,
  decodeEpochs,
  decodePositions,
  decodeSyncBegin,
  decodeVerdicts,
  encodePositions,
  encodeVerdicts,
} from '../peer/message.ts'
import type {Link} from '../peer/link.ts'
import type {Position, Verdict} from '../peer/message.ts'
import type {Master} from './master.ts'
import type {Replica} from './replica.ts'

export class Inbox {
  readonly #master: Master
  readonly #replica: Replica

  constructor(master: Master, replica: Replica) {
    this.#master = master
    this.#replica = replica
  }

  /** Executes a message of the member at `slot`. */
  receive(link: Link, slot: number, type: number, body: Buffer): void {
    const replica = this.#replica
    const master = this.#master
    if (type === MESSAGE_RECORDS) refuse(link, replica.records(slot, body))
    else if (type === MESSAGE_IMAGE) replica.image(slot, body)
    else if (type === MESSAGE_SYNC_BEGIN) this.#syncBegin(link, slot, body)
    else if (type === MESSAGE_SYNC_END) for (const line of decodeEpochs(body) ?? []) replica.syncEnd(slot, line)
    else if (type === MESSAGE_AGREE) this.#agree(link, slot, body)
    else if (type === MESSAGE_AGREED) master.agreed(slot, decodeVerdicts(body) ?? [])
    else if (type === MESSAGE_SERVING) master.serving(decodeEpochs(body) ?? [])
    else if (type === MESSAGE_LOG_AT) master.logs.resume(slot, decodePositions(body) ?? [])
    else if (type === MESSAGE_REFUSED) this.#refused(slot, body)
  }

  #syncBegin(link: Link, slot: number, body: Buffer): void {
    const line = decodeSyncBegin(body)
    if (line && !this.#replica.syncBegin(slot, line)) refuse(link, [this.#stale(line.bucket)])
  }

  #agree(link: Link, slot: number, body: Buffer): void {
    const verdicts: Verdict[] = []
    const stale: Verdict[] = []
    const elsewhere: Position[] = []
    for (const line of decodePositions(body) ?? []) {
      const isSame = this.#replica.agree(slot, line)
      const {bucket, epoch} = line
      if (isSame === null) stale.push(this.#stale(bucket))
      else verdicts.push({bucket, epoch, code: isSame ? 1 : 0})
      const place = isSame === false ? this.#replica.whereabouts(bucket) : null
      if (place) elsewhere.push(place)
    }
    refuse(link, stale)
    // Before the answer: it says what may be done about it.
    if (elsewhere.length > 0) link.append(MESSAGE_LOG_AT, encodePositions(elsewhere))
    if (verdicts.length > 0) link.append(MESSAGE_AGREED, encodeVerdicts(verdicts))
  }

  #refused(slot: number, body: Buffer): void {
    const newer = this.#master.refused(slot, decodeVerdicts(body) ?? [])
    for (const {bucket, epoch} of newer) this.#replica.raise(bucket, epoch)
  }

  #stale(bucket: number): Verdict {
    return {bucket, epoch: this.#replica.fence[bucket]!, code: REFUSED_STALE}
  }
}

function refuse(link: Link, verdicts: readonly Verdict[]): void {
  if (verdicts.length > 0) link.append(MESSAGE_REFUSED, encodeVerdicts(verdicts))
}
