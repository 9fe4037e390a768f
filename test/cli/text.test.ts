/** The small pure parts of the command line. */
import {describe, expect, test} from 'vitest'
import {amountOf} from '../../src/cli/flags.ts'
import {formatReply, jsonReply, rawReply} from '../../src/cli/format-reply.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {failureLine, toFailure} from '../../src/cli/report.ts'
import {selfCommand, shellQuote} from '../../src/cli/shell.ts'
import {editDistance, nearest} from '../../src/cli/suggest.ts'
import {renderTable} from '../../src/cli/table.ts'
import {formatBytes, formatCount, parseBytes, parseCount, parseDurationMs} from '../../src/cli/units.ts'
import type {Reply} from '../../src/client/reply.ts'
import {KvError} from '../../src/errors.ts'

describe('amounts', () => {
  test('sizes are those of redis.conf', () => {
    const sizes = {
      '1k': 1000,
      '1kb': 1024,
      '512mb': 536_870_912,
      '2gb': 2_147_483_648,
      '1.5m': 1_500_000,
      '0': 0,
      '7B': 7,
    }
    for (const [text, bytes] of Object.entries(sizes)) expect([text, parseBytes(text)]).toEqual([text, bytes])
  })

  test('times and counts', () => {
    expect(['5', '250ms', '1.5s', '2m', '1h'].map(parseDurationMs)).toEqual([5_000, 250, 1_500, 120_000, 3_600_000])
    expect(['100', '100k', '1M'].map(parseCount)).toEqual([100, 100_000, 1_000_000])
  })

  test.each(['', 'mb', '-1', '1 2', '1xb', '1e3', '99999999999999999999', 'constructor', '1constructor'])(
    '"%s" is none',
    (text) => {
      expect([parseBytes(text), parseCount(text), parseDurationMs(text)]).toEqual([undefined, undefined, undefined])
      expect(() => amountOf('bytes', 'max-memory', text)).toThrow('--max-memory wants a size')
    },
  )

  test('sizes and counts are shown with the digits that matter', () => {
    expect([0, 1023, 1024, 15_728_640, 2 ** 31, 2 ** 50].map(formatBytes)).toEqual([
      '0 B',
      '1023 B',
      '1.00 KB',
      '15.0 MB',
      '2.00 GB',
      '1024 TB',
    ])
    expect(formatCount(1_234_567.8)).toBe('1,234,568')
  })
})

describe('did you mean', () => {
  test('a swap, a missing and a wrong letter are one step each', () => {
    expect([editDistance('strat', 'start'), editDistance('prt', 'port'), editDistance('host', 'most')]).toEqual([
      1, 1, 1,
    ])
    expect(editDistance('', 'abc')).toBe(3)
  })

  test('only what is near enough', () => {
    expect(nearest('--prot', ['--host', '--port'])).toBe('--port')
    expect(nearest('xyzzy', ['node', 'cluster'])).toBeUndefined()
    expect(nearest('a', [])).toBeUndefined()
  })
})

describe('lines to paste', () => {
  test('kv by the name it was called', () => {
    expect(selfCommand({})).toBe('kv')
    expect(selfCommand({KV_COMMAND: './bin/kv', PATH: '/usr/bin'})).toBe('./bin/kv')
    expect(selfCommand({KV_COMMAND: '/opt/kv/bin/kv', PATH: '/usr/bin:/opt/kv/bin'})).toBe('kv')
    expect(selfCommand({KV_COMMAND: '/opt/kv/bin/kv', PATH: '/usr/bin'})).toBe('/opt/kv/bin/kv')
  })

  test('words are quoted if a shell would read more into them', () => {
    expect(['plain-1.2:3', 'a b', "it's", '$HOME', ''].map(shellQuote)).toEqual([
      'plain-1.2:3',
      `'a b'`,
      `'it'\\''s'`,
      `'$HOME'`,
      `''`,
    ])
  })

  test('prose joins lines and keeps paragraphs', () => {
    expect(prose`
      One
      sentence.

      Limit ${5}.
    `).toBe('One sentence.\n\nLimit 5.')
  })
})

