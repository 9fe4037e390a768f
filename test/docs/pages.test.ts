/** The pages of the manual say what the code says, and every link within the repository leads somewhere. */
import {execFileSync} from 'node:child_process'
import {existsSync, readFileSync} from 'node:fs'
import {dirname, join} from 'node:path'
import {expect, test} from 'vitest'
import {COMMANDS_PAGE, commandsPage, filled, WIRE_PAGE, wireTables} from './pages.ts'
import {REPO_ROOT} from '../support/kv.ts'

function page(path: string): string {
  return readFileSync(REPO_ROOT + path, 'utf8')
}

test('the page of commands is what `npm run docs` makes', () => {
  expect(page(COMMANDS_PAGE)).toBe(commandsPage())
})

test('the tables of the wire page are what `npm run docs` makes', () => {
  const text = page(WIRE_PAGE)
  expect(Object.keys(wireTables()).filter((name) => !text.includes(`<!-- made: ${name} -->`))).toEqual([])
  expect(text).toBe(filled(text, wireTables()))
})

const PAGES = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '*.md'], {
  cwd: REPO_ROOT,
  encoding: 'utf8',
})
  .split('\n')
  .filter((path) => path !== '' && existsSync(REPO_ROOT + path))

test.each(PAGES)('links in %s lead somewhere', (path) => {
  const links = [...page(path).matchAll(/\]\(([^)#\s]+)(?:#([\w-]+))?\)/g)]
  const lost = links
    .filter(([, target]) => !/^https?:/.test(target!))
    .filter(([, target]) => !existsSync(join(REPO_ROOT, dirname(path), target!)))
  expect(lost.map(([whole]) => whole)).toEqual([])
})
