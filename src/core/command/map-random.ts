/**
 * HRANDFIELD: random fields of a map.
 *
 * A positive count gives different fields: all, if there are no more; else, if many are wanted, each is taken with the chance that leaves exactly
 * enough (Knuth, The Art of Computer Programming 2, algorithm S); else random ones until enough differ. A negative
 * count gives fields that may repeat.
 */
import {REQUEST_ARGS_MAX} from '../../constants.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {isLargeMap} from '../keyspace/node.ts'
import {openMapToRead} from './map-access.ts'
import {INT64_MAX} from './numbers.ts'
import {dropExpired, liveCount} from './map-walk.ts'
import type {FieldVisitor} from '../keyspace/map-store.ts'
import type {Context} from './context.ts'

const ERR_RANGE = 'ERR value is out of range'
/** Fields that may repeat, in one reply; Redis goes on until memory is gone. */
const REPEATED_MAX = REQUEST_ARGS_MAX
/** If more than one field in so many is wanted, the whole map is walked. */
const WALK_SHARE = 3
/** Expired fields met before a random pick gives up. */
const EXPIRED_MAX = 1000

export function hrandfield(c: Context): void {
  if (c.argc === 2) return giveOne(c)
  const count = c.int64(2)
  if (count === null) return c.fail(ERR_NOT_INTEGER)
  if (count < -INT64_MAX) return c.fail(`${ERR_RANGE}, value must between -${INT64_MAX} and ${INT64_MAX}`)
  if (c.argc > 4 || (c.argc === 4 && !c.is(3, 'WITHVALUES'))) return c.fail(ERR_SYNTAX)
  const hasValues = c.argc === 4
  if (hasValues && (count > INT64_MAX / 2n || count < -INT64_MAX / 2n)) return c.fail(ERR_RANGE)
  if (!openMapToRead(c)) return
  if (c.map === 0 || count === 0n) return c.out.array(0)
  if (count > 0n) return giveDifferent(c, Number(count), hasValues)
  if (-count > REPEATED_MAX) return c.fail(ERR_RANGE)
  giveRepeated(c, Number(-count), hasValues)
}

function giveOne(c: Context): void {
  if (!openMapToRead(c)) return
  if (!pick(c, (bytes, from, length) => c.out.bulk(bytes, from, length))) c.out.null()
}

function giveRepeated(c: Context, count: number, hasValues: boolean): void {
  const {out} = c
  const start = out.pos
  head(c, count, hasValues)
  const give = giver(c, hasValues)
  for (let i = 0; i < count; i++) {
    if (pick(c, give)) continue
    out.rewind(start)
    return out.array(0)
  }
}

function giveDifferent(c: Context, wanted: number, hasValues: boolean): void {
  const live = liveCount(c)
  if (live === 0) dropExpired(c)
  const count = Math.min(wanted, live)
  head(c, count, hasValues)
  if (count === 0) return
  const give = giver(c, hasValues)
  if (count === live || count * WALK_SHARE > live || !isLargeMap(c.keyspace.memory, c.map)) {
    return select(c, count, live, give)
  }
  const seen = new Set<string>()
  while (seen.size < count) {
    pick(c, (...field) => {
      const [bytes, from, length] = field
      const name = bytes.toString('latin1', from, from + length)
      if (seen.has(name)) return
      seen.add(name)
      give(...field)
    })
  }
}

/** Gives `count` of the `live` fields that have not expired, each with the same chance. */
function select(c: Context, count: number, live: number, give: FieldVisitor): void {
  let wanted = count
  let left = live
  c.maps.each(c.map, (...field) => {
    if (field[6] <= c.now || wanted === 0) return
    if (c.engine.chance() * left-- < wanted) {
      wanted--
      give(...field)
    }
  })
}

/** Visits a random field that has not expired; false if none was found. */
function pick(c: Context, visit: FieldVisitor): boolean {
  const {maps, keyspace} = c
  for (let expired = 0; c.map !== 0 && expired < EXPIRED_MAX; expired++) {
    if (!isLargeMap(keyspace.memory, c.map)) {
      maps.packedField(c.map, Math.floor(c.engine.chance() * maps.count(c.map)), visit)
      return true
    }
    let dead: Buffer | null = null
    const node = keyspace.randomNode(maps.table(c.map), c.engine.chance(), c.engine.chance())
    maps.visitField(node, (...field) => {
      const [bytes, from, length] = field
      if (field[6] > c.now) visit(...field)
      else dead = Buffer.from(bytes.subarray(from, from + length))
    })
    if (dead === null) return true
    c.map = c.effects.expireField(c.bucket, c.map, dead, 0, (dead as Buffer).length)
  }
  return false
}

function head(c: Context, count: number, hasValues: boolean): void {
  c.out.array(hasValues && c.out.proto === 2 ? count * 2 : count)
}

function giver(c: Context, hasValues: boolean): FieldVisitor {
  const {out} = c
  return (field, fieldFrom, fieldLength, value, valueFrom, valueLength) => {
    if (hasValues && out.proto === 3) out.array(2)
    out.bulk(field, fieldFrom, fieldLength)
    if (hasValues) out.bulk(value, valueFrom, valueLength)
  }
}
