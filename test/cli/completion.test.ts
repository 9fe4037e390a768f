/** Completion of kv's command line: the scripts as texts, and bash itself with the built file. */
import {readFileSync} from 'node:fs'
import {expect, test} from 'vitest'
import {grammarOf, SHELLS, type Manifest} from '../../src/cli/completion/grammar.ts'
import {completionScript, FILE_NAMES} from '../../src/cli/completion/scripts.ts'
import {run} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {kv, kvOnTerminal} from './kv-command.ts'

const SMALL: Manifest = {
  commands: {
    'buckets:top': {
      summary: "Show the cluster's busiest buckets.",
      args: {},
      flags: {
        by: {name: 'by', type: 'option', options: ['ops', 'keys'], description: 'What counts [as busy]. Or not.'},
        file: {name: 'file', char: 'f', type: 'option', helpValue: 'file'},
        raw: {name: 'raw', type: 'boolean', allowNo: true},
        secret: {name: 'secret', type: 'boolean', hidden: true},
      },
    },
    say: {summary: 'Say.', args: {word: {options: ['yes', 'no']}}, flags: {}},
    gone: {hidden: true, args: {}, flags: {}},
  },
}
const GRAMMAR = grammarOf(SMALL, {buckets: 'See buckets.'})

test('the grammar: topics and commands, flags in all their forms, nothing hidden', () => {
  expect(GRAMMAR.first.map(({word}) => word)).toEqual(['buckets', 'say', 'help', '--help', '--version'])
  expect(GRAMMAR.topics).toEqual(new Map([['buckets', [{word: 'top', text: "Show the cluster's busiest buckets"}]]]))
  const [top, say] = GRAMMAR.commands
  expect(top!.flags.map(({forms}) => forms.join(' '))).toEqual(['--by', '--file -f', '--raw', '--no-raw', '--help -h'])
  expect(top!.flags[0]).toMatchObject({values: ['ops', 'keys'], text: 'What counts [as busy]', isPath: false})
  expect(top!.flags[1]).toMatchObject({values: [], isPath: true})
  expect(say).toMatchObject({name: 'say', argValues: ['yes', 'no'], hasArgs: true})
})

test('zsh and fish get descriptions, fixed values, and files where files are wanted', () => {
  const zsh = completionScript('zsh', GRAMMAR)
  expect(zsh).toContain(String.raw`--by'[What counts \[as busy\]]:value:(ops keys)'`)
  expect(zsh).toContain(`'(--file -f)'{--file,-f}'[]:value:_files'`)
  expect(zsh).toContain(`'top:Show the cluster'\\''s busiest buckets'`)
  const fish = completionScript('fish', GRAMMAR)
  expect(fish).toContain(`complete -c kv -n '__kv_in buckets top' -l by -x -a 'ops keys' -d 'What counts [as busy]'`)
  expect(fish).toContain(`complete -c kv -n '__kv_at buckets' -a 'top' -d 'Show the cluster\\'s busiest buckets'`)
  expect(fish).toContain(`complete -c kv -n '__kv_in buckets top' -l file -s f -r -F`)
})

/** What bash would offer for the last of these words. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const script = `
source dist/completions/kv.bash
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_kv
printf '%s\\n' "\${COMPREPLY[@]}"`
  const {exit, stdout, stderr} = await run('bash', ['-uc', script, 'bash', ...words], {cwd: REPO_ROOT})
  expect({exit, stderr}).toEqual({exit: 0, stderr: ''})
  return stdout
    .trim()
    .split(/\s+/)
    .filter((word) => word !== '')
}

test('bash completes commands of both levels', async () => {
  expect(await offered('kv', '')).toEqual(expect.arrayContaining(['buckets', 'exec', 'node', 'help', '--version']))
  expect(await offered('kv', 'bu')).toEqual(['buckets'])
  expect(await offered('kv', 'buckets', '')).toEqual(['accept-loss', 'list', 'move', 'rebalance', 'top'])
  expect(await offered('kv', 'help', 'node', 'st')).toEqual(['start', 'stop'])
  expect(await offered('kv', 'nonsense', '')).toEqual([])
})

test('bash completes flags of the command, and values that are fixed', async () => {
  expect(await offered('kv', 'buckets', 'top', '--')).toEqual(
    expect.arrayContaining(['--json', '--node', '--by', '--limit', '--help']),
  )
  expect(await offered('kv', 'exec', '--no-r')).toEqual(['--no-raw'])
  expect(await offered('kv', 'buckets', 'top', '--by', '')).toEqual(['ops', 'bytes', 'keys'])
  expect(await offered('kv', 'buckets', 'top', '--by', '=', 'b')).toEqual(['bytes'])
  expect(await offered('kv', 'buckets', 'top', '--by', '=')).toEqual(['ops', 'bytes', 'keys'])
  expect(await offered('kv', 'buckets', 'top', '--limit', '')).toEqual([])
  expect(await offered('kv', 'log', 'start', '--log-ack', 's')).toEqual(['sync'])
  expect(await offered('kv', 'completion', '')).toEqual([...SHELLS])
})

test.each(SHELLS)(
  'kv completion %s prints the built file; only a terminal is told what to do with it',
  async (shell) => {
    const built = readFileSync(`${REPO_ROOT}dist/completions/${FILE_NAMES[shell]}`, 'utf8')
    expect(await kv(['completion', shell])).toEqual({exit: 0, stdout: built, stderr: ''})
    expect((await kvOnTerminal(['completion', shell])).stdout).toContain('To install it: ')
    // Those shells that this machine has say whether they can read it.
    const checked = await run(
      'bash',
      [
        '-c',
        'command -v "$1" >/dev/null || exit 0; exec "$1" -n "$2"',
        'bash',
        shell,
        `dist/completions/${FILE_NAMES[shell]}`,
      ],
      {cwd: REPO_ROOT},
    )
    expect(checked).toEqual({exit: 0, stdout: '', stderr: ''})
  },
)

test('another shell is refused: exit 2', async () => {
  expect(await kv(['completion', 'csh'])).toMatchObject({exit: 2, stdout: ''})
})
