import {mkdtemp, rm} from 'node:fs/promises'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {Flags} from '@oclif/core'
import {formatAddress} from '../../src/base/address.ts'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {demoLines, logLine, startDemo, type Demo} from '../../src/cli/demo.ts'
import {isPortFree} from '../../src/cli/free-port.ts'
import {hasPerson} from '../../src/cli/guide.ts'
import {outliveReader} from '../../src/cli/pipe.ts'
import {prose} from '../../src/cli/prose.ts'
import {selfCommand} from '../../src/cli/shell.ts'
import {renderTable} from '../../src/cli/table.ts'
import {formatCount} from '../../src/cli/units.ts'
import {BUCKET_COUNT, DEFAULT_PORT} from '../../src/constants.ts'

export default class ClusterDemo extends BaseCommand {
  static override summary = 'Start a throw-away cluster to play with.'
  static override description = prose`
    Starts nodes as child processes, waits until they have shared the buckets and clients can use them, shows three lines
    to paste into another terminal, and opens the console (kv repl); without a terminal it stays until Ctrl-C. The data
    lives in memory and goes with them.

    With --detach it returns at once and the nodes go on; stop each with kv node stop.
  `
  static override examples = [
    '<%= config.bin %> cluster demo',
    {description: 'In a script:', command: '<%= config.bin %> cluster demo --detach --json'},
  ]
  static override flags = {
    port: Flags.integer({
      min: 1,
      max: 65_535,
      description: `Port to use; without it ${DEFAULT_PORT}, or a free one if that is taken.`,
    }),
    nodes: Flags.integer({default: 3, min: 1, max: 20, description: 'How many nodes.'}),
    replicas: Flags.integer({default: 1, min: 0, max: 4, description: 'Copies of each bucket besides its master.'}),
    'log-node': Flags.boolean({description: 'A data-log node as well, which writes every change to files.'}),
    detach: Flags.boolean({char: 'd', description: 'Return at once and leave it running.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(ClusterDemo)
    const port = flags.port ?? ((await isPortFree(DEFAULT_PORT)) ? DEFAULT_PORT : 0)
    const logDir = flags['log-node'] ? await mkdtemp(join(tmpdir(), 'kv-demo-log-')) : undefined
    const shape = {port, nodes: flags.nodes, replicas: flags.replicas, isDetached: flags.detach}
    try {
      return await this.#play(await startDemo({...shape, ...(logDir !== undefined && {logDir})}), logDir, flags.detach)
    } finally {
      if (logDir !== undefined && !flags.detach) await rm(logDir, {recursive: true, force: true})
    }
  }

  async #play(demo: Demo, logDir: string | undefined, isDetached: boolean): Promise<unknown> {
    const self = selfCommand()
    const lines = [...demoLines(demo.nodes[0]!.address, self)]
    if (logDir !== undefined) lines.push(logLine(demo.nodes.at(-1)!.address, self))
    if (isDetached) {
      this.#show(demo, lines)
      const stops = demo.nodes.map(({address}) => `${self} node stop ${formatAddress(address)} --yes`)
      this.print(
        `It goes on without this terminal; its log is ${demo.logFile}. To end it:\n\n${indent(stops.join('\n'))}\n`,
      )
      return {...demoJson(demo, lines, logDir), logFile: demo.logFile}
    }
    if (this.jsonEnabled()) this.logJson(demoJson(demo, lines, logDir))
    this.#show(demo, lines)
    const isTalking = hasPerson() && process.stdout.isTTY && !this.jsonEnabled()
    this.print(
      isTalking
        ? 'Or type here; Ctrl-D ends it all and leaves nothing behind.\n'
        : 'Ctrl-C ends it and leaves nothing behind.',
    )
    const over = this.#stay(demo, isTalking)
    if (isTalking) await this.#talk(demo)
    await over
    return undefined
  }

  /** The console, on the first node; with its end the demo ends. */
  async #talk(demo: Demo): Promise<void> {
    const {runConsole} = await import('../../src/repl/main.ts')
    try {
      await runConsole({
        ...{seeds: demo.nodes.map(({address}) => address), password: undefined, commands: this.config.commands},
        ...{isJson: false, isYes: false, keepsGoing: false, style: this.style, errorStyle: this.errorStyle},
      })
    } finally {
      // To the one place that stops it.
      process.emit('SIGTERM')
    }
  }

  #show(demo: Demo, lines: readonly string[]): void {
    const count = demo.nodes.length === 1 ? 'One node' : `${demo.nodes.length} nodes`
    const time = (demo.readyMs / 1000).toFixed(1)
    this.print(`\n${this.style.bold(`${count}, all yours`)}, and ready after ${time} s.\n`)
    const rows = demo.nodes.map((node) => [
      node.name,
      this.style.green(formatAddress(node.address)),
      node.nodeId.slice(0, 8),
      `${formatCount(node.bucketCount)} of ${formatCount(BUCKET_COUNT)}`,
      String(node.pid),
    ])
    const titles = ['NODE', 'ADDRESS', 'ID', 'BUCKETS', 'PID'].map((title) => ({title}))
    this.print(indent(renderTable(titles, rows, this.style.bold)))
    this.print(
      `\nSay hello from another terminal, in any of three languages${demo.nodes.at(-1)!.name === 'log' ? ', and watch it' : ''}:\n`,
    )
    this.print(`${indent(lines.join('\n'))}\n`)
  }

  /** Until the nodes have ended, because we were told to or by themselves. */
  async #stay(demo: Demo, isTalking: boolean): Promise<void> {
    outliveReader()
    let isStopping = false
    const stop = (): void => {
      if (!isStopping && process.stderr.isTTY) this.note('\nStopping...')
      isStopping = true
      demo.stop()
    }
    // In the console Ctrl-C is for what was typed.
    process.on('SIGTERM', stop)
    if (!isTalking) process.on('SIGINT', stop)
    const exitCode = await demo.ended
    process.off('SIGINT', stop).off('SIGTERM', stop)
    process.exitCode = exitCode
    if (isStopping && exitCode === 0) this.print('Gone. Thank you for looking.')
    else
      this.note(
        `${this.errorStyle.red('kv:')} A node ended ${isStopping ? 'badly' : 'by itself'} (exit code ${exitCode}).`,
      )
  }
}

function demoJson(demo: Demo, lines: readonly string[], logDir: string | undefined): object {
  const nodes = demo.nodes.map((node) => ({...node, address: formatAddress(node.address)}))
  return {nodes, readyMs: demo.readyMs, try: lines, ...(logDir !== undefined && {logDir})}
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ')
}
