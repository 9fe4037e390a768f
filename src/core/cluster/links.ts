/**
 * Who this node can talk to: one link (peer/link.ts) for each incarnation of a peer that is connected or in the map. A peer that was started anew has two for
 * a while: the new one may ask to be let in, the old one is still counted on until the map has struck it.
 */
import type {ClusterMap} from './cluster-map.ts'
import type {Link} from '../peer/link.ts'

export interface LinkState {
  readonly isConnected: boolean
  readonly unackedBytes: number
}

export class Links {
  readonly #make: (id: string, incarnation: string) => Link
  /** By node id, then incarnation. */
  readonly #byId = new Map<string, Map<string, Link>>()
  readonly #bySlot: (Link | null)[] = []
  /** All of them; null when one came or went. */
  #all: readonly Link[] | null = null

  constructor(make: (id: string, incarnation: string) => Link) {
    this.#make = make
  }

  get all(): readonly Link[] {
    return (this.#all ??= [...this.#byId.values()].flatMap((links) => [...links.values()]))
  }

  /** The link with the incarnation that the map has for this member. */
  ofSlot(slot: number): Link | null {
    return this.#bySlot[slot] ?? null
  }

  /** The link with whichever incarnation is connected. */
  connectedTo(id: string): Link | null {
    for (const link of this.#byId.get(id)?.values() ?? []) if (link.isConnected) return link
    return null
  }

  state(slot: number): LinkState {
    const link = this.ofSlot(slot)
    return {isConnected: link?.isConnected ?? false, unackedBytes: link?.unackedBytes ?? 0}
  }

  of(id: string, incarnation: string): Link {
    let links = this.#byId.get(id)
    if (!links) {
      links = new Map()
      this.#byId.set(id, links)
    }
    let link = links.get(incarnation)
    if (!link) {
      link = this.#make(id, incarnation)
      links.set(incarnation, link)
      this.#all = null
    }
    return link
  }

  /** A connection with this incarnation is there; one with another is not any more. */
  connected(id: string, incarnation: string, now: number): void {
    for (const [other, link] of this.#byId.get(id) ?? []) if (other !== incarnation) link.disconnected()
    this.of(id, incarnation).connected(now)
  }

  disconnected(id: string): void {
    for (const link of this.#byId.get(id)?.values() ?? []) link.disconnected()
  }

  /** Members came, went, or were started anew: links of incarnations that are neither in the map nor connected are closed. */
  follow(map: ClusterMap, selfId: string): void {
    this.#bySlot.length = 0
    for (const member of map.members) {
      if (member && member.id !== selfId) this.#bySlot[member.slot] = this.of(member.id, member.incarnation)
    }
    for (const [id, links] of this.#byId) {
      for (const [incarnation, link] of links) {
        if (link.isConnected || map.member(id)?.incarnation === incarnation) continue
        link.close()
        links.delete(incarnation)
        this.#all = null
      }
      if (links.size === 0) this.#byId.delete(id)
    }
  }
}
