/**
 * A reliable, ordered stream to one incarnation of one peer, over packets that may be lost, doubled or swapped, and connections that come
 * and go. Go-back-N, as in any textbook (Tanenbaum, Computer Networks, 3.4.2), with two additions:
 *
 *   - The acknowledgement of a packet says that the peer has *executed* it: it is the acknowledgement of replication. A data-log node has
 *     executed what is durable (`mark`, `release`).
 *   - An acknowledgement takes effect only after what the peer said before it (`ackAfter`): a refusal of a record is always
 *     known before the cumulative acknowledgement that would cover that record.
 *
 *   kind u8, more u8, zero u16, session u32, ackSession u32, fromTag u32, toTag u32, seq f64, ack f64, ackAfter f64, messages
 *
 * Messages are appended during a turn and leave as one packet at its end (`flush`). Loose messages (Raft, leases) have their own
 * packets: no order, no second try. If the peer falls too far behind, the stream breaks: the unsent is forgotten, and nothing is sent until the
 * owner calls `restart`, when nothing depends on the peer any more. A new session begins then with seq 1.
 */
import {assert} from '../../base/assert.ts'
import {LINK_BUFFER_BYTES_MAX, LINK_RESEND_MS, LINK_LAZY_BYTES} from '../../constants.ts'
import {LINK_HEAD_BYTES, MESSAGE_HEAD_BYTES, PacketWriter, type Packet} from './packet-writer.ts'

const KIND_STREAM = 1
const KIND_ACK = 2
const KIND_LOOSE = 3
/** No ticket: the packet carries no records. */
const NO_TICKET = Number.POSITIVE_INFINITY

export interface LinkHost {
  /** Hands a packet to the connection with the peer; false if there is none or it is full. */
  sendPacket(packet: Buffer): boolean
  /** The connection may look at a packet even after the peer has acknowledged it. */
  readonly keepsPackets: boolean
  /** False: packets of the stream are dropped for now, and come again. */
  canExecute(): boolean
  /** A message of the stream, in order, each once. The bytes may be kept. */
  message(type: number, body: Buffer): void
  loose(type: number, body: Buffer): void
  /** Too much was unacknowledged: all of it is forgotten. */
  broken(): void
  /** What must be durable before the last message may be acknowledged, for `release`; 0: nothing. */
  mark(): number
}

interface Sent {
  readonly seq: number
  readonly packet: Packet
  readonly ticket: number
  /** Records in it; in the last part of several. */
  readonly records: number
}

/** A short name of an incarnation, to refuse packets of and for another. */
export function incarnationTag(incarnation: string): number {
  return Number.parseInt(incarnation.slice(0, 8), 16) >>> 0
}

export class Link {
  readonly peerId: string
  readonly incarnation: string
  readonly #host: LinkHost
  readonly #ownTag: number
  readonly #peerTag: number
  #session = 1
  #peerSession = 0
  #outSeq = 0
  #ackedSeq = 0
  #inSeq = 0
  /** Up to here it may be acknowledged; less than `#inSeq` while something is not durable yet. */
  #settledSeq = 0
  #releasedMark = 0
  readonly #unsettled: {readonly seq: number; readonly mark: number}[] = []
  #sent: Sent[] = []
  readonly #writer: PacketWriter
  #pendingTicket = NO_TICKET
  #pendingRecords = 0
  #parts: Buffer[] = []
  #owesAck = false
  /** Since when the first unacknowledged packet has had its chance: new packets behind it do not give it another. */
  #triedAt = 0
  #progressAt = 0
  unackedBytes = 0
  unackedRecords = 0
  /** Ms without an acknowledgement after which all is sent again. */
  resendMs = LINK_RESEND_MS
  /** What is appended may wait so long for more, ms; 0: it leaves with the turn. */
  lazyMs = 0
  #waitingSince: number | null = null
  isConnected = false
  isBroken = false
  isClosed = false

  constructor(peerId: string, incarnation: string, ownIncarnation: string, host: LinkHost) {
    this.peerId = peerId
    this.incarnation = incarnation
    this.#ownTag = incarnationTag(ownIncarnation)
    this.#peerTag = incarnationTag(incarnation)
    this.#host = host
    this.#writer = new PacketWriter(!host.keepsPackets)
  }

  /** Appends a message to the turn's packet; the bytes are copied. `ticket`: of the records in it, see gate.ts; `records`: how many. */
  append(type: number, body: Buffer, ticket = NO_TICKET, records = 0): void {
    if (this.isBroken || this.isClosed) return
    this.#writer.append(type, body)
    this.#pendingTicket = Math.min(this.#pendingTicket, ticket)
    this.#pendingRecords += records
  }

