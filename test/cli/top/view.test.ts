/** kv top as lines: they fit whatever terminal there is, and keys change what is shown. */
import {describe, expect, test} from 'vitest'
import {nextModel} from '../../../src/cli/top/model.ts'
import {FIRST_UI, press, shownNodes, type Key, type Ui} from '../../../src/cli/top/ui.ts'
import {durationText, frameLines, type Frame} from '../../../src/cli/top/view.ts'
import {member, snapshot, state, words} from './make.ts'

const cluster = state([member(1), member(2, {isDown: true}), member(3, {masters: 7_000})], {isBalancing: true})
const said = (calls: number, memory: number) =>
  words({
    total_commands_processed: calls,
    used_memory: memory,
    connected_clients: 2,
    cmdstat_get: `calls=${calls},usec=${calls}`,
  })
const first = nextModel(null, snapshot(1, cluster, {1: said(0, 5_000), 3: said(0, 9_000)}))
const model = nextModel(first, snapshot(2, cluster, {1: said(300, 5_000), 3: 'it has said "\u001b[2J\u202e"'}))

const frame = (fields: Partial<Frame> = {}): Frame => ({
  model,
  ui: FIRST_UI,
  buckets: null,
  width: 100,
  height: 20,
  ...fields,
})
const texts = (fields: Partial<Frame> = {}): string[] => frameLines(frame(fields)).map(({text}) => text)
const key = (name: string, text = name.length === 1 ? name : '', ctrl = false): Key => ({name, text, ctrl})
const after = (...keys: readonly Key[]): Ui | null =>
  keys.reduce<Ui | null>((ui, one) => (ui === null ? null : press(ui, one, model)), FIRST_UI)

describe('lines', () => {
  test('the table of nodes, sick ones in red, the chosen one under the cursor', () => {
    const lines = frameLines(frame())
    expect(lines[0]).toEqual({text: '3 nodes (2 not well)   300 ops/s   leader 10.0.0.1:7379', look: 'warn'})
    expect(lines[1]!.text).toBe('under way: balancing')
    expect(lines[2]!.text).toMatch(
      /^NODE +ROLE +STATE +MASTERS +COPIES +OPS\/S +P50 +P99 +MEMORY +CLIENTS +BEHIND +LOG$/,
    )
    expect(lines[3]).toMatchObject({
      look: 'cursor',
      text: expect.stringMatching(/^10\.0\.0\.1:7379 +leader +up +5,000 +10,000 +300 /) as string,
    })
    expect(lines[4]).toMatchObject({look: 'bad', text: expect.stringContaining('down') as string})
    expect(texts().join('\n')).toMatch(/LAST EVENTS \(UTC\)\n10:00:02 {2}10\.0\.0\.3:7379 does not answer/)
    expect(lines.at(-1)!.text).toBe('?:help q:quit s:sort address')
  })

  test('never more or longer than there is room for, and nothing that moves the cursor, on any screen', () => {
    const many = state(Array.from({length: 9}, (_, i) => member(i + 1, {host: `node-${i}.very-long-name.example.com`})))
    const crowd = nextModel(null, snapshot(1, many, {1: 'bad \u001b[31m\r\n\u4e2d\u6587'}))
    const row = {
      bucket: 1,
      opsPerSecond: 5e9,
      bytesInPerSecond: 1e12,
      bytesOutPerSecond: 1e12,
      keys: 1,
      master: 'm'.repeat(90),
    }
    for (const width of [1, 3, 20, 80, 200]) {
      for (const height of [1, 2, 5, 24, 60]) {
        for (const shown of [model, crowd]) {
          for (const screen of ['nodes', 'node', 'buckets', 'help'] as const) {
            const lines = texts({
              width,
              height,
              model: shown,
              ui: {...FIRST_UI, screen},
              buckets: Array.from({length: 50}, () => row),
            })
            expect(lines).toHaveLength(height)
            for (const line of lines) {
              expect(line.length).toBeLessThanOrEqual(width)
              expect(line).toMatch(/^[ -~]*$/)
            }
          }
        }
      }
    }
  })

  test('20 columns: who it is and how busy', () => {
    expect(texts({width: 20, height: 10})[2]).toMatch(/^NODE +OPS\/S$/)
    expect(texts({width: 16, height: 10}).slice(2, 4)).toEqual(['NODE       OPS/S', '~0.1:7379    300'])
    expect(texts({width: 12, height: 10})[2]).toBe('NODE')
  })

  test('a chosen row is in view, however many there are', () => {
    const many = state(Array.from({length: 9}, (_, i) => member(i + 1)))
    const crowd = nextModel(null, snapshot(1, many))
    const lines = texts({model: crowd, height: 6, ui: {...FIRST_UI, selected: '8'.repeat(40)}})
    expect(lines.join('\n')).toContain('10.0.0.8:7379')
    expect(lines.join('\n')).not.toContain('10.0.0.1:7379  ')
  })

  test('a node looked into: its words, its commands; buckets; nobody answers', () => {
    const node = texts({ui: {...FIRST_UI, screen: 'node', selected: '1'.repeat(40)}}).join('\n')
    expect(node).toContain('requests  300/s, p50 -, p99 -')
    expect(node).toMatch(/COMMANDS\nget +300\/s +1\.0 us/)
    expect(texts({ui: {...FIRST_UI, screen: 'node', selected: '3'.repeat(40)}}).join('\n')).toContain(
      'silent: it has said',
    )
    const row = {
      bucket: 77,
      opsPerSecond: 5,
      bytesInPerSecond: 1_024,
      bytesOutPerSecond: 0,
      keys: 1,
      master: '10.0.0.1:7379',
    }
    expect(texts({ui: {...FIRST_UI, screen: 'buckets'}, buckets: [row]}).join('\n')).toContain(
      '    77           5    1.00 KB        0 B  10.0.0.1:7379',
    )
    const gone = nextModel(model, snapshot(3, null))
    expect(frameLines(frame({model: gone}))[0]).toEqual({text: 'no node answers: nothing listens there.', look: 'bad'})
  })

  test.each([
    [null, '-'],
    [63, '63 us'],
    [2_047, '2.0 ms'],
    [1_048_575, '1.05 s'],
  ])('%s us are %s', (us, text) => {
    expect(durationText(us)).toBe(text)
  })
})

