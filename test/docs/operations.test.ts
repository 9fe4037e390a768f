/** Every command of the operations page, in its order, on real nodes. */
import {expect, test} from 'vitest'
import {blocksOf, Typist} from './typed.ts'
import {tempDir} from '../support/temp.ts'

const PAGE = 'src/docs/operations.md'
const TIMEOUT_MS = 600_000

test(
  'the operations page can be typed as it stands',
  async () => {
    const typist = new Typist(tempDir('operations').path)
    const blocks = blocksOf(PAGE, 'sh')
    expect(blocks.length).toBeGreaterThan(7)
    try {
      for (const {line, commands} of blocks) {
        for (const command of commands) {
          await typist.type(command).catch((error: unknown) => {
            throw new Error(`${PAGE}, block at line ${line}: ${String(error)}`)
          })
        }
      }
    } finally {
      await typist.end()
    }
  },
  TIMEOUT_MS,
)
