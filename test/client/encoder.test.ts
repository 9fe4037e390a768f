import fc from 'fast-check'
import {expect, test} from 'vitest'
import {ReplyDecoder} from '../../src/client/decoder.ts'
import {encodeRequest} from '../../src/client/encoder.ts'
import type {Reply} from '../../src/client/reply.ts'

test('a request is an array of bulk strings', () => {
  expect(encodeRequest(['SET', 'ключ', 7, -3n, Buffer.from([0, 255, 13, 10])])).toEqual(
    Buffer.concat([
      Buffer.from('*5\r\n$3\r\nSET\r\n$8\r\nключ\r\n$1\r\n7\r\n$2\r\n-3\r\n$4\r\n'),
      Buffer.from([0, 255, 13, 10]),
      Buffer.from('\r\n'),
    ]),
  )
})

test('any arguments come back through the decoder', () => {
  const argument = fc.oneof(fc.string({unit: 'binary'}), fc.uint8Array({maxLength: 300}), fc.maxSafeInteger())
  fc.assert(
    fc.property(fc.array(argument, {minLength: 1, maxLength: 6}), (args) => {
      const replies: Reply[] = []
      const decoder = new ReplyDecoder({onReply: (reply) => replies.push(reply), onPush: () => {}})
      decoder.write(encodeRequest(args))
      expect(replies).toEqual([args.map((arg) => Buffer.from(typeof arg === 'number' ? String(arg) : arg))])
    }),
    {numRuns: 1_000},
  )
})
