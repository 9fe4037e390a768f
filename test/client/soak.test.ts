/** What the client library keeps does not depend on how much it has done. The long run is `npm run soak:client`. */
import {expect, test} from 'vitest'
import {run} from '../support/child.ts'
import {nodeBinary, REPO_ROOT} from '../support/kv.ts'

test('the heap does not grow with the operations', async () => {
  const args = ['--expose-gc', `${REPO_ROOT}test/client/soak.ts`, '200000']
  const done = await run(nodeBinary(), args, {timeoutMs: 55_000})
  expect(done.stderr).toBe('')
  expect(done.stdout).toContain('200000 operations')
  expect(done.exit).toBe(0)
})
