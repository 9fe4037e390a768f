/** Metrics as text, format 0.0.4: what Prometheus and all who speak its language read. */

export type Labels = Readonly<Record<string, string>>

/** One number, and what tells it from its neighbours. `suffix`: of the parts of a histogram or summary. */
export interface Point {
  readonly value: number
  readonly labels?: Labels
  readonly suffix?: '_bucket' | '_sum' | '_count'
}

export interface Family {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary'
  /** A sentence. */
  readonly help: string
  readonly points: readonly Point[]
}

export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Families without points are left out: what cannot be said here is not zero. */
export function metricsText(families: readonly Family[]): string {
  return families
    .filter(({points}) => points.length > 0)
    .map(({name, type, help, points}) => {
      const head = `# HELP ${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${name} ${type}\n`
      return head + points.map((point) => pointLine(name, point)).join('')
    })
    .join('')
}

function pointLine(name: string, {value, labels = {}, suffix}: Point): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escaped(text)}"`)
  return `${name}${suffix ?? ''}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}\n`
}

function escaped(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

function numberText(value: number): string {
  if (value === Infinity) return '+Inf'
  return value === -Infinity ? '-Inf' : String(value)
}
