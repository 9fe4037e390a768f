/** A strict reader of Prometheus' text format 0.0.4, written from its description: it throws at anything that a scraper could stumble over. */

export interface ReadFamily {
  readonly type: string
  readonly help: string
  readonly samples: Map<string, number>
}

const NAME = '[a-zA-Z_:][a-zA-Z0-9_:]*'
const SAMPLE = new RegExp(`^(${NAME})(?:\\{((?:[a-z_][a-z0-9_]*="(?:[^"\\\\\\n]|\\\\[\\\\"n])*",?)+)\\})? (\\S+)$`)

/** Families by name; samples by what stands before the number. */
export function readMetricsText(text: string): Map<string, ReadFamily> {
  const families = new Map<string, ReadFamily>()
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  let current: {name: string; family: ReadFamily} | null = null
  let help: {name: string; text: string} | null = null
  for (const line of text.slice(0, -1).split('\n')) {
    const [, word, name, rest] = /^# (HELP|TYPE) (\S+) (.+)$/.exec(line) ?? []
    if (word === 'HELP') {
      if (families.has(name!)) throw new Error(`${name} comes twice`)
      help = {name: name!, text: rest!}
    } else if (word === 'TYPE') {
      if (help?.name !== name) throw new Error(`${name} has no HELP before its TYPE`)
      if (!['counter', 'gauge', 'histogram', 'summary'].includes(rest!)) throw new Error(`${rest} is no type`)
      const family = {type: rest!, help: help!.text, samples: new Map<string, number>()}
      families.set(name!, family)
      current = {name: name!, family}
    } else addSample(line, current)
  }
  for (const [name, {samples}] of families) if (samples.size === 0) throw new Error(`${name} has no sample`)
  return families
}

function addSample(line: string, current: {name: string; family: ReadFamily} | null): void {
  const match = SAMPLE.exec(line)
  if (!match || !current) throw new Error(`not a sample: ${line}`)
  const [, name, labels, number] = match
  const suffixes = current.family.type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
  if (!suffixes.some((suffix) => name === current.name + suffix)) throw new Error(`${name} is not of ${current.name}`)
  const value = number === '+Inf' ? Infinity : Number(number)
  if (Number.isNaN(value)) throw new Error(`${line}: no number`)
  const key = labels === undefined ? name! : `${name}{${labels}}`
  if (current.family.samples.has(key)) throw new Error(`${key} comes twice`)
  current.family.samples.set(key, value)
}
