/**
 * What is put right in a command line before oclif reads it.
 *
 * What `kv exec` is given belongs to the data command, also what looks like a flag: `kv exec SET k --help` must store
 * `--help`. oclif looks for `--help` anywhere and reorders repeated arguments, unless they stand behind `--`; so one is
 * put there.
 */

/** `kv help node start` is `kv node start --help`. */
export function helpAsFlag(argv: readonly string[]): readonly string[] {
  return argv[0] === 'help' ? [...argv.slice(1), '--help'] : argv
}

/** Flags of `kv exec` that take a value in the next argument; a test holds them against the command. */
export const EXEC_VALUE_FLAGS: readonly string[] = ['--node', '-n', '--context', '--password-file', '--timeout']

/** The same arguments with `--` before the data command, if this is `exec` and none is there. */
export function shieldExecArguments(argv: readonly string[]): string[] {
  if (argv[0] !== 'exec') return [...argv]
  let at = 1
  while (at < argv.length) {
    const arg = argv[at]!
    if (arg === '--') return [...argv]
    if (!arg.startsWith('-') || arg === '-') break
    at += EXEC_VALUE_FLAGS.includes(arg) ? 2 : 1
  }
  if (at >= argv.length) return [...argv]
  return [...argv.slice(0, at), '--', ...argv.slice(at)]
}