  /** The turn is over: what was appended leaves, unless it may wait for more. `now`: monotonic ms. */
  endTurn(now: number): void {
    if (this.#writer.pendingBytes > 0 && this.#mayWait(now)) return
    this.flush(now)
  }

  /** Sends what was appended, or at least the acknowledgement that is owed. `now`: monotonic ms. */
  flush(now: number): void {
    if (this.#writer.pendingBytes > 0) this.#seal(now)
    else if (this.#owesAck && this.isConnected) {
      this.#owesAck = false
      const packet = Buffer.alloc(LINK_HEAD_BYTES)
      this.#stamp(packet, KIND_ACK, 0, 0)
      this.#host.sendPacket(packet)
    }
  }

  /** True if a lazy link is to gather more first. */
  #mayWait(now: number): boolean {
    if (this.lazyMs === 0 || this.#writer.pendingBytes >= LINK_LAZY_BYTES) return false
    this.#waitingSince ??= now
    return now - this.#waitingSince < this.lazyMs
  }

  /** Sends a message that may be lost. */
  sendLoose(type: number, body: Buffer): void {
    if (!this.isConnected || this.isClosed) return
    const packet = Buffer.alloc(LINK_HEAD_BYTES + 1 + body.length)
    this.#stamp(packet, KIND_LOOSE, 0, 0)
    packet[LINK_HEAD_BYTES] = type
    body.copy(packet, LINK_HEAD_BYTES + 1)
    this.#host.sendPacket(packet)
  }

  /** The highest ticket up to which the peer has executed every record; Infinity if nothing is on its way. */
  get cleanTicket(): number {
    if (this.isBroken) return -1
    // On the request path: no closure. Tickets ascend, so the first packet with records decides.
    for (const {ticket} of this.#sent) if (ticket !== NO_TICKET) return Math.min(ticket, this.#pendingTicket) - 1
    return this.#pendingTicket - 1
  }

  /** Records that were appended and not sealed. */
  get pendingRecords(): number {
    return this.#pendingRecords
  }

  /** Bytes that were appended and not sealed. */
  get pendingBytes(): number {
    return this.#writer.pendingBytes
  }

  /** Seq of the last packet sealed; `isAcked` tells when it was executed. */
  get position(): number {
    return this.#outSeq
  }

  isAcked(position: number): boolean {
    return !this.isBroken && this.#ackedSeq >= position
  }

  /** How long the peer has owed an acknowledgement, ms; 0 if it owes none. */
  lateness(now: number): number {
    return this.#sent.length === 0 ? 0 : now - this.#progressAt
  }

  connected(now: number): void {
    this.isConnected = true
    this.#resend(now)
  }

  disconnected(): void {
    this.isConnected = false
  }

  tick(now: number): void {
    if (this.isConnected && this.#sent.length > 0 && now - this.#triedAt >= this.resendMs) this.#resend(now)
  }

  /** After a break: a new session begins; nobody may count on anything sent before. */
  restart(): void {
    assert(this.isBroken, 'only a broken stream is begun anew')
    this.isBroken = false
    this.#session++
    this.#outSeq = 0
    this.#ackedSeq = 0
  }

  /** The peer is gone for good, or a new incarnation of it has come. */
  close(): void {
    this.isClosed = true
    this.isConnected = false
    this.#sent = []
    this.#writer.forget()
  }

  /** A packet of this peer came. Foreign, old and damaged ones are dropped. */
  receive(packet: Buffer, now: number): void {
    if (this.isClosed || packet.length < LINK_HEAD_BYTES) return
    if (packet.readUInt32LE(12) !== this.#peerTag || packet.readUInt32LE(16) !== this.#ownTag) return
    const kind = packet[0]
    if (kind === KIND_LOOSE) {
      if (packet.length > LINK_HEAD_BYTES) {
        this.#host.loose(packet[LINK_HEAD_BYTES]!, packet.subarray(LINK_HEAD_BYTES + 1))
      }
      return
    }
    if (!this.#host.canExecute()) return
    const session = packet.readUInt32LE(4)
    if (session < this.#peerSession) return
    if (session > this.#peerSession) {
      this.#peerSession = session
      this.#inSeq = 0
      this.#settledSeq = 0
      this.#unsettled.length = 0
      this.#parts = []
    }
    if (kind === KIND_STREAM) this.#takeStream(packet)
    this.#takeAck(packet, now)
  }

  #takeStream(packet: Buffer): void {
    const seq = packet.readDoubleLE(20)
    if (seq !== this.#inSeq + 1) {
      this.#owesAck = true
      return
    }
    this.#inSeq = seq
    this.#parts.push(packet.subarray(LINK_HEAD_BYTES))
    if (packet[1] === 1) return this.#settle(seq, 0)
    const body = this.#parts.length === 1 ? this.#parts[0]! : Buffer.concat(this.#parts)
    this.#parts = []
    for (let at = 0; at + MESSAGE_HEAD_BYTES <= body.length;) {
      const end = at + MESSAGE_HEAD_BYTES + body.readUInt32LE(at + 1)
      this.#host.message(body[at]!, body.subarray(at + MESSAGE_HEAD_BYTES, end))
      at = end
    }
    this.#settle(seq, this.#host.mark())
  }

  #settle(seq: number, mark: number): void {
    this.#unsettled.push({seq, mark})
    this.release(this.#releasedMark)
  }

  /** What has this mark, and all before it, is durable. */
  release(mark: number): void {
    this.#releasedMark = mark
    let count = 0
    while (count < this.#unsettled.length && this.#unsettled[count]!.mark <= mark) {
      this.#settledSeq = this.#unsettled[count++]!.seq
      this.#owesAck = true
    }
    this.#unsettled.splice(0, count)
  }

  #takeAck(packet: Buffer, now: number): void {
    if (packet.readUInt32LE(8) !== this.#session || this.isBroken) return
    const ack = packet.readDoubleLE(28)
    if (ack <= this.#ackedSeq || ack > this.#outSeq || packet.readDoubleLE(36) > this.#inSeq) return
    this.#ackedSeq = ack
    this.#progressAt = now
    this.#triedAt = now
    let count = 0
    for (; count < this.#sent.length && this.#sent[count]!.seq <= ack; count++) {
      const {packet, records} = this.#sent[count]!
      this.unackedBytes -= packet.bytes.length
      this.unackedRecords -= records
      this.#writer.give(packet)
    }
    this.#sent.splice(0, count)
  }

  /** Makes packets of the pending messages, sends and keeps them. */
  #seal(now: number): void {
    const ticket = this.#pendingTicket
    const records = this.#pendingRecords
    const parts = this.#writer.take()
    this.#waitingSince = null
    this.#pendingTicket = NO_TICKET
    this.#pendingRecords = 0
    this.unackedRecords += records
    if (this.#sent.length === 0) {
      this.#progressAt = now
      this.#triedAt = now
    }
    const first = this.#outSeq + 1
    // All of them: what any of these packets acknowledges counts only when the last of them, which may hold a refusal, was executed.
    this.#outSeq += parts.length
    for (const [i, packet] of parts.entries()) {
      const isLast = i === parts.length - 1
      this.#stamp(packet.bytes, KIND_STREAM, isLast ? 0 : 1, first + i)
      this.#sent.push({seq: first + i, packet, ticket, records: isLast ? records : 0})
      this.unackedBytes += packet.bytes.length
      if (this.isConnected) this.#host.sendPacket(packet.bytes)
    }
    this.#owesAck = false
    if (this.unackedBytes > LINK_BUFFER_BYTES_MAX) this.#break()
  }

  #stamp(packet: Buffer, kind: number, more: number, seq: number): void {
    packet[0] = kind
    packet[1] = more
    packet.writeUInt16LE(0, 2)
    packet.writeUInt32LE(this.#session, 4)
    packet.writeUInt32LE(this.#peerSession, 8)
    packet.writeUInt32LE(this.#ownTag, 12)
    packet.writeUInt32LE(this.#peerTag, 16)
    packet.writeDoubleLE(seq, 20)
    packet.writeDoubleLE(this.#settledSeq, 28)
    packet.writeDoubleLE(this.#outSeq, 36)
  }

  #resend(now: number): void {
    this.#triedAt = now
    for (const {seq, packet} of this.#sent) {
      // A copy: the connection may still be writing the first one. What it acknowledges is what we know now.
      const copy = Buffer.from(packet.bytes)
      this.#stamp(copy, KIND_STREAM, copy[1]!, seq)
      if (!this.#host.sendPacket(copy)) return
    }
  }

  #break(): void {
    this.isBroken = true
    this.#sent = []
    this.#writer.forget()
    this.unackedBytes = 0
    this.unackedRecords = 0
    this.#host.broken()
  }
}
