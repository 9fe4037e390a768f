/** Sizes, times and counts as people type them. Each returns undefined for anything that is not one. */

const BYTE_UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1_000,
  kb: 1_024,
  kib: 1_024,
  m: 1_000_000,
  mb: 1_024 ** 2,
  mib: 1_024 ** 2,
  g: 1_000_000_000,
  gb: 1_024 ** 3,
  gib: 1_024 ** 3,
}
const COUNT_UNITS: Readonly<Record<string, number>> = {'': 1, k: 1_000, m: 1_000_000, g: 1_000_000_000}
const TIME_UNITS: Readonly<Record<string, number>> = {'': 1_000, ms: 1, s: 1_000, m: 60_000, h: 3_600_000}

/** `512mb`, `2gb`, `1k`, `1048576`; units as in redis.conf: `kb` is 1024 and `k` is 1000. Whole bytes. */
export function parseBytes(text: string): number | undefined {
  return parseAmount(text, BYTE_UNITS)
}

/** `100`, `100k`, `1.5m`. A whole number. */
export function parseCount(text: string): number | undefined {
  return parseAmount(text, COUNT_UNITS)
}

/** `5`, `5s`, `250ms`, `2m`, `1h`; a bare number is seconds. Whole milliseconds. */
export function parseDurationMs(text: string): number | undefined {
  return parseAmount(text, TIME_UNITS)
}

function parseAmount(text: string, units: Readonly<Record<string, number>>): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim())
  const unit = match && Object.hasOwn(units, match[2]!.toLowerCase()) ? units[match[2]!.toLowerCase()] : undefined
  if (!match || unit === undefined) return undefined
  const amount = Math.round(Number(match[1]) * unit)
  return Number.isSafeInteger(amount) ? amount : undefined
}

/** `1.4 GB`, `512 B`: three digits that matter. */
export function formatBytes(bytes: number): string {
  const names = ['B', 'KB', 'MB', 'GB', 'TB']
  let value = bytes
  let step = 0
  while (value >= 1_024 && step < names.length - 1) {
    value /= 1_024
    step++
  }
  const digits = step === 0 || value >= 100 ? 0 : value >= 10 ? 1 : 2
  return `${value.toFixed(digits)} ${names[step]}`
}

/** `12,345`. */
export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en-US')
}

/** `1 key`, `12,345 keys`. */
export function counted(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`
}

/** `45 s`, `12 min`, `5 h`, `3 d`: the largest unit that is not 0. */
export function formatUptime(seconds: number): string {
  if (seconds < 60) return `${Math.floor(seconds)} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`
}

/** `412 of 1,000, 120/s, 5 s left`: how far something has come. */
export function formatRate(done: number, total: number, elapsedMs: number): string {
  const rate = elapsedMs > 0 ? (done * 1_000) / elapsedMs : 0
  const left = rate > 0 ? `, ${formatUptime(Math.ceil((total - done) / rate))} left` : ''
  return `${formatCount(done)} of ${formatCount(total)}, ${formatCount(rate)}/s${left}`
}
