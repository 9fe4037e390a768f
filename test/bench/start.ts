/** `npm run bench:start [runs]`: how long commands take from Enter to the prompt, beside a bare Node.js; medians. Aims on a quiet machine: `--version` 250 ms, `buckets list` 400 ms. */
import {execFileSync, spawnSync} from 'node:child_process'
import {join} from 'node:path'
import {machineLine} from './cluster/report.ts'
import {startKvChild} from '../support/kv.ts'

const RUNS = Number(process.argv[2] ?? 15)
const KV = join(import.meta.dirname, '../../bin/kv')

const server = await startKvChild()
const node = `127.0.0.1:${server.port}`
execFileSync(KV, ['exec', '-n', node, 'SET', 'a', '1'])
const COMMANDS: readonly (readonly [string, string, readonly string[]])[] = [
  ['node -e 0', process.execPath, ['-e', '0']],
  ['kv --version', KV, ['--version']],
  ['kv buckets list', KV, ['buckets', 'list', '-n', node]],
  ['kv node list', KV, ['node', 'list', '-n', node]],
  ['kv exec GET a', KV, ['exec', '-n', node, 'GET', 'a']],
]

interface Times {
  readonly wallMs: number[]
  readonly cpuMs: number[]
}

function once(command: string, args: readonly string[], {wallMs, cpuMs}: Times): void {
  const startedMs = performance.now()
  // bash has the children's CPU time; our own counters do not.
  const {stdout, status} = spawnSync('bash', ['-c', '"$@" > /dev/null && times', 'bash', command, ...args], {
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed`)
  wallMs.push(performance.now() - startedMs)
  const [, user, system] = /\n(\S+) (\S+)\s*$/.exec(stdout)!
  cpuMs.push(millis(user!) + millis(system!))
}

/** `0m0.123s`. */
function millis(text: string): number {
  const [, minutes, seconds] = /^(\d+)m([\d.]+)s$/.exec(text)!
  return Number(minutes) * 60_000 + Number(seconds) * 1_000
}

function median(values: readonly number[]): string {
  return `${Math.round([...values].sort((a, b) => a - b)[values.length >> 1]!)}`.padStart(6)
}

console.log(machineLine())
const all = COMMANDS.map(([name, command, args]) => ({name, command, args, times: emptyTimes()}))
// In turn, so that a busy moment of the machine is everybody's.
for (let run = 0; run <= RUNS; run++) {
  for (const {command, args, times} of all) once(command, args, run === 0 ? emptyTimes() : times)
}
console.log(`median of ${RUNS}`.padEnd(20), 'wall ms', ' CPU ms')
for (const {name, times} of all) console.log(name.padEnd(20), median(times.wallMs), ' ', median(times.cpuMs))
await server.stop()

function emptyTimes(): Times {
  return {wallMs: [], cpuMs: []}
}
