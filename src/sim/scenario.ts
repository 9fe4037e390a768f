/**
 * Scenarios: named, deterministic runs in which something happens exactly when a step is reached. First the cluster comes to rest; then the script runs while
 * clients work; then everything comes back and the cluster must heal, as in any simulation; invariants, the history checker and the scenario's own
 * demand judge. A step that is never reached is a violation, too: a scenario in which nothing happened proves nothing.
 */
import {Simulation} from './simulation.ts'
import {Stage} from './stage.ts'
import type {Script, Step} from './stage.ts'
import type {SimulationOptions, SimulationResult} from './simulation.ts'

export interface Scenario {
  /** A sentence, or so. */
  readonly name: string
  /** What once went wrong elsewhere, if this is why the scenario is here. */
  readonly bug?: string
  readonly options?: Partial<SimulationOptions>
  script(stage: Stage): Script
  /** When the cluster has healed: what is not as this scenario demands, or null. */
  demand?(stage: Stage): string | null
}

export interface ScenarioResult extends SimulationResult {
  readonly name: string
  /** The steps that were reached, in order. */
  readonly steps: readonly string[]
}

/** Few keys and buckets, with as much in each that an image takes several steps. */
const DEFAULTS: SimulationOptions = {
  seed: 1,
  seconds: 2,
  nodes: 4,
  replicas: 1,
  keys: 12,
  buckets: 8,
  clients: 4,
  pace: 15,
  ballast: 30,
  workBudget: 8,
}

const SETTLE_MS = 15_000
const LOAD_MS = 300

/** Runs a scenario from its first process to its judgement. `trace` gets a line for everything that happens. */
export function runScenario(scenario: Scenario, trace?: (line: string) => void): ScenarioResult {
  const sim = new Simulation({...DEFAULTS, ...scenario.options, ...(trace ? {trace} : {})})
  const stage = new Stage(sim)
  const steps: string[] = []
  for (let i = 0; i < sim.options.nodes; i++) sim.begin(i, i === 0)
  sim.advance(SETTLE_MS, () => sim.schedule.events % 100 === 0 && stage.unsettled() === null)
  sim.workload.start(sim.options.clients!)
  sim.advance(LOAD_MS)
  play(sim, scenario.script(stage), steps)
  sim.trace('the script ends')
  stage.restore()
  sim.heal(() => stage.unsettled())
  sim.workload.stop()
  const demanded = sim.violations.length === 0 ? (scenario.demand?.(stage) ?? null) : null
  if (demanded !== null) sim.violated(demanded)
  sim.finish()
  return {...sim.result(), name: scenario.name, steps}
}

function play(sim: Simulation, script: Script, steps: string[]): void {
  for (let next = script.next(); !next.done && sim.violations.length === 0; next = script.next()) {
    const step = next.value
    let isReached = step.isReached()
    if (!isReached) sim.advance(step.withinMs, () => (isReached = step.isReached()))
    if (sim.violations.length > 0) return
    if (!isReached) return sim.violated(missed(step))
    sim.trace(`step: ${step.name}`)
    steps.push(step.name)
  }
}

function missed({name, isDemand, withinMs}: Step): string {
  return isDemand ? `not within ${withinMs} ms: ${name}` : `void: "${name}" was not reached within ${withinMs} ms`
}
