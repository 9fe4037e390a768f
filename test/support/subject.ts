/**
 * The server under test. It is kv; `COMPAT_SUBJECT=redis` puts a second redis-server in its place, which proves
 * that a harness is deterministic and that what it demands is what Redis does.
 */
import {startKv, startKvChild} from './kv.ts'
import {startRedis} from './redis.ts'
import type {TestServer} from './server.ts'

export const SUBJECT: 'kv' | 'redis' = process.env['COMPAT_SUBJECT'] === 'redis' ? 'redis' : 'kv'

/** In-process if it is kv. */
export function startSubject(): Promise<TestServer> {
  return SUBJECT === 'kv' ? startKv() : startRedis()
}

/** In a process of its own: for clients that would starve an in-process server, and for memory and crash tests. */
export function startSubjectProcess(): Promise<TestServer> {
  return SUBJECT === 'kv' ? startKvChild() : startRedis()
}