describe('keys', () => {
  test('q and Ctrl-C end it; b, ?, enter and escape go from screen to screen', () => {
    expect(after(key('q'))).toBeNull()
    expect(after(key('c', '\u0003', true))).toBeNull()
    expect(after(key('b'))).toMatchObject({screen: 'buckets'})
    expect(after(key('b'), key('escape'))).toMatchObject({screen: 'nodes'})
    expect(after(key('', '?'))).toMatchObject({screen: 'help'})
    expect(after(key('down'), key('return'))).toMatchObject({screen: 'node', selected: '2'.repeat(40)})
    expect(after(key('up'), key('return'), key('left'))).toMatchObject({screen: 'nodes', selected: '1'.repeat(40)})
    expect(after(key('f5', ''))).toEqual(FIRST_UI)
  })

  test('s sorts by the next column, the largest first', () => {
    const order = (ui: Ui): string[] => shownNodes(ui, model).map(({address}) => address)
    expect(order(FIRST_UI)).toEqual(['10.0.0.1:7379', '10.0.0.2:7379', '10.0.0.3:7379'])
    const masters = Array.from({length: 5}, () => key('s')).reduce((ui, one) => press(ui, one, model)!, FIRST_UI)
    expect(masters.sort).toBe('masters')
    expect(order(masters)[0]).toBe('10.0.0.3:7379')
    expect(press(masters, key('s'), model)!.sort).toBe('address')
  })

  test('/ takes what is typed, q too, until enter; escape takes it away', () => {
    const typed = after(key('', '/'), key('d'), key('q'), key('backspace'), key('o'), key('return'))!
    expect(typed).toMatchObject({filter: 'do', isTyping: false})
    expect(shownNodes(typed, model).map(({address}) => address)).toEqual(['10.0.0.2:7379'])
    expect(texts({ui: {...typed, isTyping: true}}).at(-1)).toBe('filter: do_')
    expect(after(key('', '/'), key('d'), key('escape'))).toMatchObject({filter: '', isTyping: false})
    expect(press(typed, key('escape'), model)).toMatchObject({filter: ''})
  })
})
