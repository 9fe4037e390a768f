/** Every command of the README, in its order, on real nodes; what is left out or done with other figures is listed with its reason. */
import {existsSync, readdirSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {expect, test} from 'vitest'
import {blocksOf, Typist} from './typed.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'

const TIMEOUT_MS = 600_000

/** Lines that are screens, not commands. */
const IS_COMMAND = /^(kv|redis-cli|npm|SCENARIO=)/

/** Not run here, and why. */
const ELSEWHERE: readonly (readonly [RegExp, string])[] = [
  [/^npm ci && /, 'it is what CI does, and test/cli/demo.test.ts starts the demo'],
  [/^(npm run|SCENARIO=)/, 'parts of .ci/run, and benches'],
  [/^kv chaos /, '.ci/run and test/e2e/chaos*.test.ts run the tester; these take hours'],
]

/** Run with other figures, and why. */
const CHANGED: readonly (readonly [RegExp, string, string])[] = [
  [/--seconds \d+$/, '--seconds 1', 'a bench as long as a person would want it'],
  [/--until 2026-11-22T12:00:00Z$/, '', 'the log of the test is younger'],
  [/--admin-port 9121$/, '--port 7402 --admin-port 0', 'the port may be taken, and the first node runs already'],
]

test(
  'the README can be typed as it stands',
  async () => {
    const {path} = tempDir('readme')
    writeFileSync(join(path, 'photo.jpg'), Buffer.from([0xff, 0xd8, 0x00, 0x0a]))
    const typist = new Typist(path)
    const blocks = blocksOf('README.md', '').filter(({commands}) => IS_COMMAND.test(commands[0] ?? ''))
    let typed = 0
    try {
      for (const {line, commands} of blocks) {
        for (const command of commands) {
          if (ELSEWHERE.some(([pattern]) => pattern.test(command))) continue
          const changed = CHANGED.reduce((text, [pattern, to]) => text.replace(pattern, to), command).trim()
          typed++
          // A person takes a moment before he looks for the log.
          if (/^kv log tail/.test(changed))
            await waitFor(
              'there is a log',
              () =>
                existsSync(join(path, 'log')) && readdirSync(join(path, 'log')).some((name) => name.endsWith('.kvlog')),
            )
          await typist.type(changed).catch((error: unknown) => {
            throw new Error(`README.md, block at line ${line}: ${String(error)}`)
          })
        }
      }
    } finally {
      await typist.end()
    }
    expect(typed).toBeGreaterThan(20)
  },
  TIMEOUT_MS,
)
