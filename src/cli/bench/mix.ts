/** Which operations a run consists of, and in what proportion: `get:9,set:1`. */
import type {Argument} from '../../client/encoder.ts'
import {KvError} from '../../errors.ts'

/**
 * An element of the run's key space is a number; each operation says which key it is. Maps hold ten elements each, so
 * that element 42 is the field `f2` of the map 4.
 */
export interface Operation {
  /** Part of the key's name, so that strings, maps and counters never meet. */
  readonly family: 's' | 'm' | 'c'
  /** Elements that share one key. */
  readonly elementsPerKey: number
  /** What must have been written before, for a read to find something. */
  readonly loadedBy?: OperationName
  readonly args: (key: string, field: string, value: Uint8Array) => Argument[]
}

export const OPERATIONS = {
  get: {family: 's', elementsPerKey: 1, loadedBy: 'set', args: (key) => ['GET', key]},
  set: {family: 's', elementsPerKey: 1, args: (key, _field, value) => ['SET', key, value]},
  hget: {family: 'm', elementsPerKey: 10, loadedBy: 'hset', args: (key, field) => ['HGET', key, field]},
  hset: {family: 'm', elementsPerKey: 10, args: (key, field, value) => ['HSET', key, field, value]},
  incr: {family: 'c', elementsPerKey: 1, args: (key) => ['INCR', key]},
} as const satisfies Record<string, Omit<Operation, 'loadedBy'> & {loadedBy?: string}>

export type OperationName = keyof typeof OPERATIONS

export interface Share {
  readonly name: OperationName
  readonly weight: number
}

/** `get:9,set:1`, `get`, `get,hset:3`; a weight that is left out is 1. Errors: E_USAGE. */
export function parseMix(text: string): readonly Share[] {
  const shares = text.split(',').map((part): Share => {
    const [name = '', weight = '1', ...rest] = part.trim().toLowerCase().split(':')
    if (!isOperation(name)) throw usage(text, `"${name}" is none of ${Object.keys(OPERATIONS).join(', ')}`)
    if (rest.length > 0 || !/^\d{1,6}$/.test(weight) || Number(weight) === 0) {
      throw usage(text, `the weight of ${name} must be a whole number from 1`)
    }
    return {name, weight: Number(weight)}
  })
  const names = new Set(shares.map((share) => share.name))
  if (names.size !== shares.length) throw usage(text, 'an operation is named twice')
  return shares
}

/** The writes that must come first, so that the mix's reads find something. */
export function loadsFor(mix: readonly Share[]): readonly OperationName[] {
  const loads = mix
    .map(({name}) => OPERATIONS[name])
    .flatMap((operation) => ('loadedBy' in operation ? [operation.loadedBy] : []))
  return [...new Set(loads)]
}

function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name)
}

function usage(text: string, why: string): KvError {
  return new KvError('E_USAGE', `--mix ${text} is not a mix: ${why}.`, 'For example: --mix get:9,set:1')
}
