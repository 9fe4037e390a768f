/**
 * `npm run sim -- --seeds N --start S --seconds T`: many seeds one after the other, on as many processes as asked for. A seed decides the number of nodes
 * (3 to 7), of replicas, and the faults. A failing seed is printed with the command that runs it again with its trace.
 */
import {fork} from 'node:child_process'
import {fileURLToPath} from 'node:url'
import {parseArgs} from 'node:util'
import {runSeed} from './simulation.ts'
import type {SimulationResult} from './simulation.ts'

const {values} = parseArgs({
  options: {
    seeds: {type: 'string', default: '100'},
    start: {type: 'string', default: '1'},
    seconds: {type: 'string', default: '60'},
    hours: {type: 'string'},
    plant: {type: 'string'},
    faults: {type: 'string'},
    nodes: {type: 'string'},
    workers: {type: 'string', default: '1'},
    trace: {type: 'boolean', default: false},
    'until-found': {type: 'boolean', default: false},
    json: {type: 'boolean', default: false},
  },
})

interface Totals {
  runs: number
  operations: number
  events: number
  lost: number
  found: number
  faults: Record<string, number>
}

const totals: Totals = {runs: 0, operations: 0, events: 0, lost: 0, found: 0, faults: {}}
const began = performance.now()

function runOne(seed: number, trace?: (line: string) => void): SimulationResult {
  const nodes = values.nodes === undefined ? {} : {nodes: Number(values.nodes)}
  const plants = values.plant === undefined ? {} : {plants: new Set([values.plant])}
  const faults = values.faults === undefined ? {} : {faults: values.faults.split(',')}
  const tracing = trace ? {trace} : {}
  return runSeed(seed, {seconds: Number(values.seconds), ...nodes, ...plants, ...faults, ...tracing})
}

function add(result: SimulationResult): void {
  totals.runs++
  totals.operations += result.operations.ok
  totals.events += result.events
  if (result.lostBuckets > 0) totals.lost++
  for (const [kind, count] of Object.entries(result.faults)) totals.faults[kind] = (totals.faults[kind] ?? 0) + count
  if (result.violations.length === 0) return
  totals.found++
  console.log(`seed ${result.seed}: ${result.violations.join('\n  ')}`)
  const plant = values.plant === undefined ? '' : ` --plant ${values.plant}`
  console.log(`  again: npm run sim -- --seeds 1 --start ${result.seed} --seconds ${values.seconds}${plant} --trace`)
}

function finish(): void {
  const seconds = (performance.now() - began) / 1000
  if (values.json) console.log(JSON.stringify({...totals, seconds}))
  else {
    const faults = Object.entries(totals.faults).map(([kind, count]) => `${kind} ${count}`)
    console.log(
      `${totals.found} violations in ${totals.runs} runs of ${values.seconds} s, ${totals.operations} operations, ${totals.events} events`,
    )
    console.log(`faults: ${faults.join(', ')}; runs with lost buckets: ${totals.lost}; ${seconds.toFixed(0)} s`)
  }
  process.exitCode = totals.found > 0 ? 8 : 0
}

function isOver(): boolean {
  if (values['until-found'] && totals.found > 0) return true
  return values.hours !== undefined && performance.now() - began > Number(values.hours) * 3_600_000
}

const first = Number(values.start)
const last = values.hours === undefined ? first + Number(values.seeds) - 1 : Infinity
const workers = Number(values.workers)

if (process.send) {
  process.on('message', (seed: number) => process.send!(runOne(seed)))
} else if (workers > 1) {
  let next = first
  let running = workers
  for (let i = 0; i < workers; i++) {
    const child = fork(fileURLToPath(import.meta.url), process.argv.slice(2))
    const feed = (): void => {
      if (next <= last && !isOver()) child.send(next++)
      else {
        child.disconnect()
        if (--running === 0) finish()
      }
    }
    child.on('message', (result: SimulationResult) => {
      add(result)
      feed()
    })
    feed()
  }
} else {
  for (let seed = first; seed <= last && !isOver(); seed++)
    add(runOne(seed, values.trace ? (line) => console.log(line) : undefined))
  finish()
}
