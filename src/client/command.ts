/**
 * A command as the client sends it: where it belongs, whether it only reads, and what its reply means. The table knows what the methods of the
 * library do not say: where the keys of a command stand that a caller types (`send`). A command that is not in it is taken for a write
 * with one key, its first argument: wrong about a read costs a retry, wrong about a write could cost data.
 */
import {ClientError} from './errors.ts'
import {bucketOf, type Key} from './key-bucket.ts'
import {plainReply, type KvReply} from './plain-reply.ts'
import type {Connection} from './connection.ts'
import type {Argument} from './encoder.ts'
import type {Reply} from './reply.ts'

export interface Command<T> {
  readonly args: readonly Argument[]
  /** Requests that are sent right before it, as MULTI is before EXEC; the first error among their replies counts instead of its own. */
  readonly ahead?: readonly (readonly Argument[])[]
  /** -1: any node will do. */
  readonly bucket: number
  /** It changes nothing, so it may be sent again. */
  readonly isRead: boolean
  /** Bulk strings of the reply are text, else buffers. */
  readonly isText: boolean
  /** What the caller gets. Errors: ClientError with outcome done, if the reply is not what the command promises. */
  readonly convert: (reply: Reply, connection: Connection) => T
}

export const ANY_BUCKET = -1

/** Where the keys stand: every `step`th from `first` to `last` (negative: from the end). */
interface KeyPlaces {
  readonly first: number
  readonly last: number
  readonly step: number
  readonly isRead: boolean
}

const ONE: Omit<KeyPlaces, 'isRead'> = {first: 1, last: 1, step: 1}
const ALL: Omit<KeyPlaces, 'isRead'> = {first: 1, last: -1, step: 1}
const NONE: Omit<KeyPlaces, 'isRead'> = {first: 0, last: 0, step: 1}
const WRITE: KeyPlaces = {...ONE, isRead: false}

const PLACES = new Map<string, KeyPlaces>()
function put(names: string, places: Omit<KeyPlaces, 'isRead'>, isRead: boolean): void {
  for (const name of names.split(' ')) PLACES.set(name, {...places, isRead})
}
put('get strlen getrange substr type ttl pttl expiretime pexpiretime dump', ONE, true)
put('hget hmget hgetall hexists hlen hkeys hvals hstrlen hscan hrandfield', ONE, true)
put('httl hpttl hexpiretime hpexpiretime', ONE, true)
put('mget exists touch', ALL, true)
put('lcs', {first: 1, last: 2, step: 1}, true)
put('object memory', {first: 2, last: 2, step: 1}, true)
put('del unlink', ALL, false)
put('mset msetnx', {first: 1, last: -1, step: 2}, false)
put('rename renamenx copy', {first: 1, last: 2, step: 1}, false)
put('ping echo info dbsize time cluster command randomkey keys scan role lastsave pubsub listbuckets', NONE, true)
put('config latency slowlog client debug wait save bgsave flushall flushdb shutdown publish', NONE, false)
put('requestmove dumpbucket bucketmoved', NONE, false)

/** They change what a connection is, and the client's are shared; with the way to do it instead. */
const REFUSED: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['multi', 'exec', 'discard', 'watch', 'unwatch'].map((name) => [name, 'client.transaction()'])),
  ...Object.fromEntries(
    ['', 'p', 's'].flatMap((kind) =>
      ['subscribe', 'unsubscribe'].map((name) => [`${kind}${name}`, 'client.subscribe()']),
    ),
  ),
  ...Object.fromEntries(['quit', 'goodbye'].map((name) => [name, 'client.close()'])),
  ...Object.fromEntries(['auth', 'hello'].map((name) => [name, 'the options of connect()'])),
  ...Object.fromEntries(
    ['asking', 'monitor', 'readonly', 'readwrite', 'reset', 'select'].map((name) => [name, 'a connection of its own']),
  ),
}

/**
 * A command as typed by a caller. Errors: E_USAGE, before anything is sent, if there is none, if it would change a shared connection, or
 * if its keys are in different buckets (CROSSSLOT).
 */
export function typedCommand(args: readonly Argument[], isText: boolean): Command<KvReply> {
  const [first] = args
  if (first === undefined) throw usage('There is no command.', 'Give its name and its arguments: ["GET", "key"].')
  const name = String(first).toLowerCase()
  const instead =
    name === 'client' && String(args[1]).toLowerCase() === 'reply' ? 'a connection of its own' : REFUSED[name]
  if (instead !== undefined) {
    throw usage(`${name.toUpperCase()} would change a connection that all calls share.`, `Use ${instead}.`)
  }
  const {first: from, last, step, isRead} = PLACES.get(name) ?? WRITE
  const keys: Key[] = []
  const end = last < 0 ? args.length + last : Math.min(last, args.length - 1)
  for (let i = from; i > 0 && i <= end; i += step) keys.push(keyOf(args[i]!))
  return {args, bucket: commonBucket(keys, name.toUpperCase()), isRead, isText, convert: plainReply}
}

/** The bucket of all these keys, -1 if there are none. Errors: E_USAGE if they have no common one. */
export function commonBucket(keys: readonly Key[], name: string): number {
  if (keys.length === 0) return ANY_BUCKET
  const bucket = bucketOf(keys[0]!)
  for (let i = 1; i < keys.length; i++) {
    if (bucketOf(keys[i]!) === bucket) continue
    throw usage(
      `CROSSSLOT The keys of ${name} are in different buckets.`,
      'Give them a common hash tag, as in {user:1}:name and {user:1}:mail, or use one call for each.',
    )
  }
  return bucket
}

/** Name of a command, for messages. */
export function nameOf({args}: Pick<Command<unknown>, 'args'>): string {
  return String(args[0])
}

function keyOf(arg: Argument): Key {
  return typeof arg === 'object' ? arg : String(arg)
}

export function usage(message: string, hint: string): ClientError {
  return new ClientError('E_USAGE', 'none', message, hint)
}
