/**
 * Publish and subscribe. A message reaches whoever is subscribed at that moment, at most once; nothing is kept.
 *
 *   PUBLISH  -> subscribers here -> relay.ts -> every other node that serves clients -> subscribers there
 *   SPUBLISH -> subscribers here: both sides ask the master of the channel's bucket
 *
 * A bucket that gets another master takes its sharded channels with it: subscribers are told (`sunsubscribe`), and subscribe again there.
 * Until then a message may be missed, as in Redis.
 */
import {keyBucket} from '../../base/crc16.ts'
import {matchesGlob} from '../../base/glob.ts'
import {CHANNEL, PATTERN, Registry, SHARD, subscriptionCount} from './subscriptions.ts'
import type {Kind} from './subscriptions.ts'
import type {Host} from '../host.ts'
import type {Session} from '../session.ts'
import type {ReplyWriter} from '../../resp/reply-writer.ts'

const SUBSCRIBED = ['subscribe', 'psubscribe', 'ssubscribe'] as const
const UNSUBSCRIBED = ['unsubscribe', 'punsubscribe', 'sunsubscribe'] as const

/** Passes messages on to other nodes. */
export interface Relay {
  publish(channel: Buffer, message: Buffer): void
}

export class PubSub {
  readonly channels = new Registry(CHANNEL)
  readonly patterns = new Registry(PATTERN)
  readonly shardChannels = new Registry(SHARD)
  /** Null: there are no other nodes. */
  relay: Relay | null = null
  readonly #host: Pick<Host, 'push'>

  constructor(host: Pick<Host, 'push'>) {
    this.#host = host
  }

  registry(kind: Kind): Registry {
    return kind === CHANNEL ? this.channels : kind === PATTERN ? this.patterns : this.shardChannels
  }

  /** Subscribes the session and says so in `out`. */
  subscribe(session: Session, kind: Kind, name: string, out: ReplyWriter): void {
    this.registry(kind).add(session, name)
    confirm(out, SUBSCRIBED[kind], name, subscriptionCount(session, kind))
  }

  unsubscribe(session: Session, kind: Kind, name: string, out: ReplyWriter): void {
    this.registry(kind).remove(session, name)
    confirm(out, UNSUBSCRIBED[kind], name, subscriptionCount(session, kind))
  }

  /** Ends all subscriptions of this kind; who has none is told that, too. */
  unsubscribeAll(session: Session, kind: Kind, out: ReplyWriter): void {
    const names = [...(session.subscriptions?.names[kind] ?? [])]
    for (const name of names) this.unsubscribe(session, kind, name, out)
    if (names.length === 0) confirm(out, UNSUBSCRIBED[kind], null, subscriptionCount(session, kind))
  }

  /** Ends all subscriptions without a word: the session is gone, or begins anew. */
  forget(session: Session): void {
    if (session.subscriptions === null) return
    for (const [kind, names] of session.subscriptions.names.entries()) {
      for (const name of [...names]) this.registry(kind as Kind).remove(session, name)
    }
  }

  /** For subscribers of all nodes; returns how many of this one received it. */
  publish(channel: Buffer, message: Buffer): number {
    this.relay?.publish(channel, message)
    return this.deliver(channel, message)
  }

  /** For subscribers of this node; returns how many received it, one with several patterns counted as often. */
  deliver(channel: Buffer, message: Buffer): number {
    let receivers = 0
    for (const session of this.channels.of(channel.toString('latin1')) ?? []) {
      this.#send(session, ['message'], channel, message)
      receivers++
    }
    for (const [pattern, sessions] of this.patterns.entries()) {
      if (!matchesGlob(Buffer.from(pattern, 'latin1'), channel)) continue
      for (const session of sessions) this.#send(session, ['pmessage', pattern], channel, message)
      receivers += sessions.size
    }
    return receivers
  }

  deliverSharded(channel: Buffer, message: Buffer): number {
    const sessions = this.shardChannels.of(channel.toString('latin1'))
    for (const session of sessions ?? []) this.#send(session, ['smessage'], channel, message)
    return sessions?.size ?? 0
  }

  #send(session: Session, head: readonly string[], channel: Buffer, message: Buffer): void {
    this.#host.push(session, (out) => {
      out.push(head.length + 2)
      for (const text of head) out.bulkBuffer(Buffer.from(text, 'latin1'))
      out.bulkBuffer(channel)
      out.bulkBuffer(message)
    })
  }

  /** The bucket has another master, or none: its sharded channels end here. */
  bucketLeft(bucket: number): void {
    if (this.shardChannels.size === 0) return
    for (const [name, sessions] of [...this.shardChannels.entries()]) {
      const bytes = Buffer.from(name, 'latin1')
      if (keyBucket(bytes, 0, bytes.length) !== bucket) continue
      for (const session of [...sessions]) {
        this.#host.push(session, (out) => this.unsubscribe(session, SHARD, name, out))
      }
    }
  }
}

function confirm(out: ReplyWriter, word: string, name: string | null, count: number): void {
  out.push(3)
  out.bulkString(word)
  if (name === null) out.null()
  else out.bulkBuffer(Buffer.from(name, 'latin1'))
  out.integer(count)
}
