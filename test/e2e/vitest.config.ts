import {defineConfig} from 'vitest/config'

/** Clusters of real processes: one file at a time, with nothing else on the machine. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    fileParallelism: false,
    globalSetup: ['test/support/fresh-build.ts'],
    disableConsoleIntercept: true,
    testTimeout: 300_000,
    hookTimeout: 60_000,
  },
})
