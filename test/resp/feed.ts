/** Feeds bytes to a request decoder as a connection does, and tells in plain values what it made of them. */
import {assert} from '../../src/base/assert.ts'
import {BAD, COMPLETE, RequestDecoder} from '../../src/resp/request-decoder.ts'

/** What a decoder says to an input: the requests it found, each as its arguments in Latin-1, and the error that ended it. */
export interface Verdict {
  readonly requests: readonly (readonly string[])[]
  readonly error: string | null
}

/** Sizes of the pieces in which bytes arrive; asked until all are there. */
export type Pieces = () => number

export const whole: Pieces = () => Infinity
export const byteByByte: Pieces = () => 1

/**
 * Every piece arrives in the middle of a shared buffer that holds other bytes around it and is overwritten afterwards, as the
 * read buffer of a server is: a decoder that keeps a view instead of a copy, or looks too far, shows.
 */
export function feed(bytes: Buffer, pieces: Pieces = whole, decoder = new RequestDecoder()): Verdict {
  const requests: string[][] = []
  for (let at = 0; at < bytes.length;) {
    const size = Math.min(bytes.length - at, pieces())
    const before = 7
    const shared = Buffer.alloc(before + size + 5, '\r\n$1\n')
    bytes.copy(shared, before, at, at + size)
    const error = take(decoder, shared, before, before + size, requests)
    if (error !== null) return {requests, error}
    shared.fill('*')
    at += size
  }
  return {requests, error: null}
}

/** Takes all requests out of `shared[from, end)`; the error if there is one. */
function take(decoder: RequestDecoder, shared: Buffer, from: number, end: number, requests: string[][]): string | null {
  for (let at = from; at < end;) {
    const result = decoder.next(shared, at, end)
    if (result === BAD) return decoder.error
    if (result !== COMPLETE) return null
    const {buf, off, len, argc} = decoder.request
    requests.push(Array.from({length: argc}, (_, i) => buf.toString('latin1', off[i], off[i]! + len[i]!)))
    // Each request takes at least one of the new bytes, or the caller would turn in circles.
    assert(decoder.used > at && decoder.used <= end, 'the decoder goes forward, and not too far')
    assert(decoder.heldBytes === 0, 'nothing is held once a request is complete')
    at = decoder.used
  }
  return null
}
