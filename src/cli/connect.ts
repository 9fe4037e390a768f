/** From flags to a client: the address, the password, and errors that name what was typed. */
import {readFileSync} from 'node:fs'
import {parseAddress, type Address} from '../base/address.ts'
import {ClusterClient, type ClusterOptions} from '../client/cluster-client.ts'
import {DEFAULT_PORT} from '../constants.ts'
import {KvError} from '../errors.ts'

export interface ConnectFlags {
  readonly node: string
  readonly 'password-file'?: string | undefined
}

/** Parses an address argument; a bare host gets the default port. Errors: E_USAGE. */
export function requireAddress(text: string): Address {
  const address = parseAddress(text, DEFAULT_PORT)
  if (address) return address
  throw new KvError('E_USAGE', `"${text}" is not an address.`, 'Write host:port, for example 127.0.0.1:7379.')
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
  return new ClusterClient([requireAddress(flags.node)], {...options, password: readPassword(flags['password-file'])})
}
