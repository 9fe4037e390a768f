/**
 * Lines over the time of the run, as SVG. A run of hours has more samples than a screen has points, so neighbours are put together: rates by their mean, latencies by their worst, so
 * that no peak is lost. Colours are classes: style.ts has them for light and dark.
 */
import {clock} from './figures.ts'
import {markup} from './markup.ts'
import type {Markup} from './markup.ts'

const WIDTH = 1080
const LEFT = 76
const RIGHT = 30
const TOP = 12
const BOTTOM = 24
const POINTS_MAX = 540

/** A line; `at` in ms. */
export interface Series {
  readonly name: string
  /** Its class, for the colour. */
  readonly style: string
  readonly points: readonly (readonly [at: number, value: number])[]
  readonly join: 'mean' | 'max'
  readonly isFilled?: boolean
}

/** A time behind the lines. */
export interface Band {
  readonly fromMs: number
  readonly toMs: number
  readonly style: string
  readonly title: string
}

interface Axis {
  readonly durationMs: number
  /** Where the end of the run is. */
  readonly right: number
}

export interface ChartOptions {
  readonly label: string
  readonly height: number
  readonly durationMs: number
  readonly series: readonly Series[]
  readonly bands: readonly Band[]
  readonly isLog?: boolean
  /** For a column of the page. */
  readonly isHalf?: boolean
  readonly format: (value: number) => string
}

export function chart({label, height, durationMs, series, bands, isLog, isHalf, format}: ChartOptions): Markup {
  const width = isHalf === true ? WIDTH / 2 : WIDTH
  const axis = {durationMs, right: width - RIGHT}
  const bottom = height - BOTTOM
  const values = series.flatMap(({points}) => points.map(([, value]) => value)).filter((value) => value > 0)
  const ticks = isLog === true ? decades(values) : steps(values)
  const scale = makeScale(ticks, bottom, isLog === true)
  const lines = ticks.map((tick) => {
    const y = scale(tick).toFixed(1)
    return markup`<line class="grid" x1="${LEFT}" x2="${axis.right}" y1="${y}" y2="${y}"/>
<text class="tick" x="${LEFT - 8}" y="${y}" dy="0.32em" text-anchor="end">${format(tick)}</text>`
  })
  const drawn = series.map((one) => drawSeries(one, axis, scale, bottom))
  return markup`<svg class="chart ${isHalf === true ? 'half' : ''}" viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">
<title>${label}</title>
${bands.map((band) => drawBand(band, axis, TOP, bottom - TOP))}
${lines}
${drawn}
${timeAxis(axis, bottom)}
</svg>`
}

/** Bars in rows, on the same axis of time as the charts. */
export function lanes(
  rows: readonly {readonly name: string; readonly bands: readonly Band[]}[],
  durationMs: number,
): Markup {
  const rowHeight = 18
  const axis = {durationMs, right: WIDTH - RIGHT}
  const bottom = TOP + rows.length * rowHeight
  const drawn = rows.map(({name, bands}, i) => {
    const y = TOP + i * rowHeight
    return markup`<text class="tick" x="${LEFT - 8}" y="${y + 9}" dy="0.32em" text-anchor="end">${name}</text>
<line class="grid" x1="${LEFT}" x2="${axis.right}" y1="${y + 9}" y2="${y + 9}"/>
${bands.map((band) => drawBand(band, axis, y + 3, rowHeight - 6))}`
  })
  return markup`<svg class="chart solid" viewBox="0 0 ${WIDTH} ${bottom + BOTTOM}" role="img" aria-label="Faults over time">
<title>Faults over time</title>
${drawn}
${timeAxis(axis, bottom)}
</svg>`
}

function drawBand({fromMs, toMs, style, title}: Band, axis: Axis, y: number, height: number): Markup {
  const x = timeX(fromMs, axis)
  const width = Math.max(1.5, timeX(toMs, axis) - x)
  return markup`<rect class="band ${style}" x="${x.toFixed(1)}" y="${y}" width="${width.toFixed(1)}" height="${height}"><title>${title}</title></rect>`
}

function drawSeries(
  {name, style, points, join, isFilled}: Series,
  axis: Axis,
  scale: (value: number) => number,
  bottom: number,
): Markup {
  const joined = joinPoints(points, join)
  if (joined.length === 0) return markup``
  const at = joined.map(([time, value]) => `${timeX(time, axis).toFixed(1)},${scale(value).toFixed(1)}`)
  const first = timeX(joined[0]![0], axis).toFixed(1)
  const last = timeX(joined.at(-1)![0], axis).toFixed(1)
  const area = isFilled
    ? markup`<polygon class="area ${style}" points="${first},${bottom} ${at.join(' ')} ${last},${bottom}"/>`
    : null
  return markup`${area}<polyline class="series ${style}" points="${at.join(' ')}"><title>${name}</title></polyline>`
}

function joinPoints(points: Series['points'], join: Series['join']): (readonly [number, number])[] {
  const size = Math.ceil(points.length / POINTS_MAX)
  const joined: (readonly [number, number])[] = []
  for (let i = 0; i < points.length; i += size) {
    const part = points.slice(i, i + size)
    const values = part.map(([, value]) => value)
    const value = join === 'max' ? Math.max(...values) : values.reduce((sum, one) => sum + one, 0) / values.length
    joined.push([part[part.length >> 1]![0], value])
  }
  return joined
}

function timeX(ms: number, {durationMs, right}: Axis): number {
  const share = Math.min(1, Math.max(0, ms / Math.max(1, durationMs)))
  return LEFT + share * (right - LEFT)
}

/** Four or five round numbers from 0 to above the highest. */
function steps(values: readonly number[]): number[] {
  const highest = values.reduce((max, value) => Math.max(max, value), 0) || 1
  const rough = highest / 4
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough)!
  return Array.from({length: Math.ceil(highest / step) + 1}, (_, i) => i * step)
}

/** Powers of ten around all of them. */
function decades(values: readonly number[]): number[] {
  const lowest = values.reduce((min, value) => Math.min(min, value), Infinity)
  const highest = values.reduce((max, value) => Math.max(max, value), 0)
  const from = Math.floor(Math.log10(lowest === Infinity ? 1 : lowest))
  const to = Math.max(from + 1, Math.ceil(Math.log10(highest || 1)))
  return Array.from({length: to - from + 1}, (_, i) => 10 ** (from + i))
}

function makeScale(ticks: readonly number[], bottom: number, isLog: boolean): (value: number) => number {
  const place = (value: number): number => (isLog ? Math.log10(Math.max(value, ticks[0]!)) : value)
  const [from, to] = [place(ticks[0]!), place(ticks.at(-1)!)]
  return (value) => bottom - ((place(value) - from) / (to - from)) * (bottom - TOP)
}

const TICK_SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200]

function timeAxis(axis: Axis, bottom: number): Markup {
  const seconds = Math.max(1, axis.durationMs / 1_000)
  const step = TICK_SECONDS.find((size) => seconds / size <= axis.right / 100) ?? Math.ceil(seconds / 36_000) * 3_600
  const ticks = Array.from({length: Math.floor(seconds / step) + 1}, (_, i) => i * step * 1_000)
  return markup`${ticks.map((ms) => {
    const x = timeX(ms, axis).toFixed(1)
    return markup`<text class="tick" x="${x}" y="${bottom + 16}" text-anchor="middle">${clock(ms)}</text>`
  })}`
}
