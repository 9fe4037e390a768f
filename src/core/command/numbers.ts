/** Numbers as Redis reads them: strict decimal, no sign but `-`, no blanks, no leading zeros. */

const MINUS = 45
const ZERO = 48
const SAFE_DIGITS = 15
const INT64_MAX = 9223372036854775807n
export const INT64_MIN = -9223372036854775808n
export {INT64_MAX}

/** The integer in `bytes[from, from + length)`, or NaN if it is none or has more than 2^53 as its size. */
export function parseSafeInteger(bytes: Buffer, from: number, length: number): number {
  if (length === 0 || length > 17) return Number.NaN
  let i = from
  const end = from + length
  const isNegative = bytes[i] === MINUS
  if (isNegative) i++
  const digits = end - i
  if (digits === 0 || (bytes[i] === ZERO && (digits > 1 || isNegative))) return Number.NaN
  let value = 0
  for (; i < end; i++) {
    const digit = bytes[i]! - ZERO
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  if (digits > SAFE_DIGITS && value > Number.MAX_SAFE_INTEGER) return Number.NaN
  return isNegative ? -value : value
}

/** The signed 64-bit integer in the bytes, or null. */
export function parseInt64(bytes: Buffer, from: number, length: number): bigint | null {
  if (length === 0 || length > 20) return null
  const small = parseSafeInteger(bytes, from, length)
  if (!Number.isNaN(small)) return BigInt(small)
  const text = bytes.toString('latin1', from, from + length)
  if (!/^-?[1-9][0-9]*$/.test(text)) return null
  const value = BigInt(text)
  return value > INT64_MAX || value < INT64_MIN ? null : value
}
