/**
 * Sums of decimal numbers as Redis' INCRBYFLOAT forms them: each number is a 64-bit-mantissa extended double (x87 `long
 * double`), the sum is rounded to one, and it is printed with 17 digits behind the point (`%.17Lf`), trailing zeros cut.
 * JavaScript has no such type, so it is done with exact integers: a value is mantissa * 2^exponent.
 */

const MANTISSA_BITS = 64
const EXPONENT_MAX = 16_383
const EXPONENT_MIN = -16_445
const DIGITS = 17
const NUMBER = /^[-+]?(?:(\d+)(?:\.(\d*))?|\.(\d+))(?:[eE]([-+]?\d+))?$/
const HEX = /^[-+]?0x(?:([0-9a-f]+)(?:\.([0-9a-f]*))?|\.([0-9a-f]+))(?:p([-+]?\d+))?$/i
/** A text longer than this is no number for Redis either (MAX_LONG_DOUBLE_CHARS). */
const TEXT_MAX = 5119
/** A power of ten that no digits of such a text can bring back into range. */
const POWER_MAX = 12_000

interface Extended {
  /** Signed. */
  readonly mantissa: bigint
  readonly exponent: number
}

const ZERO: Extended = {mantissa: 0n, exponent: 0}

export interface LongDoubleSum {
  readonly text: string
}

/** The sum of two numbers given as text. */
export function addLongDoubles(a: string, b: string): LongDoubleSum | 'not-a-float' | 'not-finite' {
  const left = parse(a)
  const right = parse(b)
  if (left === 'bad' || right === 'bad') return 'not-a-float'
  if (left === 'infinite' || right === 'infinite') return 'not-finite'
  const sum = add(left, right)
  return sum === 'infinite' ? 'not-finite' : {text: print(sum)}
}

function parse(text: string): Extended | 'bad' | 'infinite' {
  if (text.length > TEXT_MAX) return 'bad'
  if (/^[-+]?inf(inity)?$/i.test(text)) return 'infinite'
  const value = parseDecimal(text) ?? parseHex(text)
  // strtold says ERANGE for what overflows or vanishes, and Redis then says that it is no float.
  if (value === null || value === 'infinite') return 'bad'
  return text.startsWith('-') ? {mantissa: -value.mantissa, exponent: value.exponent} : value
}

/** The size of a decimal number; null if it is none, or if it vanishes. */
function parseDecimal(text: string): Extended | 'infinite' | null {
  const match = NUMBER.exec(text)
  if (!match) return null
  const fraction = match[2] ?? match[3] ?? ''
  const digits = BigInt((match[1] ?? '') + fraction)
  const power = Number(match[4] ?? 0) - fraction.length
  if (digits === 0n) return ZERO
  if (Math.abs(power) > POWER_MAX) return null
  const value = power >= 0 ? round(digits * 10n ** BigInt(power), 1n) : round(digits, 10n ** BigInt(-power))
  return value !== 'infinite' && value.mantissa === 0n ? null : value
}

/** As parseDecimal, for C's hexadecimal floats: `0x1.8p3`. */
function parseHex(text: string): Extended | 'infinite' | null {
  const match = HEX.exec(text)
  if (!match) return null
  const fraction = match[2] ?? match[3] ?? ''
  const digits = BigInt(`0x0${match[1] ?? ''}${fraction}`)
  const power = Number(match[4] ?? 0) - fraction.length * 4
  if (digits === 0n) return ZERO
  if (Math.abs(power) > POWER_MAX * 4) return null
  const value = power >= 0 ? round(digits << BigInt(power), 1n) : round(digits, 1n << BigInt(-power))
  return value !== 'infinite' && value.mantissa === 0n ? null : value
}

function add(a: Extended, b: Extended): Extended | 'infinite' {
  const exponent = Math.min(a.exponent, b.exponent)
  const sum = (a.mantissa << BigInt(a.exponent - exponent)) + (b.mantissa << BigInt(b.exponent - exponent))
  const size = sum < 0n ? -sum : sum
  const rounded = exponent >= 0 ? round(size << BigInt(exponent), 1n) : round(size, 1n << BigInt(-exponent))
  if (rounded === 'infinite' || sum >= 0n) return rounded
  return {mantissa: -rounded.mantissa, exponent: rounded.exponent}
}

/** The extended double nearest to numerator / denominator (both >= 0), ties to even. */
function round(numerator: bigint, denominator: bigint): Extended | 'infinite' {
  if (numerator === 0n) return {mantissa: 0n, exponent: 0}
  let exponent = bits(numerator) - bits(denominator) - MANTISSA_BITS
  let mantissa = divideToEven(numerator, denominator, exponent)
  // The estimate is one too low or exact: a quotient of 65 bits is formed again.
  if (bits(mantissa) > MANTISSA_BITS) mantissa = divideToEven(numerator, denominator, ++exponent)
  if (exponent < EXPONENT_MIN) {
    exponent = EXPONENT_MIN
    mantissa = divideToEven(numerator, denominator, exponent)
  }
  return exponent + MANTISSA_BITS > EXPONENT_MAX + 1 ? 'infinite' : {mantissa, exponent}
}

/** numerator / (denominator * 2^exponent), rounded to an integer, ties to even. */
function divideToEven(numerator: bigint, denominator: bigint, exponent: number): bigint {
  const top = exponent < 0 ? numerator << BigInt(-exponent) : numerator
  const bottom = exponent > 0 ? denominator << BigInt(exponent) : denominator
  const quotient = top / bottom
  const twice = (top % bottom) * 2n
  const isUp = twice > bottom || (twice === bottom && (quotient & 1n) === 1n)
  return isUp ? quotient + 1n : quotient
}

function bits(value: bigint): number {
  return value.toString(2).length
}

function print(value: Extended): string {
  const isNegative = value.mantissa < 0n
  const size = isNegative ? -value.mantissa : value.mantissa
  const scaled = divideToEven(size * 10n ** BigInt(DIGITS), 1n, 0)
  const shifted =
    value.exponent >= 0 ? scaled << BigInt(value.exponent) : divideToEven(scaled, 1n << BigInt(-value.exponent), 0)
  const digits = shifted.toString().padStart(DIGITS + 1, '0')
  const whole = digits.slice(0, -DIGITS)
  const fraction = digits.slice(-DIGITS).replace(/0+$/, '')
  const text = fraction === '' ? whole : `${whole}.${fraction}`
  // As printf: a negative number that rounds to nothing keeps its sign, but Redis says "-0" is "0".
  return isNegative && /[1-9]/.test(text) ? `-${text}` : text
}
