/** Hints and completion, with the commands of a real node and of the CLI. */
import {beforeAll, describe, expect, test} from 'vitest'
import {complete} from '../../src/repl/completion.ts'
import {helpText} from '../../src/repl/help.ts'
import {hintFor} from '../../src/repl/hints.ts'
import {Chalk} from 'chalk'
import {realCatalogue} from './catalogue.ts'
import type {Catalogue} from '../../src/repl/catalogue.ts'
import type {Sources} from '../../src/repl/completion.ts'

let catalogue: Catalogue
beforeAll(async () => {
  catalogue = await realCatalogue()
})

const KEYS = ['user:1', 'user:2', 'with blank', 'ümlaut']
const SOURCES: Sources = {
  nodes: () => ['127.0.0.1:7379', '127.0.0.1:7380', 'ab12cd34'],
  keys: async (prefix) =>
    KEYS.map((key) => Buffer.from(key)).filter((key) => key.subarray(0, prefix.length).equals(prefix)),
  fields: async (key, prefix) =>
    (key.toString() === 'user:1' ? ['name', 'nick'] : [])
      .filter((field) => field.startsWith(prefix.toString()))
      .map((field) => Buffer.from(field)),
}

async function offered(line: string): Promise<string[]> {
  return (await complete(line, catalogue, SOURCES))[0]
}

describe('hints', () => {
  test.each([
    ['get', ' key'],
    ['get ', 'key'],
    ['GET a', ''],
    ['se', ''],
    ['expire a ', 'seconds [NX | XX | GT | LT]'],
    ['expire a 10 ', '[NX | XX | GT | LT]'],
    ['expire a 10 NX ', ''],
    ['hset user ', 'field value [field value ...]'],
    ['hset user name ', 'value [field value ...]'],
    ['hset user name ada ', '[field value ...]'],
    ['mget a ', '[key ...]'],
    ['set a b EX ', expect.stringMatching(/^seconds \[NX \| XX/)],
    ['set a b EX 10 ', expect.not.stringContaining('PX')],
    ['config get ', 'parameter [parameter ...]'],
    ['watch ', 'key [key ...] | seconds command'],
    ['watch balance ', '[key ...]'],
    ['watch 1 get ', 'key'],
    ['buckets move ', expect.stringMatching(/^\[RANGES\] \[--node/)],
    ['buckets move 0-9 --to x ', expect.not.stringContaining('--to')],
    ['get a | ', ''],
    ['get "a', ''],
  ])('behind %j', (line, hint) => {
    expect(hintFor(line, catalogue)).toEqual(hint)
  })

  test('of a container are its subcommands', () => {
    expect(hintFor('config ', catalogue)).toContain('get | ')
  })
})

describe('completion', () => {
  test.each([
    ['hget', ['hget', 'hgetall', 'hgetdel', 'hgetex']],
    ['HGETA', ['HGETALL']],
    ['buckets li', ['list']],
    ['cluster stat', expect.arrayContaining(['state', 'status'])],
    ['config ge', ['get']],
    ['get user:', ['user:1', 'user:2']],
    ['get with', ['"with blank"']],
    ['get "with', ['"with blank"']],
    ['get ü', ['ümlaut']],
    ['hget user:1 n', ['name', 'nick']],
    ['hget user:9 n', []],
    ['set a b e', expect.arrayContaining(['ex', 'exat'])],
    ['set a b E', expect.arrayContaining(['EX', 'EXAT'])],
    ['node stop 127', ['127.0.0.1:7379', '127.0.0.1:7380']],
    ['buckets move 0-1 --t', expect.arrayContaining(['--to'])],
    ['buckets move 0-1 --to ab', ['ab12cd34']],
    ['use ', ['127.0.0.1:7379', '127.0.0.1:7380', 'ab12cd34']],
    ['on al', ['all']],
    ['watch 1 get user:1', ['user:1']],
    ['help clu', ['cluster']],
    ['nonsense x', []],
    ['get a | j', []],
  ])('of %j', async (line, expected) => {
    expect(await offered(line)).toEqual(expected)
  })

  test('of an empty line is everything', async () => {
    expect(await offered('')).toEqual(expect.arrayContaining(['get', 'buckets', 'help', 'watch']))
  })
})

describe('help', () => {
  const style = new Chalk({level: 0})

  test('of nothing lists all', () => {
    const text = helpText(catalogue, [], style)!
    for (const word of ['watch seconds command', 'buckets move', 'cluster status', 'hgetall'])
      expect(text).toContain(word)
  })

  test('of one command is its manual', () => {
    expect(helpText(catalogue, ['expire'], style)).toMatch(
      /^EXPIRE key seconds \[NX \| XX \| GT \| LT\]\n\S.*\.\ngroup generic, since 1.0.0/,
    )
    expect(helpText(catalogue, ['buckets'], style)).toContain('buckets rebalance')
    expect(helpText(catalogue, ['nonsense'], style)).toBeUndefined()
  })

  test('every command has a hint that can be written, and a manual', () => {
    for (const name of [...catalogue.data.keys(), ...catalogue.admin.keys()]) {
      expect(hintFor(`${name} `, catalogue)).not.toContain('undefined')
      if (catalogue.find([...name.split(' '), ''])?.kind === 'data')
        expect(helpText(catalogue, name.split(' '), style)).toContain(name.split(' ')[0]!.toUpperCase())
    }
  })
})
