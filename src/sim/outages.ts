/**
 * How a node is lost, and how it comes back: what seeds (faults.ts) and scenarios (stage.ts) do to a cluster is the same. Each of these happens at once
 * and returns what ends it, to be called when the node shall be back; a second call does nothing.
 */
import type {Simulation} from './simulation.ts'
import type {SimNode} from './sim-node.ts'

export const LOSSES = ['kill', 'wipe', 'pause', 'cut'] as const
/** Killed; killed, and its disk is empty; stopped; cut off from all others. */
export type Loss = (typeof LOSSES)[number]
/** Ends an outage. */
export type Restore = () => void

/** The node is lost in this way. */
export function lose(sim: Simulation, node: SimNode, loss: Loss): Restore {
  switch (loss) {
    case 'kill':
      return kill(sim, node, false)
    case 'wipe':
      return kill(sim, node, true)
    case 'pause':
      return pause(sim, node)
    case 'cut':
      return cutOff(sim, [node.id], true)
  }
}

/** The process dies; it is another node that comes back if its disk is wiped. */
export function kill(sim: Simulation, node: SimNode, isWiped: boolean): Restore {
  const i = sim.ids.indexOf(node.id)
  sim.trace(`fault: kill ${node.id.slice(0, 4)}${isWiped ? ' and wipe' : ''}`)
  node.kill()
  if (isWiped) sim.wipe(i)
  return () => restart(sim, i)
}

/** Starts a process for node `i`, unless one runs. */
export function restart(sim: Simulation, i: number): void {
  const node = sim.nodes.get(i)
  if (!node || node.isDead) sim.begin(i, false)
}

/** Nothing runs in this process, and its clock goes on. */
export function pause(sim: Simulation, node: SimNode): Restore {
  node.pause()
  return () => {
    if (node.isDead || !node.isPaused) return
    sim.trace(`${node.id.slice(0, 4)} resumes`)
    node.resume()
  }
}

/** Nothing gets from these to the others, nor back if it is both ways. The end of it mends the whole network. */
export function cutOff(sim: Simulation, inside: readonly string[], isBothWays: boolean): Restore {
  const outside = sim
    .running()
    .map(({id}) => id)
    .filter((id) => !inside.includes(id))
  const names = inside.map((id) => id.slice(0, 4)).join(' ')
  sim.trace(`fault: cut ${names} ${isBothWays ? 'off' : 'off in one direction'}`)
  for (const a of inside) {
    for (const b of outside) {
      sim.network.cut(a, b)
      if (isBothWays) sim.network.cut(b, a)
    }
  }
  let isOver = false
  return () => {
    if (isOver) return
    isOver = true
    sim.trace('the network heals')
    sim.network.heal()
    sim.network.holdsBack = false
  }
}
