/** All of stdin, byte for byte. */
import {KvError} from '../errors.ts'
import {BULK_BYTES_MAX} from '../constants.ts'

/** Errors: E_USAGE if it is more than one value can hold. */
export async function readStdin(): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of process.stdin as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > BULK_BYTES_MAX)
      throw new KvError('E_USAGE', `stdin is longer than the ${BULK_BYTES_MAX} bytes a value can have.`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
