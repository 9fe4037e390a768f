/**
 * Runs once before all tests: builds dist/ if a source is newer than it. Tests that start `./bin/kv` run what was built,
 * and a test of yesterday's program proves nothing.
 */
import {execFileSync} from 'node:child_process'
import {readdirSync, statSync} from 'node:fs'
import {join} from 'node:path'
import {fileURLToPath} from 'node:url'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** Written last by the build. */
const PRODUCT = join(ROOT, '.oclif.manifest.json')

export default function freshBuild(): void {
  const sources = ['src', 'commands'].flatMap((folder) =>
    readdirSync(join(ROOT, folder), {recursive: true, encoding: 'utf8'}).map((name) => join(ROOT, folder, name)),
  )
  const newest = Math.max(...[...sources, join(ROOT, 'package.json')].map((path) => statSync(path).mtimeMs))
  const builtAt = statSync(PRODUCT, {throwIfNoEntry: false})?.mtimeMs ?? 0
  const hasMain = statSync(join(ROOT, 'dist/src/cli/main.js'), {throwIfNoEntry: false}) !== undefined
  if (hasMain && builtAt >= newest) return
  execFileSync('npm', ['run', 'build'], {cwd: ROOT, stdio: ['ignore', 'ignore', 'inherit']})
}
