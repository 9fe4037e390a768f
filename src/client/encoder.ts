/** Requests on the wire: always an array of bulk strings, which every server takes and any bytes fit in. */

/** One argument of a request. Strings are sent as UTF-8, numbers in decimal. */
export type Argument = string | number | bigint | Uint8Array

/** The bytes of one request; one buffer, filled in one pass. */
export function encodeRequest(args: readonly Argument[]): Buffer {
  const parts = args.map((arg) => (typeof arg === 'object' ? arg : String(arg)))
  let size = header('*', parts.length).length
  const headers: string[] = []
  const lengths: number[] = []
  for (const part of parts) {
    const length = typeof part === 'string' ? Buffer.byteLength(part) : part.length
    const head = header('$', length)
    headers.push(head)
    lengths.push(length)
    size += head.length + length + 2
  }
  const out = Buffer.allocUnsafe(size)
  let at = out.write(header('*', parts.length), 0, 'latin1')
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!
    at += out.write(headers[index]!, at, 'latin1')
    if (typeof part === 'string') out.write(part, at)
    else out.set(part, at)
    at += lengths[index]!
    at += out.write('\r\n', at, 'latin1')
  }
  return out
}

function header(type: string, count: number): string {
  return `${type}${count}\r\n`
}
