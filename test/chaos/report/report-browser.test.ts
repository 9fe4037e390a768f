/**
 * The report in a real browser, Debian's chromium without a window: nothing is refused or wrong on its console, nothing sticks out of the page or of a picture, and its text can be
 * read, in light and in dark, on a wide screen and on a narrow one. A probe at the end of the page measures; the page's own policy, which forbids that, is taken out for it.
 */
import {execFile} from 'node:child_process'
import {writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {promisify} from 'node:util'
import {expect, test} from 'vitest'
import {reportHtml} from '../../../src/chaos/report/report.ts'
import {tempDir} from '../../support/temp.ts'
import {makeRecord} from './record.ts'

const run = promisify(execFile)

interface Measured {
  readonly isDark: boolean
  /** Of the page, px. */
  readonly width: number
  readonly innerWidth: number
  readonly height: number
  readonly pictures: number
  /** Pictures without a size. */
  readonly empty: number
  /** Texts that stick out of their picture. */
  readonly clipped: readonly string[]
  /** The lowest contrast of text to the paper below it, and of what. */
  readonly contrast: number
  readonly faintest: string
}

/** Runs in the page; everything it needs stands in it. */
function probe(): void {
  const numbers = (color: string): number[] => color.match(/[\d.]+/g)!.map(Number)
  const light = (color: string): number => {
    const [r, g, b] = numbers(color)
      .slice(0, 3)
      .map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r! + 0.7152 * g! + 0.0722 * b!
  }
  const page = (globalThis as unknown as {document: any}).document
  const style = (element: any): any => (globalThis as unknown as {getComputedStyle: any}).getComputedStyle(element)
  const paperOf = (element: any): string => {
    for (let e = element; e !== null; e = e.parentElement) {
      const color = style(e).backgroundColor as string
      const isOpaque = color.startsWith('rgb(')
      if (isOpaque) return color
    }
    return 'rgb(255, 255, 255)'
  }
  const clipped: string[] = []
  const svgs = [...page.querySelectorAll('svg')]
  for (const svg of svgs) {
    const frame = svg.getBoundingClientRect()
    for (const text of svg.querySelectorAll('text')) {
      const box = text.getBoundingClientRect()
      const isOut =
        box.left < frame.left - 1 ||
        box.right > frame.right + 1 ||
        box.top < frame.top - 1 ||
        box.bottom > frame.bottom + 1
      if (isOut) clipped.push(text.textContent)
    }
  }
  let contrast = Infinity
  let faintest = ''
  for (const element of page.querySelectorAll(
    'h1, h2, h3, p, li, span, b, td:not(.none), th, pre, summary, svg text',
  )) {
    const isDrawn = element.namespaceURI.endsWith('svg')
    const ink = light(isDrawn ? style(element).fill : style(element).color)
    const paper = light(paperOf(element))
    const ratio = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
    if (element.textContent.trim() !== '' && ratio < contrast) {
      contrast = ratio
      faintest = `${element.tagName}.${element.getAttribute('class')}: ${element.textContent.slice(0, 40)}`
    }
  }
  const {scrollWidth, scrollHeight} = page.documentElement
  const measured: Measured = {
    isDark: (globalThis as unknown as {matchMedia: any}).matchMedia('(prefers-color-scheme: dark)').matches,
    width: scrollWidth,
    innerWidth: (globalThis as unknown as {innerWidth: number}).innerWidth,
    height: scrollHeight,
    pictures: svgs.length,
    empty: svgs.filter((svg) => svg.getBoundingClientRect().width < 50 || svg.getBoundingClientRect().height < 20)
      .length,
    clipped,
    contrast,
    faintest,
  }
  page.body.replaceChildren(JSON.stringify(measured))
}

async function browse(page: string, ...flags: string[]): Promise<{output: string; console: string[]}> {
  const dir = tempDir('browser')
  const file = join(dir.path, 'report.html')
  writeFileSync(file, page)
  const all = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--enable-logging=stderr',
    `--user-data-dir=${dir.path}`,
    ...flags,
  ]
  const options = {timeout: 50_000, killSignal: 'SIGKILL' as const, maxBuffer: 64 * 1024 * 1024}
  const {stdout, stderr} = await run('chromium', [...all, '--dump-dom', pathToFileURL(file).href], options)
  return {output: stdout, console: stderr.split('\n').filter((line) => line.includes('CONSOLE'))}
}

async function measure(page: string, ...flags: string[]): Promise<Measured> {
  const open = page.replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/, '')
  const {output} = await browse(open.replace('</body>', `<script>(${probe.toString()})()</script></body>`), ...flags)
  return JSON.parse(output.slice(output.indexOf('{"isDark"'), output.lastIndexOf('}') + 1)) as Measured
}

test.each([
  ['light, wide', false, 1_280, []],
  ['dark, wide', true, 1_280, ['--blink-settings=preferredColorScheme=0']],
  ['light, narrow', false, 500, []],
] as const)('%s: everything is in its place and can be read', async (_, isDark, width, flags) => {
  const measured = await measure(reportHtml(makeRecord()), `--window-size=${width},900`, ...flags)
  expect(measured).toMatchObject({isDark, pictures: 8, empty: 0, clipped: []})
  expect(measured.width).toBeLessThanOrEqual(measured.innerWidth)
  expect(measured.height).toBeGreaterThan(1_500)
  expect(measured.contrast, measured.faintest).toBeGreaterThanOrEqual(4.5)
})

test('a run of six hours is in its place too', async () => {
  const measured = await measure(reportHtml(makeRecord({}, 360)), '--window-size=1280,900')
  expect(measured).toMatchObject({empty: 0, clipped: []})
  expect(measured.width).toBeLessThanOrEqual(measured.innerWidth)
})

test('the browser has nothing to say about the page, and would say it', async () => {
  const page = reportHtml(makeRecord())
  expect((await browse(page)).console).toEqual([])
  const spoilt = page.replace('</body>', '<script>1</script></body>')
  expect((await browse(spoilt)).console.join()).toContain('Content Security Policy')
})
