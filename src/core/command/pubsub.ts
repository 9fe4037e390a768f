/** SUBSCRIBE PUBLISH PUBSUB and their kin. What they do is in core/pubsub/. */
import {PUBLISH_BYTES_MAX} from '../../constants.ts'
import {matchesGlob} from '../../base/glob.ts'
import {CHANNEL, PATTERN, SHARD} from '../pubsub/subscriptions.ts'
import {isKeyTooLong} from './access.ts'
import {subcommandSyntax} from './unknown.ts'
import {helpReply} from './help.ts'
import {withHandlers, withSubcommands} from './command.ts'
import {PUBSUB_SPEC, PUBSUB_SPECS} from './pubsub-specs.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'
import type {Kind, Registry} from '../pubsub/subscriptions.ts'

const ERR_MESSAGE_TOO_LONG = `ERR a channel and its message together may have ${PUBLISH_BYTES_MAX} bytes: store the value under a key and publish the key's name`

function subscribe(c: Context, kind: Kind): void {
  for (let i = 1; i < c.argc; i++) if (isKeyTooLong(c, i)) return
  c.isConfirmed = true
  for (let i = 1; i < c.argc; i++) c.engine.pubsub.subscribe(c.session, kind, c.latin1(i), c.out)
}

/** EXEC promises one reply a command; of Redis' two ways only the older one has an exception there. */
function ssubscribe(c: Context): void {
  if (c.session.inTransaction) return c.fail("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
  subscribe(c, SHARD)
}

function unsubscribe(c: Context, kind: Kind): void {
  const {pubsub} = c.engine
  c.isConfirmed = true
  if (c.argc === 1) return pubsub.unsubscribeAll(c.session, kind, c.out)
  for (let i = 1; i < c.argc; i++) pubsub.unsubscribe(c.session, kind, c.latin1(i), c.out)
}

/** `send` is given channel and message, and returns how many received it. */
function publish(c: Context, send: (channel: Buffer, message: Buffer) => number): void {
  const {buf, off, len} = c.request
  if (len[1]! + len[2]! > PUBLISH_BYTES_MAX) return c.fail(ERR_MESSAGE_TOO_LONG)
  const channel = buf.subarray(off[1], off[1]! + len[1]!)
  c.out.integer(send(channel, buf.subarray(off[2], off[2]! + len[2]!)))
}

/** The names that match the pattern in argument 2, if there is one. */
function listNames(c: Context, registry: Registry): void {
  if (c.argc > 3) return c.fail(subcommandSyntax(c))
  const pattern = c.argc === 3 ? c.copy(2) : null
  const names = [...registry.names()].map((name) => Buffer.from(name, 'latin1'))
  const matching = pattern === null ? names : names.filter((name) => matchesGlob(pattern, name))
  c.out.array(matching.length)
  for (const name of matching) c.out.bulkBuffer(name)
}

function countListeners(c: Context, registry: Registry): void {
  const {buf, off, len} = c.request
  c.out.array((c.argc - 2) * 2)
  for (let i = 2; i < c.argc; i++) {
    c.out.bulk(buf, off[i]!, len[i]!)
    c.out.integer(registry.of(c.latin1(i))?.size ?? 0)
  }
}

export const PUBSUB_COMMANDS: readonly CommandSpec[] = [
  ...withHandlers(PUBSUB_SPECS, {
    subscribe: (c) => subscribe(c, CHANNEL),
    psubscribe: (c) => subscribe(c, PATTERN),
    ssubscribe,
    unsubscribe: (c) => unsubscribe(c, CHANNEL),
    punsubscribe: (c) => unsubscribe(c, PATTERN),
    sunsubscribe: (c) => unsubscribe(c, SHARD),
    publish: (c) => publish(c, (channel, message) => c.engine.pubsub.publish(channel, message)),
    spublish: (c) => publish(c, (channel, message) => c.engine.pubsub.deliverSharded(channel, message)),
  }),
  withSubcommands(PUBSUB_SPEC, {
    channels: (c) => listNames(c, c.engine.pubsub.channels),
    numsub: (c) => countListeners(c, c.engine.pubsub.channels),
    numpat: (c) => c.out.integer(c.engine.pubsub.patterns.size),
    shardchannels: (c) => listNames(c, c.engine.pubsub.shardChannels),
    shardnumsub: (c) => countListeners(c, c.engine.pubsub.shardChannels),
    help: (c) => helpReply(c, PUBSUB_SPEC),
  }),
]
