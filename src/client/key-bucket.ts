/** The bucket of a key as callers have it: text or bytes. */
import {crc16Step, keyBucket} from '../base/crc16.ts'
import {BUCKET_COUNT} from '../constants.ts'
import {ClientError} from './errors.ts'

/** A key's or a field's name: text is sent as UTF-8. */
export type Key = string | Uint8Array

const BRACE_OPEN = 0x7b

/** The bucket of a key. Errors: E_USAGE if it is neither text nor bytes. Plain ASCII without a hash tag, which most keys are, is not copied into a buffer for it. */
export function bucketOf(key: Key): number {
  if (typeof key !== 'string') {
    if (key instanceof Uint8Array) return keyBucket(key, 0, key.length)
    throw new ClientError('E_USAGE', 'none', `A key is ${typeof key}.`, 'Give a string or a Uint8Array.')
  }
  let crc = 0
  for (let i = 0; i < key.length; i++) {
    const code = key.charCodeAt(i)
    if (code > 0x7f || code === BRACE_OPEN) return encodedBucketOf(key)
    crc = crc16Step(crc, code)
  }
  return crc & (BUCKET_COUNT - 1)
}

function encodedBucketOf(key: string): number {
  const bytes = Buffer.from(key)
  return keyBucket(bytes, 0, bytes.length)
}
