/**
 * HRANDFIELD: random fields of a map.
 *
 * A positive count gives different fields: all, if there are no more; else, if many are wanted, each is taken with the chance that leaves exactly
 * enough (Knuth, The Art of Computer Programming 2, algorithm S); else random ones until enough differ. A negative
 * count gives fields that may repeat. What takes long is a job (jobs-map.ts).
 */
import {REQUEST_ARGS_MAX} from '../../constants.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {isLargeMap} from '../keyspace/node.ts'
import {FieldPicker} from './field-picker.ts'
import {FieldsJob, PickJob} from './jobs-map.ts'
import {openMapToRead} from './map-access.ts'
import {INT64_MAX} from './numbers.ts'
import type {FieldsOptions} from './jobs-map.ts'
import type {FieldVisitor} from '../keyspace/map-store.ts'
import type {Context} from './context.ts'

const ERR_RANGE = 'ERR value is out of range'
/** Fields that may repeat, in one reply; Redis goes on until memory is gone. */
const REPEATED_MAX = REQUEST_ARGS_MAX
/** If more than one field in so many is wanted, the whole map is walked. */
const WALK_SHARE = 3
/** So many fields are picked at random at once; for more it is better to walk the map. */
const PICKED_MAX = 500

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
  if (count < -REPEATED_MAX) return c.fail(ERR_RANGE)
  const options = fieldsOptions(Math.abs(Number(count)), hasValues)
  if (count < 0n) c.engine.startJob(c, new PickJob(c, options, new FieldPicker(c)))
  else giveDifferent(c, options)
}

function fieldsOptions(wanted: number, hasValues: boolean): FieldsOptions {
  return {
    wanted,
    head: (out, count) => out.array(hasValues && out.proto === 2 ? count * 2 : count),
    write: (out, field, fieldFrom, fieldLength, value, valueFrom, valueLength) => {
      if (hasValues && out.proto === 3) out.array(2)
      out.bulk(field, fieldFrom, fieldLength)
      if (hasValues) out.bulk(value, valueFrom, valueLength)
    },
  }
}

function giveOne(c: Context): void {
  if (!openMapToRead(c)) return
  const isGiven = c.map !== 0 && new FieldPicker(c).pick((bytes, from, length) => c.out.bulk(bytes, from, length))
  if (!isGiven) c.out.null()
}

function giveDifferent(c: Context, options: FieldsOptions): void {
  const {maps, out} = c
  if (!isLargeMap(c.keyspace.memory, c.map)) return giveOfPacked(c, options)
  // Fields that expire may have done so: these are certainly there.
  const lasting = maps.count(c.map) - maps.expiring(c.map)
  if (options.wanted > PICKED_MAX || options.wanted * WALK_SHARE > lasting) {
    return c.engine.startJob(c, new FieldsJob(c, options))
  }
  options.head(out, options.wanted)
  const seen = new Set<string>()
  const picker = new FieldPicker(c)
  while (seen.size < options.wanted) {
    picker.pick((...field) => {
      const [bytes, from, length] = field
      const name = bytes.toString('latin1', from, from + length)
      if (seen.has(name)) return
      seen.add(name)
      options.write(out, ...field)
    })
  }
}

/** The fields of a packed map do not expire. */
function giveOfPacked(c: Context, options: FieldsOptions): void {
  let left = c.maps.count(c.map)
  let wanted = Math.min(options.wanted, left)
  options.head(c.out, wanted)
  const give: FieldVisitor = (...field) => {
    if (c.engine.chance() * left-- >= wanted) return
    wanted--
    options.write(c.out, ...field)
  }
  c.maps.each(c.map, give)
}
