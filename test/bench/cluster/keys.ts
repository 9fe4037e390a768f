/** Keys whose bucket is chosen, and how a cluster is filled with them. */
import type {Socket} from 'node:net'
import {keyBucket} from '../../../src/base/crc16.ts'
import {ReplyCounter} from '../../../src/client/reply-counter.ts'
import {encodeRequest} from '../../../src/client/encoder.ts'
import {openSocket} from '../../../src/client/socket.ts'
import {BUCKET_COUNT} from '../../../src/constants.ts'

const FILL_CONNECTIONS = 4
const FILL_BATCH = 250
/** Equally long for every key, so that bytes per key are known. */
const TAG_CHARS = 5
const NUMBER_DIGITS = 6

let tags: readonly string[] | undefined

/** A hash tag for each bucket: the first of "00000", "00001", ... (base 36) that falls there. */
function bucketTags(): readonly string[] {
  if (tags) return tags
  const found = new Array<string>(BUCKET_COUNT)
  for (let number = 0, missing = BUCKET_COUNT; missing > 0; number++) {
    const tag = number.toString(36).padStart(TAG_CHARS, '0')
    const bucket = keyBucket(Buffer.from(tag), 0, TAG_CHARS)
    if (found[bucket] !== undefined) continue
    found[bucket] = tag
    missing--
  }
  return (tags = found)
}

/** The `number`-th key of a bucket. */
export function keyIn(bucket: number, number: number): string {
  return `{${bucketTags()[bucket]!}}${String(number).padStart(NUMBER_DIGITS, '0')}`
}

/** Bytes of every key of `keyIn`. */
export const KEY_BYTES = TAG_CHARS + 2 + NUMBER_DIGITS

/** Writes `perBucket` keys of each bucket to the node at `port`, their master, as fast as it takes them. */
export async function fill(port: number, buckets: readonly number[], perBucket: number, value: string): Promise<void> {
  const total = buckets.length * perBucket
  let next = 0
  const batch = (): {bytes: Buffer; count: number} | null => {
    const parts: Buffer[] = []
    for (; parts.length < FILL_BATCH && next < total; next++) {
      const bucket = buckets[next % buckets.length]!
      parts.push(encodeRequest(['SET', keyIn(bucket, Math.floor(next / buckets.length)), value]))
    }
    return parts.length === 0 ? null : {bytes: Buffer.concat(parts), count: parts.length}
  }
  await Promise.all(Array.from({length: FILL_CONNECTIONS}, () => fillLane(port, batch)))
}

async function fillLane(port: number, batch: () => {bytes: Buffer; count: number} | null): Promise<void> {
  const socket = await openSocket({host: '127.0.0.1', port})
  // What goes wrong ends in `close`, which is listened to.
  socket.on('error', () => undefined)
  try {
    for (let work = batch(); work; work = batch()) await exchange(socket, work.bytes, work.count)
  } finally {
    socket.destroy()
  }
}

/** Sends requests and resolves when so many replies came. Errors: one of them is an error, or the connection ended. */
function exchange(socket: Socket, bytes: Buffer, count: number): Promise<void> {
  const counter = new ReplyCounter()
  let left = count
  return new Promise((resolve, reject) => {
    const end = (error?: Error): void => {
      socket.off('data', take).off('close', lose)
      if (error) reject(error)
      else resolve()
    }
    const lose = (): void => end(new Error('the connection ended while the cluster was filled'))
    const take = (chunk: Buffer): void => {
      left -= counter.count(chunk)
      if (counter.firstError !== undefined) end(new Error(`the cluster was not filled: ${counter.firstError}`))
      else if (left === 0) end()
    }
    socket.on('data', take).on('close', lose)
    socket.write(bytes)
  })
}
