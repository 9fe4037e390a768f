/** What a person sees when a node is ready: where it is, what it keeps, and what to type next. */
import type {ChalkInstance} from 'chalk'
import {formatAddress, type Address} from '../base/address.ts'
import {KV_VERSION} from '../constants.ts'
import type {NodeOptions, RunningNode} from '../node/options.ts'
import {selfCommand} from './shell.ts'
import {formatBytes, formatCount} from './units.ts'

/** Several lines, with a blank one before and after. */
export function nodeBanner(node: RunningNode, options: NodeOptions, style: ChalkInstance): string {
  const {address} = node
  const local = formatAddress(reachable(address))
  const self = selfCommand()
  const facts: [string, string][] = [
    ['node id', node.nodeId],
    ['data dir', options.dataDir ?? 'none: its id lives as long as the process'],
    ['savefile', saveFileText(node, options)],
    ['memory', memoryText(options)],
    ...adminFact(node),
  ]
  const lines = facts.map(([name, value]) => `  ${style.dim(name.padEnd(9))} ${value}`)
  return [
    '',
    `  ${style.bold(`kv ${KV_VERSION}`)} is ready on ${style.green.bold(formatAddress(address))}`,
    '',
    ...lines,
    '',
    `  ${style.dim('try')}       ${self} exec -n ${local} SET greeting hello`,
    `  ${style.dim('stop')}      Ctrl-C (twice: at once, saving nothing), or ${self} node stop ${local}`,
    '',
  ].join('\n')
}

/** Where figures are read, if anywhere. */
function adminFact({admin}: RunningNode): [string, string][] {
  return admin ? [['admin', `http://${formatAddress(reachable(admin))}/metrics`]] : []
}

/** An address that can be typed on this machine: listening everywhere is not a place to connect to. */
function reachable(address: Address): Address {
  if (address.host === '0.0.0.0') return {host: '127.0.0.1', port: address.port}
  return address.host === '::' ? {host: '::1', port: address.port} : address
}

function saveFileText(node: RunningNode, options: NodeOptions): string {
  if (options.saveFile === undefined) return 'none: keys live as long as the process'
  const loaded = node.keysLoaded === 1 ? '1 key loaded' : `${formatCount(node.keysLoaded)} keys loaded`
  return `${options.saveFile} (${loaded})`
}

function memoryText(options: NodeOptions): string {
  if (options.maxMemoryBytes === 0) return 'no limit'
  return `at most ${formatBytes(options.maxMemoryBytes)}, ${options.maxMemoryPolicy}`
}

/** The same of a data-log node. */
export function logBanner(node: RunningNode, dir: string, ack: string, style: ChalkInstance): string {
  const self = selfCommand()
  return [
    '',
    `  ${style.bold(`kv ${KV_VERSION}`)} logs all changes of its cluster to ${style.green.bold(dir)}`,
    '',
    `  ${style.dim('node id')}   ${node.nodeId}`,
    `  ${style.dim('address')}   ${formatAddress(node.address)}`,
    `  ${style.dim('ack')}       ${ack}`,
    ...adminFact(node).map(([name, value]) => `  ${style.dim(name.padEnd(9))} ${value}`),
    '',
    `  ${style.dim('watch')}     ${self} log tail ${dir} -f`,
    `  ${style.dim('stop')}      Ctrl-C`,
    '',
  ].join('\n')
}
