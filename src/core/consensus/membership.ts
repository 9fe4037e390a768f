/**
 * Who takes part, over the length of the log. A configuration is in force from the moment that its entry is appended, not
 * from its commit (Ongaro, "Consensus: Bridging Theory and Practice", 4.1), so an entry that is truncated takes its
 * configuration with it, and the one before is in force again.
 */
import {assert} from '../../base/assert.ts'
import type {RaftConfig} from './types.ts'

/** The configuration of a node that was never told of any: it neither votes for itself nor leads. */
export const NO_CONFIG: RaftConfig = {voters: [], learners: []}

/** Whether this is a configuration that can lead: at least one voter, every id non-empty and named once. */
export function isConfig(value: unknown): value is RaftConfig {
  if (typeof value !== 'object' || value === null) return false
  const {voters, learners} = value as Record<string, unknown>
  if (!Array.isArray(voters) || !Array.isArray(learners) || voters.length === 0) return false
  const ids: unknown[] = [...(voters as unknown[]), ...(learners as unknown[])]
  return ids.every((id) => typeof id === 'string' && id !== '') && new Set(ids).size === ids.length
}

/** The configuration in the data of a `config` entry, or null if there is none. */
export function parseConfig(data: string): RaftConfig | null {
  let value: unknown
  try {
    value = JSON.parse(data)
  } catch {
    return null
  }
  return isConfig(value) ? {voters: [...value.voters], learners: [...value.learners]} : null
}

/** Any majority of one then shares a voter with any majority of the other (4.1). Learners may change at will. */
export function isSingleStep(from: RaftConfig, to: RaftConfig): boolean {
  const added = to.voters.filter((id) => !from.voters.includes(id))
  const removed = from.voters.filter((id) => !to.voters.includes(id))
  return added.length + removed.length <= 1
}

/** The configurations that the log holds, with the indexes of their entries, oldest first. Never empty. */
export class ConfigHistory {
  #items: {readonly index: number; readonly config: RaftConfig}[]

  /** `config` is in force at `index`: of a snapshot, or `NO_CONFIG` at 0. */
  constructor(index: number, config: RaftConfig) {
    this.#items = [{index, config}]
  }

  get latest(): RaftConfig {
    return this.#items.at(-1)!.config
  }

  get latestIndex(): number {
    return this.#items.at(-1)!.index
  }

  /** The configuration in force at this index, which the log must still reach back to. */
  at(index: number): RaftConfig {
    const item = this.#items.findLast((candidate) => candidate.index <= index)
    assert(item !== undefined, 'this configuration was forgotten')
    return item.config
  }

  /** Configurations that may be the committed one, when everything up to `commitIndex` is known to be. */
  since(commitIndex: number): readonly RaftConfig[] {
    const inForce = this.at(commitIndex)
    return [inForce, ...this.#items.filter(({index}) => index > commitIndex).map(({config}) => config)]
  }

  /** The data of an entry that was appended; it was checked where it came in. */
  add(index: number, data: string): void {
    const config = parseConfig(data)
    assert(config !== null, 'a config entry holds a configuration')
    assert(index > this.latestIndex, 'configurations follow each other')
    this.#items.push({index, config})
  }

  /** Entries from here on were truncated. */
  truncate(from: number): void {
    this.#items = this.#items.filter(({index}) => index < from)
    assert(this.#items.length > 0, 'what a snapshot holds is never truncated')
  }

  /** Nobody will ask for a configuration before this index again. */
  forgetBefore(index: number): void {
    const config = this.at(index)
    this.#items = [{index, config}, ...this.#items.filter((item) => item.index > index)]
  }
}
