import {availableParallelism} from 'node:os'
import {defineConfig} from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Clusters of real processes, whose timeouts are real: they run alone, afterwards.
    exclude: ['test/e2e/**'],
    // vitest's own choice leaves one core idle: on two cores it would run one file at a time.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    globalSetup: ['test/support/fresh-build.ts'],
    disableConsoleIntercept: true,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
})
