/** DUMP and RESTORE: a value as bytes, in the form of src/record/payload.ts. */
import {NO_EXPIRY, WORD_USED, pageBytes, setWord, valueLength, valueOffset} from '../keyspace/node.ts'
import {RecordCursor, RecordWriter, readFrame} from '../../record/codec.ts'
import {OP_MAP_SET, OP_SET} from '../../record/op.ts'
import {isPayloadFoot, payloadCrc, payloadFoot, payloadFramesEnd} from '../../record/payload.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {EXPIRE_AT_MAX_MS} from './expire-time.ts'
import {dropExpired} from './map-walk.ts'
import {isKeyTooLong} from './access.ts'
import type {Context} from './context.ts'

const NO_KEY = Buffer.alloc(0)
const ERR_PAYLOAD = 'ERR DUMP payload version or checksum are wrong'

export function dump(c: Context): void {
  const node = c.lookupRead(1)
  if (node === 0) return c.out.null()
  const writer = new RecordWriter()
  if (c.isMap(node)) {
    c.map = node
    dumpMap(c, node, writer)
    if (writer.recordCount === 0) {
      dropExpired(c)
      return c.out.null()
    }
  } else {
    const {memory} = c.keyspace
    const from = valueOffset(memory, node)
    writer.set(0, 0, 0, 0, NO_KEY, 0, 0, pageBytes(memory, node), from, valueLength(memory, node), NO_EXPIRY)
  }
  const frames = writer.frame()
  c.out.bulkBuffer(Buffer.concat([frames, payloadFoot(payloadCrc(frames, 0))]))
}

function dumpMap(c: Context, node: number, writer: RecordWriter): void {
  c.maps.each(node, (field, fieldFrom, fieldLength, value, valueFrom, valueLength, at) => {
    if (at <= c.now) return
    writer.mapSet(0, 0, 0, 0, NO_KEY, 0, 0, field, fieldFrom, fieldLength, value, valueFrom, valueLength, at)
  })
}

interface RestoreOptions {
  isReplace: boolean
  isAbsolute: boolean
  /** Seconds; -1 = not given. */
  idle: number
  hasFrequency: boolean
}

export function restore(c: Context): void {
  const options = restoreOptions(c)
  if (options === null || isKeyTooLong(c, 1)) return
  if (!options.isReplace && c.lookup(1) !== 0) return c.fail('BUSYKEY Target key name already exists.')
  const ttl = c.int64(2)
  if (ttl === null) return c.fail(ERR_NOT_INTEGER)
  if (ttl < 0n) return c.fail('ERR Invalid TTL value, must be >= 0')
  if (!isPayload(c)) return c.fail(ERR_PAYLOAD)
  let until = NO_EXPIRY
  if (ttl > 0n) until = Math.min(Number(ttl) + (options.isAbsolute ? 0 : c.now), EXPIRE_AT_MAX_MS)
  c.effects.beginGroup()
  const target = c.lookup(1)
  if (target !== 0) c.effects.delete(c.bucket, target)
  if (until > c.now) build(c, until, options.idle)
  c.effects.endGroup()
  c.out.ok()
}

function restoreOptions(c: Context): RestoreOptions | null {
  const options: RestoreOptions = {isReplace: false, isAbsolute: false, idle: -1, hasFrequency: false}
  for (let i = 4; i < c.argc; i++) {
    const hasNext = i + 1 < c.argc
    if (c.is(i, 'REPLACE')) options.isReplace = true
    else if (c.is(i, 'ABSTTL')) options.isAbsolute = true
    else if (c.is(i, 'IDLETIME') && hasNext && !options.hasFrequency) {
      const idle = c.int64(++i)
      if (idle === null) return refuse(c, ERR_NOT_INTEGER)
      if (idle < 0n) return refuse(c, 'ERR Invalid IDLETIME value, must be >= 0')
      options.idle = Number(idle)
    } else if (c.is(i, 'FREQ') && hasNext && options.idle < 0) {
      const frequency = c.int64(++i)
      if (frequency === null) return refuse(c, ERR_NOT_INTEGER)
      if (frequency < 0n || frequency > 255n) return refuse(c, 'ERR Invalid FREQ value, must be >= 0 and <= 255')
      options.hasFrequency = true
    } else return refuse(c, ERR_SYNTAX)
  }
  return options
}

function refuse(c: Context, error: string): null {
  c.fail(error)
  return null
}

/** True if argument 3 is a whole and right payload: one string, or the fields of one map. */
function isPayload(c: Context): boolean {
  let strings = 0
  let fields = 0
  const isRead = eachRecord(c, (cursor) => {
    if (cursor.keyLen !== 0 || cursor.bucket !== 0) return false
    if (cursor.op === OP_SET && cursor.expireAt === NO_EXPIRY) strings++
    else if (cursor.op === OP_MAP_SET) fields++
    else return false
    return true
  })
  return isRead && (strings === 0 ? fields > 0 : strings === 1 && fields === 0)
}

/** Calls `visit` for each record of argument 3 until it says false; false too if the bytes are not those of a payload. */
function eachRecord(c: Context, visit: (cursor: RecordCursor) => boolean): boolean {
  const {buf, off, len} = c.request
  const end = off[3]! + len[3]!
  const framesEnd = payloadFramesEnd(buf, off[3]!, end)
  if (framesEnd < 0) return false
  if (!isPayloadFoot(buf, end, payloadCrc(buf.subarray(off[3], framesEnd), 0))) return false
  const cursor = new RecordCursor()
  for (let at = off[3]!; at < framesEnd;) {
    const verdict = readFrame(buf, at, framesEnd)
    if (verdict.kind !== 'ok') return false
    cursor.openFrame(buf, verdict.frame)
    while (cursor.next()) if (!visit(cursor)) return false
    if (cursor.fault !== null) return false
    at = verdict.frame.end
  }
  return true
}

/** Makes the key, which does not exist, from the payload; fields whose time has come are left out. */
function build(c: Context, until: number, idle: number): void {
  const {buf, off, len} = c.request
  let node = 0
  eachRecord(c, (r) => {
    if (r.op === OP_SET) {
      node = c.effects.set(c.bucket, c.hash, 0, buf, off[1]!, len[1]!, r.buf, r.valueOff, r.valueLen, until)
    } else if (r.expireAt > c.now) {
      node = c.effects.mapSet(
        c.bucket,
        c.hash,
        node,
        buf,
        off[1]!,
        len[1]!,
        r.buf,
        r.fieldOff,
        r.fieldLen,
        r.buf,
        r.valueOff,
        r.valueLen,
        r.expireAt,
      )
    }
    return true
  })
  if (node === 0) return
  if (until !== NO_EXPIRY && c.isMap(node)) node = c.effects.setExpiry(c.bucket, node, until)
  if (idle >= 0) setWord(c.keyspace.memory, node, WORD_USED, Math.max(0, c.keyspace.usedClock - idle))
}
