/** What the commands that start a node have in common: how its flags are read, and how it is kept in the foreground. */
import {formatAddress, parseAddress, type Address} from '../base/address.ts'
import {DEFAULT_PORT} from '../constants.ts'
import {KvError} from '../errors.ts'

/** Faults on purpose, for tests of the testers; loudly refused without the second variable. */
export function plantsOf(env: NodeJS.ProcessEnv): ReadonlySet<string> {
  const names = (env['KV_PLANT'] ?? '').split(',').filter(Boolean)
  if (names.length === 0) return new Set()
  if (env['KV_ALLOW_PLANTS'] !== '1') {
    throw new KvError(
      'E_USAGE',
      'KV_PLANT makes a node lose data on purpose.',
      'Unset it, or set KV_ALLOW_PLANTS=1 too.',
    )
  }
  process.stderr.write(`*** KV_PLANT=${names.join(',')}: this node is wrong on purpose. ***\n`)
  return new Set(names)
}

/**
 * KV_PEER_VIA="host:port=host:port,...": the peer at the first address is dialled at the second. Internal: `kv chaos` puts its proxies between
 * its nodes. Errors: E_USAGE.
 */
export function peerViaOf(env: NodeJS.ProcessEnv): ReadonlyMap<string, Address> {
  const pairs = (env['KV_PEER_VIA'] ?? '').split(',').filter(Boolean)
  return new Map(
    pairs.map((pair) => {
      const [peer, via, ...rest] = pair.split('=').map((text) => parseAddress(text))
      if (peer && via && rest.length === 0) return [formatAddress(peer), via]
      throw new KvError('E_USAGE', `KV_PEER_VIA: ${pair} is no pair of addresses.`, 'Unset it: it is for kv chaos.')
    }),
  )
}

/** Addresses with commas between them. Errors: E_USAGE. */
export function joinAddresses(text: string): Address[] {
  return text.split(',').map((part) => {
    const address = parseAddress(part.trim(), DEFAULT_PORT)
    if (!address) throw new KvError('E_USAGE', `${part} is no address`, 'Write host:port, for instance 127.0.0.1:7379.')
    return address
  })
}
