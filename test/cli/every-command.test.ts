/** What every command of kv keeps to, seen from a shell. The list is the manifest's, so that no command can be forgotten; shapes of `--json` are written down here. */
import {readFileSync} from 'node:fs'
import {beforeAll, describe, expect, test} from 'vitest'
import {ProcessCluster} from '../e2e/processes.ts'
import {hasEscapes, kv, shell} from './kv-command.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {waitFor} from '../support/wait.ts'

interface Manifest {
  readonly commands: Readonly<
    Record<string, {readonly args: Readonly<Record<string, {readonly required?: boolean}>>; readonly hidden?: boolean}>
  >
}

const {commands} = JSON.parse(readFileSync(`${REPO_ROOT}/.oclif.manifest.json`, 'utf8')) as Manifest
const NAMES = Object.keys(commands).map((id) => id.replaceAll(':', ' '))

let cluster: ProcessCluster
let node: string
beforeAll(async () => {
  cluster = await ProcessCluster.start(3)
  await cluster.settled(2)
  node = `127.0.0.1:${cluster.ports[0]}`
  return () => cluster.stop()
}, 120_000)

test('there are commands', () => {
  expect(NAMES.length).toBeGreaterThan(25)
})

describe.each(NAMES)('kv %s', (name) => {
  const words = name.split(' ')

  test('--help has examples, and no escape codes in a pipe', async () => {
    const {exit, stdout, stderr} = await kv([...words, '--help'])
    expect([exit, stderr]).toEqual([0, ''])
    expect(stdout).toContain('EXAMPLES')
    expect(stdout).toContain(`$ kv ${name}`)
    expect(hasEscapes(stdout)).toBe(false)
  })

  test('a flag that there is not is named, in words and in JSON, and exits 2', async () => {
    const plain = await kv([...words, '--nonsense'])
    expect([plain.exit, plain.stdout]).toEqual([2, ''])
    expect(plain.stderr).toMatch(/^kv: .*--nonsense/)
    expect(hasEscapes(plain.stderr)).toBe(false)
    const json = await kv([...words, '--json', '--nonsense'])
    expect(json.exit).toBe(2)
    const {error} = JSON.parse(json.stdout) as {error: Record<string, unknown>}
    expect(error).toMatchObject({code: 'E_USAGE', exitCode: 2, message: expect.stringContaining('--nonsense')})
  })
})

/** A name stands for a type; an object for exactly these fields; a list for what each of its items is; `?`: null as well. */
type Shape = string | readonly [] | readonly [Shape] | {readonly [field: string]: Shape}

function misfits(value: unknown, shape: Shape, at = '$'): string[] {
  if (typeof shape === 'string') {
    const isNull = shape.endsWith('?') && value === null
    return isNull || typeof value === shape.replace('?', '') ? [] : [`${at}: ${JSON.stringify(value)} is no ${shape}`]
  }
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [`${at} is no list`]
    const [item] = shape as readonly [Shape?]
    return item === undefined ? [] : value.flatMap((one, i) => misfits(one, item, `${at}[${i}]`))
  }
  if (typeof value !== 'object' || value === null) return [`${at} is no object`]
  const fields = value as Readonly<Record<string, unknown>>
  const wanted = shape as Readonly<Record<string, Shape>>
  const missing = Object.keys(wanted)
    .filter((field) => !Object.hasOwn(fields, field))
    .map((field) => `${at}.${field} is missing`)
  const unknown = Object.keys(fields)
    .filter((field) => !Object.hasOwn(wanted, field))
    .map((field) => `${at}.${field} is new: write it down`)
  const wrong = Object.keys(wanted).flatMap((field) =>
    field in fields ? misfits(fields[field], wanted[field]!, `${at}.${field}`) : [],
  )
  return [...missing, ...unknown, ...wrong]
}

const NODE: Shape = {
  ...{id: 'string', host: 'string', port: 'number', address: 'string', peerAddress: 'string', role: 'string'},
  ...{isLeader: 'boolean', isVoter: 'boolean', isVoterOnly: 'boolean', isDown: 'boolean', isLeaving: 'boolean'},
  ...{
    masters: 'number',
    copies: 'number',
    syncing: 'number',
    version: 'string',
    keys: 'number',
    usedMemoryBytes: 'number',
  },
  ...{clients: 'number', opsPerSecond: 'number', uptimeSeconds: 'number', unacknowledgedBytes: 'number'},
  ...{logLagBytes: 'number?', logLagSeconds: 'number?', slowlogEntries: 'number', error: 'string?'},
}
const TIMES: Shape = {p50: 'number', p90: 'number', p99: 'number', p999: 'number', max: 'number', mean: 'number'}
const OPERATION: Shape = {requests: 'number', latencyMs: TIMES}

