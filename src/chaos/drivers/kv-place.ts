/** A place of a cluster of kv processes. The node says itself, on stdout, when it serves, or why it does not. */
import {mkdirSync} from 'node:fs'
import {join} from 'node:path'
import {formatAddress, type Address} from '../../base/address.ts'
import {ProcessPlace, type PlaceOptions, type StartProblem} from './place.ts'
import {launcher, type Processes, type Running} from './processes.ts'
import type {NodeEvent} from '../../cli/run-node.ts'

/** May be otherwise a moment later: its cluster cannot be heard, or its last process is not quite gone. */
const PASSING: ReadonlySet<string> = new Set(['E_JOIN', 'E_PORT_IN_USE', 'E_DATA_DIR_IN_USE', 'E_LOG_IN_USE'])

export interface KvPlaceOptions extends PlaceOptions {
  readonly peerPort: number
  readonly replicas: number
  readonly env: Readonly<Record<string, string>>
}

export class KvPlace extends ProcessPlace {
  readonly #kv: KvPlaceOptions

  constructor(options: KvPlaceOptions, processes: Processes) {
    super(options, processes)
    this.#kv = options
  }

  protected override launch(others: readonly Address[]): Running {
    mkdirSync(this.dataDir, {recursive: true})
    const args = [launcher(), ...this.#args(others)]
    return this.processes.start({
      ...{name: this.name, command: process.execPath, args, env: this.#kv.env, hasChannel: true},
    })
  }

  protected override async ready(running: Running): Promise<StartProblem | null> {
    const said = await running.line(firstEvent)
    if (said === undefined) return this.endedEarly(running)
    if ('error' in said) return {message: said.error.message, isPassing: PASSING.has(said.error.code)}
    this.nodeId = said.nodeId
    return null
  }

  #args(others: readonly Address[]): string[] {
    const {role, port, peerPort, replicas} = this.#kv
    const {dataDir} = this
    const own =
      role === 'log'
        ? ['log', 'start', '--dir', dataDir, '--log-ack', 'sync']
        : ['node', 'start', '--data-dir', dataDir, '--save-file', this.saveFile, '--replicas', String(replicas)]
    const joining = others.length > 0 ? ['--join', others.map(formatAddress).join(',')] : []
    const ports = ['--host', this.address.host, '--port', String(port), '--peer-port', String(peerPort)]
    return [...own, ...ports, ...joining, '--log-level', 'info', '--json', '--stop-with-parent']
  }

  /** Written by the last node of a cluster that stops in good order. */
  get saveFile(): string {
    return join(this.dataDir, 'kv.save')
  }
}

type Started = NodeEvent & {readonly event: 'started'}
type Failed = {readonly error: {readonly code: string; readonly message: string}}

/** The line that says that it serves, or why it does not. */
function firstEvent(line: string): Started | Failed | undefined {
  let said: Partial<Started> & Partial<Failed>
  try {
    said = JSON.parse(line) as typeof said
  } catch {
    return undefined
  }
  if (said.error) return {error: said.error}
  return said.event === 'started' ? (said as Started) : undefined
}
