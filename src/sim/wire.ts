/** What a packet on the simulated network is, for whoever counts or waits for some: read from its head, as link.ts writes it. */
import {LINK_HEAD_BYTES} from '../core/peer/packet-writer.ts'

/** Link's kind of a packet with one message that may be lost. */
const KIND_LOOSE = 3

/** The type of a loose message (Raft, leases, proposals, joins), as in peer/message.ts; -1 for a packet of the stream. */
export function looseType(packet: Buffer): number {
  return packet[0] === KIND_LOOSE && packet.length > LINK_HEAD_BYTES ? packet[LINK_HEAD_BYTES]! : -1
}
