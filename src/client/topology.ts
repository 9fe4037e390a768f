/**
 * Which server has which bucket, as the client knows it at the moment, and the links to them.
 *
 * It learns from three sides: `CLUSTER SLOTS` of any node that answers (at the start, and whenever something went wrong), `MOVED`, which corrects one
 * bucket, and `SMIGRATED` pushes, which surviving nodes send after a move or a failover. Whoever waits for the cluster is told of every change. What is
 * known may be old; nothing depends on it but speed, because a node that is asked in vain says `MOVED`.
 *
 * A node that hangs takes the question for the map and does not answer: after a moment the next one is asked as well, and the first answer counts.
 */
import {formatAddress, type Address} from '../base/address.ts'
import {CLIENT_REFRESH_HEDGE_MS, CLIENT_REFRESH_INTERVAL_MS} from '../constants.ts'
import {ClientError} from './errors.ts'
import {ServerLink} from './server-link.ts'
import {emptyMap, parseMigrated, parseSlots, type SlotMap} from './slot-map.ts'
import type {Connection} from './connection.ts'
import type {Settings} from './options.ts'
import type {Push} from './reply.ts'

export class Topology {
  /** Called after every change of the map. */
  onChange: () => void = () => undefined
  readonly #settings: Settings
  readonly #seeds: readonly ServerLink[]
  readonly #links = new Map<string, ServerLink>()
  #map: SlotMap = emptyMap()
  /** The links of the map's masters, by their index there. */
  #masters: readonly ServerLink[] = []
  #refreshing: Promise<void> | undefined
  #refreshedMs = -Infinity
  #timer: NodeJS.Timeout | undefined
  #turn = 0
  #isClosed = false

  constructor(seeds: readonly Address[], settings: Settings) {
    this.#settings = settings
    this.#seeds = seeds.map((seed) => this.linkTo(seed))
  }

  get masters(): readonly ServerLink[] {
    return this.#masters
  }

  /** The link to the master of the bucket; undefined if nobody is known to serve it. */
  ownerOf(bucket: number): ServerLink | undefined {
    return this.#masters[this.#map.ownerIndexOf(bucket)]
  }

  /** A link to any node, the next one each time; one that is connected if there is any. */
  anyone(): ServerLink {
    const links = this.#known()
    const open = links.filter(({connection}) => connection)
    const healthy = links.filter(({isFailed}) => !isFailed)
    const candidates = [open, healthy, links].find(({length}) => length > 0)!
    return candidates[this.#turn++ % candidates.length]!
  }

  linkTo(address: Address): ServerLink {
    const name = formatAddress(address)
    const known = this.#links.get(name)
    if (known) return known
    const link = new ServerLink(address, this.#settings, {
      onPush: (push) => this.#takePush(push),
      onLost: () => this.refreshSoon(),
    })
    this.#links.set(name, link)
    return link
  }

  /** A request on this connection was not answered in time. */
  suspect(connection: Connection): void {
    this.#links.get(formatAddress(connection.address))?.suspect(connection)
  }

  /** A `MOVED` said so. */
  moved(bucket: number, to: Address): void {
    this.#use(this.#map.withOwner(bucket, to))
    this.refreshSoon()
  }

  /** Asks for the map. Errors: those of the last node that was asked, if none answers. */
  refresh(): Promise<void> {
    return (this.#refreshing ??= this.#ask().finally(() => {
      this.#refreshing = undefined
      this.#refreshedMs = performance.now()
    }))
  }

  /** Asks for the map in the background, now or as soon as it was not asked for too recently. A failure leaves the map as it is. */
  refreshSoon(): void {
    if (this.#isClosed || this.#timer) return
    const waitMs = this.#refreshedMs + CLIENT_REFRESH_INTERVAL_MS - performance.now()
    const refresh = (): void => {
      this.#timer = undefined
      if (!this.#isClosed) this.refresh().catch(() => undefined)
    }
    if (waitMs <= 0 && !this.#refreshing) refresh()
    else this.#timer = setTimeout(refresh, Math.max(waitMs, 1)).unref()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await Promise.all([...this.#links.values()].map((link) => link.close()))
  }

  /** Ends every connection at once. */
  cut(): void {
    this.#isClosed = true
    clearTimeout(this.#timer)
    for (const link of this.#links.values()) link.cut()
  }

  /** The first answer of the nodes, who are asked one after the other. */
  #ask(): Promise<void> {
    // Those that are connected first; those that failed last.
    const rank = (link: ServerLink): number => (link.connection ? 0 : link.isFailed ? 2 : 1)
    const candidates = this.#known().sort((a, b) => rank(a) - rank(b))
    const shift = this.#turn++ % Math.max(1, candidates.filter((link) => rank(link) === 0).length)
    candidates.push(...candidates.splice(0, shift))
    return new Promise((resolve, reject) => {
      let next = 0
      let running = 0
      let isDone = false
      const askNext = (): void => {
        const link = candidates[next++]
        if (isDone || !link) return
        running++
        const hedge = setTimeout(askNext, CLIENT_REFRESH_HEDGE_MS)
        this.#askOne(link)
          .then(
            () => {
              isDone = true
              resolve()
            },
            (error: Error) => {
              running--
              askNext()
              if (running === 0) reject(error)
            },
          )
          .finally(() => clearTimeout(hedge))
      }
      askNext()
    })
  }

  async #askOne(link: ServerLink): Promise<void> {
    const connection = await link.connect()
    let map: SlotMap
    try {
      map = parseSlots(await connection.send(['CLUSTER', 'SLOTS']), link.address)
    } catch (error) {
      if (error instanceof ClientError && error.code === 'E_TIMEOUT') link.suspect(connection)
      throw error
    }
    if (map.masters.length === 0 && this.#map.masters.length > 0) return
    this.#use(map)
    this.#prune()
  }

  #takePush(push: Push): void {
    const moves = parseMigrated(push)
    if (!moves || moves.length === 0) return
    this.#use(moves.reduce((map, {to, buckets}) => map.withOwnerOf(buckets, to), this.#map))
  }

  #use(map: SlotMap): void {
    if (this.#isClosed) return
    this.#map = map
    this.#masters = map.masters.map((address) => this.linkTo(address))
    this.onChange()
  }

  /** Lets go of those that have no bucket any more. */
  #prune(): void {
    for (const [name, link] of this.#links) {
      if (this.#masters.includes(link) || this.#seeds.includes(link)) continue
      this.#links.delete(name)
      link.retire()
    }
  }

  #known(): ServerLink[] {
    return [...this.#links.values()]
  }
}