/** Commands that only look, on a healthy cluster; and what `--json` gives. */
const LOOKS: readonly (readonly [command: string, shape: Shape])[] = [
  [
    'buckets list',
    {
      revision: 'number',
      nodes: [{id: 'string', host: 'string', port: 'number', masters: 'string', replicas: 'string'}],
      lost: 'string',
      ranges: [{first: 'number', last: 'number', master: 'string', replicas: ['string']}],
    },
  ],
  ['buckets top --interval 100ms', {revision: 'number', by: 'string', intervalMs: 'number', buckets: []}],
  [
    'buckets move 0-9 --to NODE --dry-run',
    {
      ...{dryRun: 'boolean', to: 'string', already: 'number', blocked: []},
      moves: [{from: 'string', buckets: 'string', count: 'number', toCopy: 'number'}],
    },
  ],
  [
    'buckets rebalance --dry-run',
    {dryRun: 'boolean', moves: [], members: [{id: 'string', masters: 'number', copies: 'number'}]},
  ],
  ['cluster check', {ok: 'boolean', clusterId: 'string', revision: 'number', problems: []}],
  ['node list', {revision: 'number', nodes: [NODE]}],
  ['exec GET nothing', {reply: 'string?', node: 'string'}],
  ['context list', {current: 'string?', contexts: [], file: 'string'}],
  ['completion bash', {shell: 'string', fileName: 'string', script: 'string'}],
  [
    'bench --requests 200 --keys 10',
    {
      ...{
        node: 'string',
        masters: 'number',
        mix: {get: 'number', set: 'number'},
        clients: 'number',
        pipeline: 'number',
      },
      ...{valueBytes: 'number', keys: 'number', rate: 'number?', elapsedMs: 'number', requests: 'number'},
      ...{requestsPerSecond: 'number', misses: 'number', errors: 'number', errorsByWord: {}, lost: 'number'},
      ...{latencyMs: TIMES, operations: {get: OPERATION, set: OPERATION}},
    },
  ],
]

describe.each(LOOKS)('kv %s', (command, shape) => {
  const words = (): string[] => {
    const typed = command.replace('NODE', node).split(' ')
    const isOfCluster = !/^(context|completion)/.test(command)
    // What is given to exec belongs to the data command.
    return isOfCluster
      ? [
          typed[0]!,
          ...(typed[0] === 'exec' ? ['-n', node] : []),
          ...typed.slice(1),
          ...(typed[0] === 'exec' ? [] : ['-n', node]),
        ]
      : typed
  }

  test('--json has these fields and no others', async () => {
    const [first, ...rest] = words()
    const {exit, stdout} = await kv([first!, ...(first === 'exec' ? ['--json', ...rest] : [...rest, '--json'])])
    expect(exit).toBe(0)
    expect(misfits(JSON.parse(stdout), shape)).toEqual([])
  })

  test('no escape codes, no question; whoever reads a line, or slowly, is served', async () => {
    const line = words()
      .map((word) => `'${word}'`)
      .join(' ')
    const all = await shell(`./bin/kv ${line} < /dev/null`)
    expect([all.exit, hasEscapes(all.stdout + all.stderr)]).toEqual([0, false])
    const head = await shell(`./bin/kv ${line} < /dev/null | head -1`)
    expect(head.stderr).not.toMatch(/EPIPE|bug in kv/)
    const slow = await shell(`./bin/kv ${line} 2> /dev/null | (sleep 0.5; cat) | wc -c`)
    expect(Number(slow.stdout) > 0).toBe(all.stdout !== '')
  })
})

describe('exit codes', () => {
  test.each([
    [0, ['cluster', 'check', '-n', 'NODE']],
    [1, ['exec', '-n', 'NODE', 'NONSENSE']],
    [2, ['buckets', 'move', '99999', '--to', 'NODE', '-n', 'NODE']],
    [4, ['node', 'info', 'abcdef0', '-n', 'NODE']],
    [5, ['node', 'list', '-n', 'NOBODY']],
    [127, ['nodes', 'list']],
  ])('%i: %j', async (expected, words) => {
    const nobody = `127.0.0.1:${await freePort()}`
    const {exit, stdout, stderr} = await kv(words.map((word) => word.replace('NODE', node).replace('NOBODY', nobody)))
    expect(exit).toBe(expected)
    if (expected !== 0) expect([stdout, stderr.startsWith('kv: ')]).toEqual(['', true])
  })

  test('6: what cannot be undone is not done without --yes, and nothing is asked without a terminal', async () => {
    const alone = await ProcessCluster.start(1)
    const address = `127.0.0.1:${alone.ports[0]}`
    try {
      expect((await kv(['exec', '-n', address, 'SET', 'a', '1'])).exit).toBe(0)
      const refused = await kv(['node', 'stop', address])
      expect([refused.exit, refused.stderr]).toEqual([6, expect.stringContaining('--yes')])
      expect((await kv(['exec', '-n', address, 'GET', 'a'])).stdout).toBe('1\n')
    } finally {
      await alone.stop()
    }
  })

  test('3: a check that finds problems names them, each with a command that there is', async () => {
    const hurt = await ProcessCluster.start(3)
    try {
      await hurt.settled(2)
      await hurt.nodes[2]!.kill()
      const found = await waitFor(
        'the check finds it',
        async () => {
          const {exit, stdout} = await kv(['cluster', 'check', '-n', `127.0.0.1:${hurt.ports[0]}`, '--json'])
          return exit === 3 ? (JSON.parse(stdout) as {ok: boolean; problems: {command: string}[]}) : undefined
        },
        {timeoutMs: 30_000},
      )
      expect(found.ok).toBe(false)
      for (const {command} of found.problems) {
        const [, first, second] = /kv (\S+) (\S+)/.exec(command)!
        expect(NAMES).toContain(`${first} ${second}`)
      }
    } finally {
      await hurt.stop()
    }
  })
})