describe('errors', () => {
  const where = {commandId: 'node:start'}

  test('ours keep code, exit code and hint', () => {
    const failure = toFailure(new KvError('E_PORT_IN_USE', 'Port 1 is taken.', 'Try `kv node start --port 0`.'), where)
    expect(failure).toMatchObject({code: 'E_PORT_IN_USE', exitCode: 1})
    expect(failureLine(failure)).toBe('Port 1 is taken. Try `kv node start --port 0`.')
  })

  test('anything else is a bug of ours and says where', () => {
    const failure = toFailure(new TypeError('x is not\n a function'), where)
    expect(failure).toMatchObject({code: 'E_INTERNAL', exitCode: 1})
    expect(failure.message).toMatch(/^This is a bug in kv: x is not a function \(at .*text\.test\.ts.*\)\.$/)
    expect(toFailure('thrown text', where).message).toBe('This is a bug in kv: thrown text.')
  })
})

describe('table', () => {
  test('columns of text, cut well, without a trace of colour or frame', () => {
    const table = renderTable(
      [{title: 'NAME'}, {title: 'N', align: 'right'}],
      [
        ['a', '1'],
        ['longer', '22'],
      ],
    )
    expect(table).toBe('NAME     N\na        1\nlonger  22')
  })

  test('no rows are just the titles', () => {
    expect(renderTable([{title: 'A'}, {title: 'B'}], [])).toBe('A  B')
  })
})

describe('progress', () => {
  function run(isTTY: boolean, times: readonly number[]): string[] {
    const written: string[] = []
    let nowMs = 0
    const progress = new Progress({isTTY, columns: 12, write: (text) => written.push(text)}, () => nowMs)
    for (const time of times) {
      nowMs = time
      progress.update(() => `at ${time} and then some`)
    }
    progress.done()
    progress.done()
    return written
  }

  test('on a terminal: one line, cut to its width, written over at most ten times a second, taken away', () => {
    expect(run(true, [0, 50, 120])).toEqual(['\r\x1b[2Kat 0 and th', '\r\x1b[2Kat 120 and ', '\r\x1b[2K'])
  })

  test('elsewhere: nothing at first, then a plain line every five seconds', () => {
    expect(run(false, [0, 1_000, 5_000, 6_000, 10_000])).toEqual([
      'at 5000 and then some\n',
      'at 10000 and then some\n',
    ])
  })
})

describe('replies', () => {
  const samples: [Reply, string, string, unknown][] = [
    [null, '(nil)', '', null],
    [true, '(true)', 'true', true],
    ['OK', 'OK', 'OK', 'OK'],
    [7, '(integer) 7', '7', 7],
    [2n ** 60n, '(integer) 1152921504606846976', '1152921504606846976', '1152921504606846976'],
    [Buffer.from('a"\n\x01é'), String.raw`"a\"\n\x01\xc3\xa9"`, 'a"\n\x01é', 'a"\n\x01é'],
    [[], '(empty array)', '', []],
    [{kind: 'error', text: 'ERR no'}, '(error) ERR no', 'ERR no', {error: 'ERR no'}],
    [{kind: 'double', value: 1.5}, '(double) 1.5', '1.5', 1.5],
    [{kind: 'double', value: -Infinity}, '(double) -inf', '-inf', '-inf'],
    [{kind: 'bigNumber', value: 12n}, '(big number) 12', '12', '12'],
    [{kind: 'verbatim', format: 'txt', data: Buffer.from('plain\ntext')}, 'plain\ntext', 'plain\ntext', 'plain\ntext'],
    [{kind: 'set', items: [1]}, '1~ (integer) 1', '1', [1]],
    [{kind: 'map', entries: []}, '(empty hash)', '', {}],
    [{kind: 'map', entries: [[1, 'x']]}, '1# (integer) 1 => x', '1\nx', [[1, 'x']]],
  ]

  test.for(samples)('kind %#: for a terminal, a pipe and JSON', ([reply, terminal, raw, json]) => {
    expect(formatReply(reply)).toBe(terminal)
    expect(rawReply(reply).toString()).toBe(raw)
    expect(jsonReply(reply)).toEqual(json)
  })

  test('nested elements stand under each other, as in redis-cli', () => {
    const reply = [1, [Buffer.from('a'), [null, 2]], {kind: 'map', entries: [['k', [3, 4]]]}] as const
    expect(formatReply(reply)).toBe(
      [
        '1) (integer) 1',
        '2) 1) "a"',
        '   2) 1) (nil)',
        '      2) (integer) 2',
        '3) 1# k => 1) (integer) 3',
        '      2) (integer) 4',
      ].join('\n'),
    )
  })

  test('numbers line up when there are ten', () => {
    expect(
      formatReply(Array.from({length: 10}, () => 1))
        .split('\n')
        .slice(8),
    ).toEqual([' 9) (integer) 1', '10) (integer) 1'])
  })
})
