/** Links on which something lies, or lay so shortly ago that the cluster may not be done with it: what the fault budget must know of. */
import type {LinkEffect, LinkName, Network} from './proxy.ts'

export class Disturbances {
  readonly #network: Network
  readonly #now: () => number
  readonly #calmMs: number
  readonly #all = new Set<{readonly links: readonly LinkName[]; untilMs: number}>()

  /** `now`: monotonic ms. `calmMs`: how long the cluster may need when an effect is over. */
  constructor(network: Network, now: () => number, calmMs: number) {
    this.#network = network
    this.#now = now
    this.#calmMs = calmMs
  }

  /** Lays an effect on these links. Returns what ends it. */
  lay(effect: LinkEffect, links: readonly LinkName[]): () => void {
    const disturbance = {links, untilMs: Number.POSITIVE_INFINITY}
    this.#all.add(disturbance)
    const end = this.#network.lay(effect, links)
    return () => {
      end()
      disturbance.untilMs = this.#now() + this.#calmMs
    }
  }

  /** Those that are not calm at this moment. */
  links(): LinkName[] {
    const now = this.#now()
    for (const disturbance of this.#all) if (disturbance.untilMs <= now) this.#all.delete(disturbance)
    return [...this.#all].flatMap(({links}) => links)
  }
}
