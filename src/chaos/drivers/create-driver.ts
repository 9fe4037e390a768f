/** Which driver a plan wants. */
import {KvError} from '../../errors.ts'
import {KvDriver} from './kv-driver.ts'
import type {Driver, DriverOptions} from '../driver.ts'
import type {Target} from '../plan.ts'

export function createDriver(target: Target, options: DriverOptions, hotBuckets: () => readonly number[]): Driver {
  if (target.kind === 'kv') return new KvDriver({...options, hotBuckets})
  throw new KvError('E_USAGE', `There is no driver ${target.kind}.`)
}
