/** Flags of the commands that look after a cluster, and how the next command would be typed. */
import {Flags} from '@oclif/core'
import {formatAddress, type Address} from '../base/address.ts'
import {DEFAULT_PORT} from '../constants.ts'
import type {Asked} from './cluster-check.ts'
import type {ConnectFlags} from './connect.ts'
import {connectFlags} from './flags.ts'

const DEFAULT_NODE = `127.0.0.1:${DEFAULT_PORT}`

/** As `connectFlags`, but any number of nodes may be named. */
export const clusterFlags = {
  ...connectFlags,
  node: Flags.string({
    char: 'n',
    env: 'KV_NODE',
    default: DEFAULT_NODE,
    helpValue: 'host:port,...',
    description: 'Any node of the cluster; of several, with commas, the first that answers.',
  }),
}

/** `address`: of the node that answered. */
export function askedOf({node}: ConnectFlags, address: Address): Asked {
  const isFound = node === (process.env['KV_NODE'] || DEFAULT_NODE)
  return {address, nodeFlag: isFound ? '' : ` --node ${formatAddress(address)}`}
}
