#!/usr/bin/env node
// Plain JavaScript that any Node.js parses, so that an old one, or a missing build, is said in words.
const [major, minor] = process.versions.node.split('.').map(Number)
const root = new URL('..', import.meta.url)
const main = new URL('dist/src/cli/main.js', root)

function refuse(message) {
  console.error(`kv: ${message}`)
  process.exitCode = 1
}

if (major < 22 || (major === 22 && minor < 18)) {
  refuse(
    `Node.js 22.18 or newer is needed, this is ${process.version} (${process.execPath}). ` +
      'Run `npm ci` in the checkout and start ./bin/kv: it brings its own.',
  )
} else if (!process.getBuiltinModule('node:fs').existsSync(main)) {
  refuse('It is not built yet: dist/ is missing. Run `npm ci`, or `npm run build` if that was done.')
} else {
  // Compiled code is kept between runs; without it each start compiles oclif again, some 60 ms.
  process.getBuiltinModule('node:module').enableCompileCache(new URL('node_modules/.cache/kv', root).pathname)
  const {runCli} = await import(main.href)
  await runCli(process.argv.slice(2), root)
}
