/** Flags of the commands that look after a cluster, and how the next command would be typed. */
import {Flags} from '@oclif/core'
import {formatAddress, type Address} from '../base/address.ts'
import {DEFAULT_PORT} from '../constants.ts'
import {KvError} from '../errors.ts'
import {chosenContext} from './contexts.ts'
import {shellQuote} from './shell.ts'
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
export function askedOf({node, context}: ConnectFlags, address: Address): Asked {
  const current = process.env['KV_NODE'] || (nodeOfContext(process.env['KV_CONTEXT']) ?? DEFAULT_NODE)
  if (node === current) return {address, nodeFlag: ''}
  const isOfContext = context !== undefined && nodeOfContext(context) === node
  return {address, nodeFlag: isOfContext ? ` --context ${shellQuote(context)}` : ` --node ${formatAddress(address)}`}
}

/** Undefined if there is none, or none can be read: whoever named a node does not need it. */
function nodeOfContext(name: string | undefined): string | undefined {
  try {
    return chosenContext(name)?.node
  } catch (error) {
    if (error instanceof KvError) return undefined
    throw error
  }
}
