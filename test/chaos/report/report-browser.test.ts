/**
 * The report in a real browser, Debian's chromium without a window: nothing is refused or wrong on its console, nothing sticks out of the page or of a picture, and its text can be
 * read, in light and in dark, on a wide screen and on a narrow one. A probe at the end of the page (probe.js) measures; the page's own policy, which forbids that, is taken out for it.
 */
import {execFile} from 'node:child_process'
import {readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {pathToFileURL} from 'node:url'
import {promisify} from 'node:util'
import {expect, test} from 'vitest'
import {reportHtml} from '../../../src/chaos/report/report.ts'
import {tempDir} from '../../support/temp.ts'
import {makeRecord} from './record.ts'

const run = promisify(execFile)

const PROBE = readFileSync(new URL('probe.js', import.meta.url), 'utf8')

interface Measured {
  readonly isDark: boolean
  /** Of the page, px. */
  readonly width: number
  readonly windowWidth: number
  readonly height: number
  readonly pictures: number
  /** Pictures without a size. */
  readonly empty: number
  /** Texts that stick out of their picture. */
  readonly clipped: readonly string[]
  readonly faintest: {readonly contrast: number; readonly text: string}
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
  const {output} = await browse(
    open.replace('</body>', () => `<script>{${PROBE}}</script></body>`),
    ...flags,
  )
  return JSON.parse(output.slice(output.indexOf('{"isDark"'), output.lastIndexOf('}') + 1)) as Measured
}

test.each([
  ['light, wide', false, 1_280, []],
  ['dark, wide', true, 1_280, ['--blink-settings=preferredColorScheme=0']],
  ['light, narrow', false, 500, []],
] as const)('%s: everything is in its place and can be read', async (_, isDark, width, flags) => {
  const measured = await measure(reportHtml(makeRecord()), `--window-size=${width},900`, ...flags)
  expect(measured).toMatchObject({isDark, pictures: 8, empty: 0, clipped: []})
  expect(measured.width).toBeLessThanOrEqual(measured.windowWidth)
  expect(measured.height).toBeGreaterThan(1_500)
  expect(measured.faintest.contrast, measured.faintest.text).toBeGreaterThanOrEqual(4.5)
})

test('a run of six hours is in its place too', async () => {
  const measured = await measure(reportHtml(makeRecord({}, 360)), '--window-size=1280,900')
  expect(measured).toMatchObject({empty: 0, clipped: []})
  expect(measured.width).toBeLessThanOrEqual(measured.windowWidth)
})

test('the browser has nothing to say about the page, and would say it', async () => {
  const page = reportHtml(makeRecord())
  expect((await browse(page)).console).toEqual([])
  const spoilt = page.replace('</body>', '<script>1</script></body>')
  expect((await browse(spoilt)).console.join()).toContain('Content Security Policy')
})
