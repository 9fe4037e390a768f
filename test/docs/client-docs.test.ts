/** The examples of src/docs/client.md, run as they stand there: what they print is what their comments say. And its tables, against the code. */
import {mkdirSync, readFileSync, symlinkSync, writeFileSync} from 'node:fs'
import {afterAll, beforeAll, expect, test} from 'vitest'
import {
  CLIENT_CONNECT_TIMEOUT_MS,
  CLIENT_LIBRARY_REPLY_TIMEOUT_MS,
  CLIENT_OPERATION_TIMEOUT_MS,
} from '../../src/constants.ts'
import {ERROR_KINDS} from '../../src/errors.ts'
import {run} from '../support/child.ts'
import {nodeBinary, REPO_ROOT, startKv} from '../support/kv.ts'
import {tempDir} from '../support/temp.ts'
import type {TestServer} from '../support/server.ts'

const MANUAL = readFileSync(`${REPO_ROOT}src/docs/client.md`, 'utf8')
const EXAMPLES = [...MANUAL.matchAll(/^## (.*)$|^```ts\n([^]*?)^```$/gm)]
  .reduce<{title: string; code: string}[]>(
    (found, [, title, code]) => {
      if (title !== undefined) return [...found, {title, code: ''}]
      found.at(-1)!.code += code
      return found
    },
    [{title: 'The client library', code: ''}],
  )
  .filter(({code}) => code !== '')
const dir = tempDir('docs')
let server: TestServer

beforeAll(async () => {
  server = await startKv()
  // A program that has installed the package.
  mkdirSync(`${dir.path}/node_modules/@kvdev`, {recursive: true})
  symlinkSync(REPO_ROOT, `${dir.path}/node_modules/@kvdev/kv`)
  writeFileSync(`${dir.path}/package.json`, '{"type": "module"}')
})
afterAll(async () => {
  await server?.stop()
  dir.remove()
})

test('there are examples', () => {
  expect(EXAMPLES.length).toBeGreaterThanOrEqual(8)
})

test.each(EXAMPLES)('$title', async ({title, code}) => {
  const file = `${dir.path}/example.ts`
  const {port} = server
  writeFileSync(file, code.replaceAll('127.0.0.1:7379', `127.0.0.1:${port}`))
  const {exit, stdout, stderr} = await run(nodeBinary(), [file], {env: {NO_COLOR: '1'}})
  expect({title, exit, stderr}).toEqual({title, exit: 0, stderr: ''})
  const printed = stdout.split('\n')
  // `console.log(...) // what it prints: why`, and whole lines of comment behind a loop that prints them.
  for (const [, promised] of code.matchAll(/console\.log\(.*\) \/\/ (.+)$|^\/\/ (.+)$/gm)) {
    if (promised === undefined || promised.startsWith('large maps')) continue
    expect(printed).toContain(promised.replace(/: .*(it is there|any command)$/, ''))
  }
})

test('the types of the examples hold', async () => {
  const file = `${dir.path}/all.ts`
  writeFileSync(file, EXAMPLES.map(({code}) => `{${code.replace(/^import .*$/gm, '')}}`).join('\n'))
  const source = readFileSync(file, 'utf8')
  writeFileSync(file, `import {ClientError, connect} from '@kvdev/kv/client'\n${source}`)
  const config = {
    compilerOptions: {
      target: 'es2024',
      lib: ['es2024', 'esnext.disposable'],
      module: 'nodenext',
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [`${REPO_ROOT}node_modules/@types`],
    },
    files: ['all.ts'],
  }
  writeFileSync(`${dir.path}/tsconfig.json`, JSON.stringify(config))
  const checked = await run(nodeBinary(), [`${REPO_ROOT}node_modules/typescript/bin/tsc`, '-p', dir.path])
  expect(checked).toMatchObject({exit: 0, stdout: ''})
})

test('the tables tell the truth', () => {
  const cells = (name: string): string[] =>
    MANUAL.split('\n')
      .find((line) => line.startsWith(`| \`${name}\``))!
      .split('|')
  const standard = (name: string): number => Number(cells(name)[2]!.replace(',', ''))
  expect(standard('connectTimeoutMs')).toBe(CLIENT_CONNECT_TIMEOUT_MS)
  expect(standard('replyTimeoutMs')).toBe(CLIENT_LIBRARY_REPLY_TIMEOUT_MS)
  expect(standard('timeoutMs')).toBe(CLIENT_OPERATION_TIMEOUT_MS)
  const codes = [...MANUAL.matchAll(/^\| `(E_\w+)`/gm)].map(([, code]) => code!)
  expect(codes.length).toBeGreaterThan(8)
  expect(codes.filter((code) => !(code in ERROR_KINDS))).toEqual([])
})
