/** The rules of lint and layers, each against a line that breaks it: a rule that never fails proves nothing. */
import {cruise, type ICruiseOptions, type ICruiseResult} from 'dependency-cruiser'
import {ESLint} from 'eslint'
import {mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {dirname} from 'node:path'
import {describe, expect, test} from 'vitest'
import {REPO_ROOT} from './support/kv.ts'
import {tempDir} from './support/temp.ts'

describe('purity of the core', () => {
  const eslint = new ESLint({cwd: REPO_ROOT})

  /** Rules that a line breaks if it stood in this file. */
  async function brokenRules(path: string, line: string): Promise<string[]> {
    const [result] = await eslint.lintText(`${line}\n`, {filePath: REPO_ROOT + path})
    return [...new Set(result!.messages.map(({ruleId, message}) => ruleId ?? message))]
  }

  test.each([
    ['no-restricted-globals', 'export const now = Date.now()'],
    ['no-restricted-globals', 'export const now = performance.now()'],
    ['no-restricted-globals', 'setTimeout(() => {}, 1)'],
    ['no-restricted-globals', 'setImmediate(() => {})'],
    ['no-restricted-globals', 'export const env = process.env'],
    ['no-restricted-globals', "console.log('x')"],
    ['no-restricted-properties', 'export const chance = Math.random()'],
    ['no-restricted-imports', "export {readFileSync} from 'node:fs'"],
    ['no-restricted-imports', "import {gzip} from 'node:zlib'\nexport const zip = gzip"],
    ['no-restricted-syntax', 'export async function wait(): Promise<void> {}'],
    ['no-restricted-syntax', 'export const wait = new Promise<void>((resolve) => resolve())'],
  ])('%s refuses %j', async (rule, line) => {
    expect(await brokenRules('src/base/assert.ts', line)).toContain(rule)
    expect(await brokenRules('src/cli/units.ts', line)).not.toContain(rule)
  })

  test('crc32 and Buffer are let in', async () => {
    const line = "import {crc32} from 'node:zlib'\nexport const sum = crc32(Buffer.from('x'))"
    expect(await brokenRules('src/base/assert.ts', line)).toEqual([])
  })
})

describe('layers', () => {
  /** Names of the rules that a tree of made-up files breaks. */
  async function brokenRules(files: Readonly<Record<string, string>>): Promise<string[]> {
    const dir = tempDir('layers')
    for (const [path, text] of Object.entries({'bin/run.js': '', 'commands/none.ts': '', ...files})) {
      mkdirSync(dirname(`${dir.path}/${path}`), {recursive: true})
      writeFileSync(`${dir.path}/${path}`, text)
    }
    const config = JSON.parse(readFileSync(`${REPO_ROOT}.dependency-cruiser.json`, 'utf8')) as {
      forbidden: NonNullable<ICruiseOptions['ruleSet']>['forbidden']
      options: ICruiseOptions
    }
    const {forbidden, options} = config
    const {output} = await cruise(['bin', 'commands', 'src'], {
      ...options,
      baseDir: dir.path,
      validate: true,
      ruleSet: {forbidden: forbidden!},
    })
    dir.remove()
    return [...new Set((output as ICruiseResult).summary.violations.map(({rule}) => rule.name))]
  }

  const NOTHING = 'export const nothing = 0\n'

  test.each([
    ['no-cycles', {'src/base/a.ts': "import './b.ts'", 'src/base/b.ts': "import './a.ts'"}],
    ['base-stands-alone', {'src/base/a.ts': "import '../core/b.ts'", 'src/core/b.ts': NOTHING}],
    ['codecs-stand-on-base', {'src/resp/a.ts': "import '../record/b.ts'", 'src/record/b.ts': NOTHING}],
    ['core-is-pure', {'src/core/a.ts': "import '../node/b.ts'", 'src/node/b.ts': NOTHING}],
    ['core-is-pure', {'src/core/a.ts': "import 'node:fs'"}],
    ['client-knows-no-server', {'src/client/a.ts': "import '../record/b.ts'", 'src/record/b.ts': NOTHING}],
    ['node-knows-no-command-line', {'src/node/a.ts': "import '../cli/b.ts'", 'src/cli/b.ts': NOTHING}],
    [
      'commands-and-services-stay-out-of-the-core',
      {'commands/a.ts': "import '../src/core/b.ts'", 'src/core/b.ts': NOTHING},
    ],
    ['nothing-imports-commands-or-tests', {'src/cli/a.ts': "import '../../test/b.ts'", 'test/b.ts': NOTHING}],
    ['no-unresolvable', {'src/base/a.ts': "import './missing.ts'"}],
  ])('%s refuses %j', async (rule, files) => {
    expect(await brokenRules(files)).toContain(rule)
  })

  test('what the design allows is allowed', async () => {
    const files = {
      'src/base/a.ts': NOTHING,
      'src/constants.ts': "import './base/a.ts'",
      'src/record/b.ts': "import {crc32} from 'node:zlib'\nimport '../constants.ts'\nexport const sum = crc32",
      'src/core/c.ts': "import '../record/b.ts'\nimport '../base/a.ts'",
      'src/node/d.ts': "import 'node:net'\nimport '../core/c.ts'",
      'src/cli/e.ts': "import '../node/d.ts'",
      'commands/f.ts': "import '../src/cli/e.ts'",
      // Types may name each other: they are gone at run time.
      'src/core/g.ts': "import type {H} from './h.ts'\nexport interface G {h: H}",
      'src/core/h.ts': "import type {G} from './g.ts'\nexport interface H {g: G}",
    }
    expect(await brokenRules(files)).toEqual([])
  })
})
