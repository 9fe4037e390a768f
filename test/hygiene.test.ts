/** The house rules that no compiler knows: what may stand where, how long, and that the README tells the truth. */
import {execFileSync} from 'node:child_process'
import {readFileSync, statSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {ERROR_KINDS, EXIT} from '../src/errors.ts'
import {REPO_ROOT} from './support/kv.ts'

const LINES_MAX = 400
/** Longer files, each with the reason why it is one idea. */
const LONG_FILES: Readonly<Record<string, string>> = {
  'src/core/cluster/cluster-map.ts':
    'every entry of the agreed log and its condition, beside the lines that they change',
  'src/core/engine.ts': 'joins all parts of the engine: the only file that knows all',
  'src/core/replication/master.ts': 'the life of a bucket at its master, one transition after the other',
  'src/core/keyspace/dict.ts': 'one table with linear hashing: find, grow, shrink and scan share its layout',
  'src/core/keyspace/keyspace.ts': 'every transition of a key, on the hot path',
  'src/core/keyspace/map-store.ts': 'both encodings of a map behind one set of operations',
  'src/core/keyspace/memory.ts': 'the allocator: pages, size classes and extents refer to each other',
  'test/core/cluster/cluster-map.test.ts': 'every entry of the agreed log, when it holds and when it is void',
  'test/node/node-clients.test.ts': 'everything that a client can do to a node, against one live node',
}

/** What the root may hold beside dotfiles. */
const ROOT_ENTRIES = [
  'README.md',
  'bin',
  'commands',
  'eslint.config.js',
  'package-lock.json',
  'package.json',
  'src',
  'test',
  'tsconfig.build.json',
  'tsconfig.json',
  'vitest.config.ts',
]
const ROOT_DOTFILES = ['.ci', '.dependency-cruiser.json', '.gitignore', '.prettierignore', '.prettierrc.json']

/** Everything that is or would be committed. */
const FILES = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
  cwd: REPO_ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && statSync(REPO_ROOT + path, {throwIfNoEntry: false})?.isFile())
const CODE = FILES.filter((path) => /^(src|commands|bin|test)\/.*\.(ts|js)$/.test(path))
const README = read('README.md')

function read(path: string): string {
  return readFileSync(REPO_ROOT + path, 'utf8')
}

/** `path:line` of every line of these files that matches. */
function linesMatching(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    read(path)
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${path}:${index + 1}`] : [])),
  )
}

/** Cells of the README's table rows that begin with a cell like this. */
function tableRows(first: RegExp): string[][] {
  return README.split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
    .filter(([cell]) => first.test(cell!))
}

describe('files', () => {
  test('there is something to look at', () => {
    expect(CODE.length).toBeGreaterThan(50)
  })

  test('the root holds only what must be there', () => {
    const entries = [...new Set(FILES.map((path) => path.split('/')[0]!))]
    expect(entries.filter((entry) => ![...ROOT_ENTRIES, ...ROOT_DOTFILES].includes(entry))).toEqual([])
  })

  test(`no file is longer than ${LINES_MAX} lines without a reason`, () => {
    const long = CODE.filter((path) => read(path).split('\n').length - 1 > LINES_MAX)
    expect(long.sort()).toEqual(Object.keys(LONG_FILES).sort())
  })

  test('every file under src begins with why it is there', () => {
    const silent = CODE.filter((path) => path.startsWith('src/') && !read(path).startsWith('/**'))
    expect(silent).toEqual([])
  })

  test('nothing is left to be done', () => {
    // Put together here, so that this line does not find itself.
    const marks = ['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX', 'HA' + 'CK']
    expect(linesMatching(CODE, new RegExp(`\\b(${marks.join('|')})\\b`))).toEqual([])
  })

  test('no test is left out, put off, or run alone', () => {
    const tests = CODE.filter((path) => path.startsWith('test/'))
    expect(linesMatching(tests, /\b(test|it|describe|suite)(\.\w+)*\.(only|skip|todo|fails|skipIf|runIf)\b/)).toEqual(
      [],
    )
  })

  test('no compiler or lint rule is switched off without a reason beside it', () => {
    expect(linesMatching(CODE, /@ts-(ignore|nocheck)|@ts-expect-error\s*$|eslint-disable(?!.* -- \S)/)).toEqual([])
  })
})

describe('the README', () => {
  test('has the two lines that do everything', () => {
    for (const line of ['npm ci && ./bin/kv cluster demo', 'npm ci && npm test']) {
      expect(README.split('\n')).toContain(line)
    }
  })

  test('lists every error code, with its exit code and its sentence, and no other', () => {
    const documented = tableRows(/^`E_/).map(([code, exitCode, when]) => [
      code!.replaceAll('`', ''),
      Number(exitCode),
      when,
    ])
    const known = Object.entries(ERROR_KINDS).map(([code, {exitCode, when}]) => [code, exitCode, when])
    expect(documented.sort()).toEqual(known.sort())
  })

  test('lists every exit code, and no other', () => {
    const documented = tableRows(/^\d+$/).map(([code]) => Number(code))
    expect(documented.sort((a, b) => a - b)).toEqual(Object.values(EXIT).sort((a, b) => a - b))
  })
})

describe('the manual of every command', async () => {
  const paths = FILES.filter((path) => /^commands\/.*\.ts$/.test(path))
  const commands = await Promise.all(
    paths.map(async (path) => {
      const url = new URL(`../${path}`, import.meta.url).href
      const module = (await import(url)) as {default: CommandClass}
      return {id: path.slice('commands/'.length, -'.ts'.length).replaceAll('/', ' '), command: module.default}
    }),
  )

  interface CommandClass {
    readonly summary?: string
    readonly description?: string
    readonly examples?: readonly (string | {readonly command: string})[]
    readonly enableJsonFlag: boolean
    readonly flags?: Readonly<Record<string, {readonly description?: string; readonly summary?: string}>>
    readonly args?: Readonly<Record<string, {readonly description?: string; readonly ignoreStdin?: boolean}>>
  }

  test.each(commands)('kv $id: summary, description, examples, --json', ({id, command}) => {
    expect(command.summary).toMatch(/^[A-Z].*\.$/)
    expect(command.description!.length).toBeGreaterThan(80)
    const examples = command.examples!.map((example) => (typeof example === 'string' ? example : example.command))
    expect(examples.length).toBeGreaterThan(0)
    for (const example of examples) expect(example).toContain(`<%= config.bin %> ${id}`)
    expect(command.enableJsonFlag).toBe(true)
    for (const flag of Object.values(command.flags ?? {})) expect(flag.summary ?? flag.description).toMatch(/\.$/)
    // oclif would wait for stdin to fill in an argument that is missing.
    for (const arg of Object.values(command.args ?? {}))
      expect(arg).toMatchObject({ignoreStdin: true, description: /./})
  })

  test('the README lists them all, and no other', () => {
    const documented = tableRows(/^`kv /).map(([name]) => name!.replaceAll('`', '').slice('kv '.length))
    expect(documented.sort()).toEqual(commands.map(({id}) => id).sort())
  })
})
