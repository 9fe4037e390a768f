/** From flags to a client: the address, the password, and errors that name what was typed. */
import {readFileSync} from 'node:fs'
import {ClusterClient, type ClusterOptions} from '../client/cluster-client.ts'
import {KvError} from '../errors.ts'
import {nodeAddresses, requireAddress} from './addresses.ts'

export {firstAddress, nodeAddresses, requireAddress} from './addresses.ts'

export interface ConnectFlags {
  readonly node: string
  /** Name of a context, see contexts.ts; `node` is what came of it. */
  readonly context?: string | undefined
  readonly 'password-file'?: string | undefined
}

/**
 * The password: first line of the file, else KV_PASSWORD, else none. It is never a flag's value: those are seen by
 * every user of the machine. Errors: E_USAGE if the file cannot be read or its first line is empty.
 */
export function readPassword(file: string | undefined): string | undefined {
  if (file === undefined) return process.env['KV_PASSWORD'] || undefined
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    const {code} = error as NodeJS.ErrnoException
    throw new KvError('E_USAGE', `The password file ${file} cannot be read (${code}).`)
  }
  const password = text.split(/\r?\n/, 1)[0]!
  if (password === '') throw new KvError('E_USAGE', `The first line of the password file ${file} is empty.`)
  return password
}

/** A client of the cluster that the named node belongs to; it connects with its first request. Errors: E_USAGE. */
export function clusterClient(flags: ConnectFlags, options: ClusterOptions = {}): ClusterClient {
  const seeds = nodeAddresses(flags.node)
  if (seeds.length === 0) requireAddress(flags.node)
  return new ClusterClient(seeds, {...options, password: readPassword(flags['password-file'])})
}
