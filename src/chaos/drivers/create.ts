/** Which driver for which system. */
import {AttachedDriver, type AttachedDriverOptions} from './attached-driver.ts'
import {KvDriver, type KvDriverOptions} from './kv-driver.ts'
import {RedisDriver, type RedisDriverOptions} from './redis-driver.ts'
import type {Driver, DriverOptions} from '../driver.ts'

export type DriverKind = 'kv' | 'redis' | 'attached'

/** What some drivers take beside the rest. */
export type CreateDriverOptions = DriverOptions &
  Pick<KvDriverOptions, 'hotBuckets'> &
  Partial<Pick<RedisDriverOptions, 'server' | 'nodeTimeoutMs'>> &
  Partial<Pick<AttachedDriverOptions, 'attach' | 'onFault'>>

/** Nothing is started yet. Errors: E_NOT_FOUND (no redis-server), E_USAGE (`attached` without `attach` and `onFault`). */
export function createDriver(kind: 'kv', options: CreateDriverOptions): KvDriver
export function createDriver(kind: DriverKind, options: CreateDriverOptions): Driver
export function createDriver(kind: DriverKind, options: CreateDriverOptions): Driver {
  switch (kind) {
    case 'kv':
      return new KvDriver(options)
    case 'redis':
      return new RedisDriver({...options, server: options.server ?? 'redis-server'})
    case 'attached':
      return AttachedDriver.from(options)
  }
}
