/**
 * The command line of a bench that has several parts: `[-- part...] [--quick] [--rounds N]`; without a name all parts, in their order. Whatever was started
 * ends with this process, also when it is interrupted: the exit hooks of the helpers kill their children by pid and remove their folders.
 */
import {parseArgs} from 'node:util'
import {machineLine, type PartOptions} from './cluster/report.ts'

type Part = (options: PartOptions) => Promise<void>

/** Runs the parts that were asked for. `prepare`: what all of them need, once. Ends the process with 2 on a wrong word. */
export async function runParts(
  name: string,
  parts: Readonly<Record<string, Part>>,
  prepare?: () => unknown,
): Promise<void> {
  // Without a listener a signal would end the process before its exit hooks.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(signal, () => process.exit(1))
  const {values, positionals} = parseArgs({
    allowPositionals: true,
    options: {quick: {type: 'boolean', default: false}, rounds: {type: 'string'}},
  })
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds)
  const unknown = positionals.filter((word) => !(word in parts))
  if (unknown.length > 0 || (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0))) {
    console.error(`usage: npm run ${name} -- [${Object.keys(parts).join('|')}]... [--quick] [--rounds N]`)
    process.exit(2)
  }
  await prepare?.()
  console.log(machineLine())
  for (const [word, run] of Object.entries(parts)) {
    if (positionals.length === 0 || positionals.includes(word)) await run({isQuick: values.quick, rounds})
  }
}
