/**
 * `npm run bench:cluster [-- part...] [--quick] [--rounds N]`: what README states of the cluster, in one run beside a cluster of
 * redis-server processes. Parts: failover, move, hot-move, replication; without a name all of them. Whatever was started ends with this
 * process, also when it is interrupted: the exit hooks of the helpers kill their children by pid.
 */
import {parseArgs} from 'node:util'
import {runFailover} from './failover.ts'
import {runHotMove} from './hot-move.ts'
import {runMove} from './move.ts'
import {runReplication} from './replication.ts'
import {machineLine, type PartOptions} from './report.ts'

const PARTS: Readonly<Record<string, (options: PartOptions) => Promise<void>>> = {
  failover: runFailover,
  move: runMove,
  'hot-move': runHotMove,
  replication: runReplication,
}

// Without a listener a signal would end the process before its exit hooks.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))

const {values, positionals} = parseArgs({
  allowPositionals: true,
  options: {quick: {type: 'boolean', default: false}, rounds: {type: 'string'}},
})
const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
const unknown = positionals.filter((name) => !(name in PARTS))
if (unknown.length > 0 || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
  console.error(`usage: npm run bench:cluster -- [${Object.keys(PARTS).join('|')}]... [--quick] [--rounds N]`)
  process.exit(2)
}
console.log(machineLine())
for (const [name, run] of Object.entries(PARTS)) {
  if (positionals.length === 0 || positionals.includes(name)) await run({isQuick: values.quick, rounds})
}
