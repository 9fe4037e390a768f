/** The flags that all commands have which start a node, and what they mean to it. */
import {Flags} from '@oclif/core'
import {formatAddress, parseAddress, type Address} from '../base/address.ts'
import {DEFAULT_PORT} from '../constants.ts'
import {KvError} from '../errors.ts'
import {readPassword} from './connect.ts'
import {connectFlags} from './flags.ts'
import {LOG_LEVELS, type LogLevel} from './log.ts'
import type {NodeOptions} from '../node/options.ts'

export const nodeFlags = {
  host: Flags.string({default: '127.0.0.1', description: 'Address to listen on; 0.0.0.0 for every one.'}),
  port: Flags.integer({default: DEFAULT_PORT, min: 0, max: 65_535, description: 'Client port; 0 picks a free one.'}),
  announce: Flags.string({
    helpValue: 'host[:port]',
    description: 'What others are told to connect to, if not the address it listens on.',
  }),
  join: Flags.string({
    helpValue: 'host:port,...',
    description: 'Join the cluster of the first of these nodes that answers; not needed again with the same folder.',
  }),
  'peer-port': Flags.integer({
    min: 1,
    max: 65_535,
    description: 'Port for other nodes; default the client port + 10000.',
  }),
  'admin-port': Flags.integer({
    min: 0,
    max: 65_535,
    description:
      'Serve /metrics, /livez, /readyz and /cluster over HTTP on this port; 0 picks a free one, without it none.',
  }),
  'admin-host': Flags.string({
    helpValue: 'host',
    dependsOn: ['admin-port'],
    description: 'Address of the admin port; default 127.0.0.1. Who reaches it reads figures without a password.',
  }),
  'secret-file': Flags.string({
    helpValue: 'file',
    description: 'What nodes must share to talk to each other; one line.',
  }),
  'password-file': connectFlags['password-file'],
  'log-level': Flags.option({options: LOG_LEVELS, default: 'info' as const, description: 'How much to log.'})(),
  'stop-with-parent': Flags.boolean({
    hidden: true,
    description: 'Stop when the IPC channel to the parent process closes.',
  }),
}

export interface NodeFlags {
  readonly host: string
  readonly port: number
  readonly announce: string | undefined
  readonly join: string | undefined
  readonly 'peer-port': number | undefined
  readonly 'admin-port': number | undefined
  readonly 'admin-host': string | undefined
  readonly 'secret-file': string | undefined
  readonly 'password-file': string | undefined
  readonly 'log-level': LogLevel
  readonly 'stop-with-parent': boolean
}

type NetworkOptions = Pick<
  NodeOptions,
  | 'host'
  | 'port'
  | 'announce'
  | 'password'
  | 'secret'
  | 'join'
  | 'peerPort'
  | 'plants'
  | 'peerVia'
  | 'adminPort'
  | 'adminHost'
>

/** Where the node is, whom it joins, and whom it trusts. Errors: E_USAGE, and those of reading a file. */
export function networkOptions(flags: NodeFlags): NetworkOptions {
  const password = readPassword(flags['password-file'])
  const secret = flags['secret-file'] === undefined ? undefined : readPassword(flags['secret-file'])
  return {
    host: flags.host,
    port: flags.port,
    ...(flags.announce !== undefined && {announce: flags.announce}),
    ...(password !== undefined && {password}),
    ...(secret !== undefined && {secret}),
    ...(flags.join !== undefined && {join: joinAddresses(flags.join)}),
    ...(flags['peer-port'] !== undefined && {peerPort: flags['peer-port']}),
    ...(flags['admin-port'] !== undefined && {adminPort: flags['admin-port']}),
    ...(flags['admin-host'] !== undefined && {adminHost: flags['admin-host']}),
    plants: plantsOf(process.env),
    peerVia: peerViaOf(process.env),
  }
}

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
function joinAddresses(text: string): Address[] {
  return text.split(',').map((part) => {
    const address = parseAddress(part.trim(), DEFAULT_PORT)
    if (!address) throw new KvError('E_USAGE', `${part} is no address`, 'Write host:port, for instance 127.0.0.1:7379.')
    return address
  })
}
