import {expect, test} from 'vitest'
import {formatAddress, parseAddress} from '../../src/base/address.ts'

test.each([
  ['127.0.0.1:7379', '127.0.0.1', 7379],
  ['node-1.example:80', 'node-1.example', 80],
  ['[::1]:7379', '::1', 7379],
  ['::1:7379', '::1', 7379],
])('%s is an address', (text, host, port) => {
  expect(parseAddress(text)).toEqual({host, port})
  expect(parseAddress(formatAddress({host, port}))).toEqual({host, port})
})

test('a default port completes a host, and the local host completes a port', () => {
  expect(parseAddress('db1', 7379)).toEqual({host: 'db1', port: 7379})
  expect(parseAddress('[fe80::1]', 7379)).toEqual({host: 'fe80::1', port: 7379})
  expect(parseAddress(':7400', 7379)).toEqual({host: '127.0.0.1', port: 7400})
})

test.each(['', 'host', ':7379', 'host:', 'host:0', 'host:65536', 'host:x', 'host:-1', 'a b:1', 'redis://h:1', 'u@h:1'])(
  '"%s" is not',
  (text) => {
    expect(parseAddress(text)).toBeUndefined()
  },
)
