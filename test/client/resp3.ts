/** RESP3 as a server writes it, and arbitrary replies: what the decoder's tests are fed. */
import fc from 'fast-check'
import {isTagged, type Reply} from '../../src/client/reply.ts'

export function encodeReply(reply: Reply): Buffer {
  if (reply === null) return Buffer.from('_\r\n')
  if (typeof reply === 'boolean') return Buffer.from(reply ? '#t\r\n' : '#f\r\n')
  if (typeof reply === 'number' || typeof reply === 'bigint') return Buffer.from(`:${reply}\r\n`)
  if (typeof reply === 'string') return Buffer.from(`+${reply}\r\n`)
  if (Buffer.isBuffer(reply)) return blob('$', reply)
  if (!isTagged(reply)) return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(encodeReply)])
  switch (reply.kind) {
    case 'error':
      return /[\r\n]/.test(reply.text) ? blob('!', Buffer.from(reply.text)) : Buffer.from(`-${reply.text}\r\n`)
    case 'double':
      return Buffer.from(`,${doubleText(reply.value)}\r\n`)
    case 'bigNumber':
      return Buffer.from(`(${reply.value}\r\n`)
    case 'verbatim':
      return blob('=', Buffer.concat([Buffer.from(`${reply.format}:`), reply.data]))
    case 'set':
      return Buffer.concat([Buffer.from(`~${reply.items.length}\r\n`), ...reply.items.map(encodeReply)])
    case 'map':
      return Buffer.concat([Buffer.from(`%${reply.entries.length}\r\n`), ...reply.entries.flat().map(encodeReply)])
  }
}

function blob(type: string, bytes: Buffer): Buffer {
  return Buffer.concat([Buffer.from(`${type}${bytes.length}\r\n`), bytes, Buffer.from('\r\n')])
}

function doubleText(value: number): string {
  if (value === Infinity) return 'inf'
  if (value === -Infinity) return '-inf'
  return Number.isNaN(value) ? 'nan' : String(value)
}

const line = fc.string({maxLength: 20}).filter((text) => !/[\r\n]/.test(text))
const bytes = fc.uint8Array({maxLength: 40}).map((array) => Buffer.from(array))
const scalar: fc.Arbitrary<Reply> = fc.oneof(
  fc.constant(null),
  fc.boolean(),
  fc.maxSafeInteger(),
  fc.bigInt({min: 2n ** 53n, max: 2n ** 63n - 1n}),
  line,
  bytes,
  fc.string({maxLength: 20}).map((text): Reply => ({kind: 'error', text})),
  fc.double().map((value): Reply => ({kind: 'double', value: Object.is(value, -0) ? 0 : value})),
  fc.bigInt().map((value): Reply => ({kind: 'bigNumber', value})),
  bytes.map((data): Reply => ({kind: 'verbatim', format: 'txt', data})),
)

/** Any reply, nested a few levels. */
export const anyReply: fc.Arbitrary<Reply> = fc.letrec<{reply: Reply}>((tie) => ({
  reply: fc.oneof(
    {depthSize: 'small', withCrossShrink: true},
    scalar,
    fc.array(tie('reply'), {maxLength: 4}),
    fc.array(tie('reply'), {maxLength: 4}).map((items): Reply => ({kind: 'set', items})),
    fc.array(fc.tuple(tie('reply'), tie('reply')), {maxLength: 3}).map((entries): Reply => ({kind: 'map', entries})),
  ),
})).reply
