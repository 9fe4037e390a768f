/** The report of a run: what it says, that nothing in it is taken for markup, and its JSON. */
import {mkdtempSync, readdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {describe, expect, test} from 'vitest'
import {faultFigures} from '../../../src/chaos/report/fault-figures.ts'
import {clock, duration, median} from '../../../src/chaos/report/figures.ts'
import {escapeMarkup, markup} from '../../../src/chaos/report/markup.ts'
import {reportHtml, reportJson} from '../../../src/chaos/report/report.ts'
import {writeReport} from '../../../src/chaos/report/write-report.ts'
import {tempDir} from '../../support/temp.ts'
import {makeRecord} from './record.ts'
import type {FaultKind, FaultRecord} from '../../../src/chaos/driver.ts'
import type {RunRecord} from '../../../src/chaos/run-record.ts'

/** Elements that are never closed. */
const VOID = new Set(['meta', 'br', '!doctype'])

/** Throws unless every element is closed where it should be; returns how many there are of each name. */
function elementsOf(page: string): Map<string, number> {
  const open: string[] = []
  const counts = new Map<string, number>()
  const body = page.replace(/<style>.*?<\/style>/s, '')
  for (const [, slash, name, rest] of body.matchAll(/<(\/?)([!a-z][a-z0-9]*)((?:[^<>"]|"[^"<>]*")*)>/g)) {
    if (slash === '/') {
      const last = open.pop()
      if (last !== name) throw new Error(`</${name}> closes <${last}>`)
      continue
    }
    counts.set(name!, (counts.get(name!) ?? 0) + 1)
    if (!VOID.has(name!) && !rest!.endsWith('/')) open.push(name!)
  }
  if (open.length > 0) throw new Error(`left open: ${open.join(' ')}`)
  const strays = body.replace(/<(\/?)([!a-z][a-z0-9]*)((?:[^<>"]|"[^"<>]*")*)>/g, '').match(/[<>]/)
  if (strays) throw new Error('a < or > that belongs to no element')
  return counts
}

const nothing: RunRecord = makeRecord({
  samples: [],
  faults: [],
  outages: [],
  checks: [],
  findings: [],
  memory: [],
  events: [],
  reasons: ['no operation succeeded'],
  verdict: 'void',
})

describe('the page', () => {
  test('is well formed, of a full run, a long one, a broken one and an empty one', () => {
    expect(elementsOf(reportHtml(makeRecord())).get('svg')).toBe(8)
    elementsOf(reportHtml(makeRecord({}, 360)))
    elementsOf(reportHtml(nothing))
    elementsOf(reportHtml(makeRecord({durationMs: 0, samples: []})))
    expect(() => elementsOf('<p><b></p>')).toThrow()
  })

  test('loads nothing and runs nothing', () => {
    const page = reportHtml(makeRecord())
    expect(page).not.toMatch(/https?:|<script|<link|src=|url\(|@import|javascript:/)
    expect(page).toContain("default-src 'none'")
  })

  test.each([
    ['pass', '0 violations in 1,082,715 checked operations under'],
    ['violation', '2 violations in 1,082,715 checked operations under'],
    ['void', '0 violations in'],
  ] as const)('a %s is said in words that claim no more than was run', (verdict, words) => {
    const record = makeRecord({verdict, checks: []})
    const isBad = verdict === 'violation'
    const page = reportHtml(isBad ? record : {...record, findings: [], totals: {...record.totals, findings: 0}})
    expect(page).toContain(`<span class="verdict ${verdict}">${verdict}</span>`)
    expect(page).toContain(`<h1>${words}`)
    expect(page).toContain(record.command)
  })

  test('what was not checked is said', () => {
    const page = reportHtml(makeRecord())
    const part = page.slice(page.indexOf('What was not'), page.indexOf('<h2>Violations'))
    expect(part).toContain('The data log is replayed into a fresh cluster: redis has none')
    expect(part).toContain('No operations on: transactions over two keys')
    expect(part).toContain('1 key with too many operations at once to judge all of them: undecided')
    expect(part).toContain('Whether 1,200 operations without an answer happened')
  })

  test('a check that is wrong at the end is in the first line', () => {
    expect(reportHtml(makeRecord())).toMatch(/<h1>[^<]*, 1 check wrong at the end<\/h1>/)
  })

  test('nothing of the run is taken for markup', () => {
    const evil = '"><script>alert(1)</script><b x=\'&'
    const fault: FaultRecord = {kind: 'kill', places: [evil], beganMs: 1, endedMs: null, note: evil, error: evil}
    const page = reportHtml(
      makeRecord({
        reasons: [evil],
        system: evil,
        systemVersion: evil,
        machine: evil,
        command: evil,
        startedAt: evil,
        settings: {[evil]: evil},
        faults: [fault, {...fault, error: ''}],
        checks: [{what: evil, result: 'wrong', detail: evil}],
        events: [{atMs: 1, text: evil}],
        findings: makeRecord().findings.map((finding) => ({
          ...finding,
          key: evil,
          reason: evil,
          operations: finding.operations.map((operation) => ({...operation, key: evil, value: evil, node: evil})),
        })),
      }),
    )
    expect(page).not.toContain('<script')
    expect(page).toContain('&lt;script&gt;')
    elementsOf(page)
  })

  test('a violation is drawn: a lane for each client, what contradicts each other marked', () => {
    const page = reportHtml(makeRecord())
    const picture = page.slice(page.indexOf('register:17:'), page.indexOf('<h2>Over time'))
    expect([...picture.matchAll(/class="lane"[^>]*>([^<]*)/g)].map(([, name]) => name)).toEqual([
      'client 0',
      'client 1',
      'client 2',
      'client 3',
      'client 5',
    ])
    const culprits = [...picture.matchAll(/culprit *"><title>([^<]*)/g)].map(([, title]) => title)
    expect(culprits).toEqual(['write v104 at n1', 'write v105 at n2', 'read v105 at n3', 'read v104 at n4'])
    expect(picture).toContain('write v107 at n3, failed')
    expect(picture).toContain('write v106 at n1, unknown')
  })
})

describe('markup', () => {
  test('escapes what is put in, but not what it made itself', () => {
    expect(markup`<b>${'<i>'}${markup`<u>${'&'}</u>`}</b>${[markup`<p></p>`]}${null}${3}`.text).toBe(
      '<b>&lt;i&gt;<u>&amp;</u></b><p></p>3',
    )
  })

  test('what no document may hold is replaced', () => {
    expect(escapeMarkup('a\u0000b\ud800c\u{1f600}\t')).toBe('a\ufffdb\ufffdc\u{1f600}\t')
  })
})

describe('figures of faults', () => {
  const fault = (kind: FaultKind, beganMs: number, endedMs: number | null, error = ''): FaultRecord => {
    return {kind, places: ['n1'], beganMs, endedMs, note: '', error}
  }

  test('the median and the worst of the longest outage of each fault that fired', () => {
    const faults = [fault('kill', 0, 1_000), fault('kill', 20_000, 21_000), fault('kill', 40_000, 41_000, 'no node')]
    const outages = [
      {beganMs: 100, endedMs: 900, key: 'a', during: ['kill' as const]},
      {beganMs: 200, endedMs: 300, key: 'b', during: ['kill' as const]},
      {beganMs: 20_100, endedMs: 20_500, key: 'a', during: ['kill' as const]},
      {beganMs: 20_000, endedMs: 29_000, key: 'a', during: ['pause' as const]},
      {beganMs: 30_000, endedMs: 39_000, key: 'a', during: ['kill' as const]},
    ]
    const [kill, ...others] = faultFigures(makeRecord({faults, outages}))
    expect(others).toEqual([])
    expect(kill).toMatchObject({kind: 'kill', fired: 2, inVain: 1, medianOutageMs: 600, worstOutageMs: 800})
  })

  test('what else was under way', () => {
    const faults = [
      fault('kill', 0, 1_000),
      fault('move', 500, 2_000),
      fault('join', 1_500, null),
      fault('pause', 60_000, 61_000),
      fault('stop', 60_500, 60_600, 'in vain'),
    ]
    const phases = Object.fromEntries(faultFigures(makeRecord({faults})).map((one) => [one.kind, one.phases]))
    const none = {'nothing else': 0, 'a move': 0, 'a join': 0, 'a leave': 0, 'another fault': 0}
    expect(phases['kill']).toEqual({...none, 'a move': 1})
    expect(phases['move']).toEqual({...none, 'another fault': 1, 'a join': 1})
    expect(phases['pause']).toEqual({...none, 'a join': 1})
  })

  test('times are written as people read them', () => {
    expect([0.42, 12.4, 999, 1_200, 60_000, 200_400, 3_900_000].map(duration)).toEqual([
      '0.4 ms',
      '12 ms',
      '999 ms',
      '1.2 s',
      '1 min 00 s',
      '3 min 20 s',
      '1 h 05 min',
    ])
    expect([0, 61_000, 3_725_000].map(clock)).toEqual(['0:00', '1:01', '1:02:05'])
    expect([median([]), median([3, 1, 2]), median([4, 1])]).toEqual([0, 2, 2.5])
  })
})

describe('files', () => {
  test('report.json is the record; an end that nobody knows is null', () => {
    const record = makeRecord({findings: makeRecord().findings.slice(1)})
    const open = {...record.findings[0]!, operations: [{...record.findings[0]!.operations[0]!, end: Infinity}]}
    const read = JSON.parse(reportJson({...record, findings: [open]})) as RunRecord
    expect(read.findings[0]!.operations[0]!.end).toBeNull()
    expect({...read, findings: []}).toEqual({...record, findings: []})
    elementsOf(reportHtml(read))
  })

  test('both are written, over older ones, and nothing else is left', async () => {
    const folder = join(mkdtempSync(join(tempDir('report').path, 'x-')), 'new', 'folder')
    const record = makeRecord()
    expect(await writeReport(folder, nothing)).toEqual([join(folder, 'report.html'), join(folder, 'report.json')])
    await writeReport(folder, record)
    expect(readdirSync(folder).sort()).toEqual(['report.html', 'report.json'])
    expect(readFileSync(join(folder, 'report.html'), 'utf8')).toBe(reportHtml(record))
    expect(readFileSync(join(folder, 'report.json'), 'utf8')).toBe(reportJson(record))
  })

  test('a folder that cannot be made rejects', async () => {
    const file = join(tempDir('report').path, 'file')
    writeFileSync(file, '')
    await expect(writeReport(join(file, 'below'), makeRecord())).rejects.toThrow()
  })
})
