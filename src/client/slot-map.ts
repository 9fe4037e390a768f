/** Who serves which bucket, as `CLUSTER SLOTS` tells it. Pure: reply in, map out. */
import {formatAddress, parseAddress, type Address} from '../base/address.ts'
import {parseBuckets} from '../base/bucket-ranges.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {KvError} from '../errors.ts'
import {ReplyError} from './errors.ts'
import {isError, isList, replyText, type Push, type Reply} from './reply.ts'

const NO_OWNER = -1

export class SlotMap {
  /** Masters, in the order in which they were first named. */
  readonly masters: readonly Address[]
  /** For each bucket an index into `masters`, or -1. */
  readonly #owners: Int16Array

  constructor(masters: readonly Address[], owners: Int16Array) {
    this.masters = masters
    this.#owners = owners
  }

  ownerOf(bucket: number): Address | undefined {
    const index = this.ownerIndexOf(bucket)
    return index === NO_OWNER ? undefined : this.masters[index]
  }

  /** Index into `masters`, or -1 if nobody serves the bucket. */
  ownerIndexOf(bucket: number): number {
    return this.#owners[bucket] ?? NO_OWNER
  }

  /** The same map with one bucket at another node: what a `MOVED` tells. */
  withOwner(bucket: number, owner: Address): SlotMap {
    return this.withOwnerOf([bucket], owner)
  }

  /** The same map with these buckets at another node: what an `SMIGRATED` tells. */
  withOwnerOf(buckets: readonly number[], owner: Address): SlotMap {
    const known = this.masters.findIndex((master) => formatAddress(master) === formatAddress(owner))
    const masters = known < 0 ? [...this.masters, owner] : this.masters
    const owners = this.#owners.slice()
    for (const bucket of buckets) owners[bucket] = known < 0 ? masters.length - 1 : known
    return new SlotMap(masters, owners)
  }
}

/** Nobody serves anything, as far as is known. */
export function emptyMap(): SlotMap {
  return new SlotMap([], new Int16Array(BUCKET_COUNT).fill(NO_OWNER))
}

/** One node that serves everything: a Redis that runs outside a cluster. */
export function singleNodeMap(address: Address): SlotMap {
  return new SlotMap([address], new Int16Array(BUCKET_COUNT))
}

/**
 * Reads the reply to `CLUSTER SLOTS` that `asked` gave: `[[first, last, [host, port, id, ...], replica...]...]`. An
 * empty or null host means "the one you asked". Errors: E_REPLY for an error reply, E_PROTOCOL for any other shape.
 */
export function parseSlots(reply: Reply, asked: Address): SlotMap {
  if (isError(reply)) {
    if (reply.text.includes('cluster support disabled')) return singleNodeMap(asked)
    throw new ReplyError(reply.text)
  }
  if (!isList(reply)) throw unreadable()
  const masters: Address[] = []
  const indexes = new Map<string, number>()
  const owners = new Int16Array(BUCKET_COUNT).fill(NO_OWNER)
  for (const range of reply) {
    if (!isList(range)) throw unreadable()
    const [first, last, master] = range
    const address = parseNode(master, asked)
    if (!isBucket(first) || !isBucket(last) || first > last) throw unreadable()
    const name = formatAddress(address)
    let index = indexes.get(name)
    if (index === undefined) {
      index = masters.push(address) - 1
      indexes.set(name, index)
    }
    owners.fill(index, first, last + 1)
  }
  return new SlotMap(masters, owners)
}

/** Reads `MOVED <bucket> <host>:<port>`; undefined if the text is not that. */
export function parseMoved(text: string, asked: Address): {readonly bucket: number; readonly to: Address} | undefined {
  const match = /^MOVED (\d{1,5}) (\S*):(\d{1,5})$/.exec(text)
  if (!match) return undefined
  const [, bucket, host, port] = match
  const to = {host: host === '' ? asked.host : host!, port: Number(port)}
  return isBucket(Number(bucket)) && isPort(to.port) ? {bucket: Number(bucket), to} : undefined
}

/** What one entry of an `SMIGRATED` push says. */
export interface MigratedBuckets {
  readonly to: Address
  readonly buckets: readonly number[]
}

/**
 * Reads `["SMIGRATED", seq, [[source, target, "123,456,789-1000"], ...]]`; undefined if the push is another one. An entry that cannot be read is
 * left out: `MOVED` will tell.
 */
export function parseMigrated(push: Push): readonly MigratedBuckets[] | undefined {
  const [name, , moves] = push
  if (replyText(name) !== 'SMIGRATED' || moves === undefined || !isList(moves)) return undefined
  return moves.flatMap((move) => {
    if (!isList(move)) return []
    const to = parseAddress(replyText(move[1]) ?? '')
    const buckets = parseBuckets(replyText(move[2]) ?? '')
    return to && buckets ? [{to, buckets}] : []
  })
}

function parseNode(node: Reply | undefined, asked: Address): Address {
  if (node === undefined || !isList(node)) throw unreadable()
  const [host, port] = node
  if (!isPort(port)) throw unreadable()
  const text = replyText(host) ?? ''
  return {host: text === '' || text === '?' ? asked.host : text, port}
}

function isBucket(value: Reply | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < BUCKET_COUNT
}

function isPort(value: Reply | undefined): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value > 0 && value < 65_536
}

function unreadable(): KvError {
  return new KvError('E_PROTOCOL', 'The reply to CLUSTER SLOTS is not a list of slot ranges.')
}
