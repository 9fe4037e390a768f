/**
 * Messages on their way between nodes. What is published in a turn gathers and leaves with it, as one loose packet to each peer (peer/link.ts): no
 * second try, nothing kept, and nothing that would hold up the stream of changes. A peer for which much waits already, because it is slow
 * or its connection is, is passed over: its subscribers miss these messages.
 *
 *   PUBLISH   any number of: channelLength u32, messageLength u32, channel, message
 *
 * Nodes that hold no buckets (voters, data logs) have no subscribers and are sent nothing.
 */
import {RELAY_GATHER_BYTES, RELAY_QUEUE_BYTES_MAX} from '../../constants.ts'
import {MESSAGE_PUBLISH} from '../peer/message.ts'
import type {ClusterHost} from '../cluster/cluster-host.ts'
import type {ClusterMap} from '../cluster/cluster-map.ts'
import type {Links} from '../cluster/links.ts'
import type {PubSub, Relay} from './pubsub.ts'

const HEAD_BYTES = 8

export interface PeerRelayContext {
  readonly links: Links
  readonly selfId: string
  readonly host: Pick<ClusterHost, 'queuedBytes' | 'flushSoon'>
  map(): ClusterMap
}

export class PeerRelay implements Relay {
  readonly #pubsub: PubSub
  readonly #c: PeerRelayContext
  #gathered: Buffer[] = []
  #bytes = 0
  /** Times that a peer was passed over. */
  dropped = 0

  constructor(pubsub: PubSub, context: PeerRelayContext) {
    this.#pubsub = pubsub
    this.#c = context
    pubsub.relay = this
  }

  /** The bytes are copied. */
  publish(channel: Buffer, message: Buffer): void {
    if (this.#bytes === 0 && this.#peers().length === 0) return
    const head = Buffer.allocUnsafe(HEAD_BYTES)
    head.writeUInt32LE(channel.length, 0)
    head.writeUInt32LE(message.length, 4)
    const frame = Buffer.concat([head, channel, message])
    this.#gathered.push(frame)
    this.#bytes += frame.length
    if (this.#bytes >= RELAY_GATHER_BYTES) this.flush()
    else this.#c.host.flushSoon()
  }

  /** Sends what has gathered. */
  flush(): void {
    if (this.#bytes === 0) return
    const body = this.#gathered.length === 1 ? this.#gathered[0]! : Buffer.concat(this.#gathered)
    this.#gathered = []
    this.#bytes = 0
    for (const id of this.#peers()) {
      const link = this.#c.links.connectedTo(id)
      if (link && this.#c.host.queuedBytes(id) <= RELAY_QUEUE_BYTES_MAX) link.sendLoose(MESSAGE_PUBLISH, body)
      else this.dropped++
    }
  }

  /** Ids of the other nodes that serve clients; none while this one is no member. */
  #peers(): string[] {
    const {selfId} = this.#c
    const members = this.#c.map().members.filter((member) => member !== null)
    if (!members.some(({id}) => id === selfId)) return []
    return members.filter(({id, isVoterOnly, log}) => !isVoterOnly && !log && id !== selfId).map(({id}) => id)
  }

  /** A packet of a peer: its messages are for subscribers here. A damaged rest is passed over. */
  receive(body: Buffer): void {
    for (let at = 0; at + HEAD_BYTES <= body.length;) {
      const channelEnd = at + HEAD_BYTES + body.readUInt32LE(at)
      const end = channelEnd + body.readUInt32LE(at + 4)
      if (end > body.length) return
      this.#pubsub.deliver(body.subarray(at + HEAD_BYTES, channelEnd), body.subarray(channelEnd, end))
      at = end
    }
  }
}
