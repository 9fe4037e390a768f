/** Addresses as they are typed. */
import {parseAddress, type Address} from '../base/address.ts'
import {DEFAULT_PORT} from '../constants.ts'
import {KvError} from '../errors.ts'

/** Parses an address argument; a bare host gets the default port. Errors: E_USAGE. */
export function requireAddress(text: string): Address {
  const address = parseAddress(text, DEFAULT_PORT)
  if (address) return address
  throw new KvError('E_USAGE', `"${text}" is not an address.`, 'Write host:port, for example 127.0.0.1:7379.')
}

/** The addresses of a flag: one, or several with commas between them. Errors: E_USAGE. */
export function nodeAddresses(text: string): Address[] {
  return text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(requireAddress)
}

/** The first of them: for a command that asks one node. Errors: E_USAGE. */
export function firstAddress(text: string): Address {
  return nodeAddresses(text)[0] ?? requireAddress(text)
}
