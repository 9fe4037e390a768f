/**
 * `npm run bench:log [-- part...] [--quick] [--rounds N]`: what README states of the data log. Parts: cost (what it costs the masters), sustained (what one log
 * node takes), content (compaction and replay), restart; without a name all of them, in this order. Whatever was started ends with this process, also when it is
 * interrupted: the exit hooks of the helpers kill their children by pid and remove their folders.
 */
import {parseArgs} from 'node:util'
import freshBuild from '../../support/fresh-build.ts'
import {machineLine, type PartOptions} from '../cluster/report.ts'
import {runContent} from './content.ts'
import {runCost} from './cost.ts'
import {runRestart} from './restart.ts'
import {runSustained} from './sustained.ts'

const PARTS: Readonly<Record<string, (options: PartOptions) => Promise<void>>> = {
  cost: runCost,
  sustained: runSustained,
  content: runContent,
  restart: runRestart,
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
  console.error(`usage: npm run bench:log -- [${Object.keys(PARTS).join('|')}]... [--quick] [--rounds N]`)
  process.exit(2)
}
// Two parts run `bin/kv`, which runs what was built.
freshBuild()
console.log(machineLine())
for (const [name, run] of Object.entries(PARTS)) {
  if (positionals.length === 0 || positionals.includes(name)) await run({isQuick: values.quick, rounds})
}
