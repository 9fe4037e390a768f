import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/cli/base-command.ts'
import {clusterFlags} from '../src/cli/cluster-flags.ts'
import {ClusterLink} from '../src/cli/cluster-link.ts'
import {amountOf} from '../src/cli/flags.ts'
import {prose} from '../src/cli/prose.ts'
import {isRichTerminal} from '../src/cli/style.ts'
import {models, plainText, showLive, topDocument} from '../src/cli/top/run.ts'
import {untilInterrupted} from '../src/cli/watch-cluster.ts'
import type {TopModel} from '../src/cli/top/model.ts'

const LOOK_TIMEOUT_MS = 1_000

export default class Top extends BaseCommand {
  static override summary = 'Watch the nodes of the cluster live.'
  static override description = prose`
    Requests a second and how long they took, memory, clients, and how far copies and data logs are behind, for every
    node; what moves, and what happened last. Type ? for the keys: s sorts, / filters, enter looks into a node, b shows the
    busiest buckets, q quits.

    A node that dies or hangs is shown as such, and so is a cluster of which no node answers any more. Times are upper
    bounds, right to a factor of two.

    Without a terminal, or on one that cannot move its cursor, a block of lines comes every interval; with --json an
    object a line. --once stops after the first, which takes one interval.
  `
  static override examples = [
    '<%= config.bin %> top',
    {
      description: 'Through any of three nodes, twice a second:',
      command: '<%= config.bin %> top -n 10.0.0.1:7379,10.0.0.2:7379,10.0.0.3:7379 --interval 500ms',
    },
    {
      description: 'One measurement for a script:',
      command: "<%= config.bin %> top --once --json | jq '.nodes[] | {address, opsPerSecond}'",
    },
  ]
  static override flags = {
    ...clusterFlags,
    interval: Flags.string({default: '1s', helpValue: 'time', description: 'Time between two looks.'}),
    once: Flags.boolean({description: 'Show one measurement and end.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(Top)
    const intervalMs = Math.max(50, amountOf('milliseconds', 'interval', flags.interval))
    const link = new ClusterLink(flags, LOOK_TIMEOUT_MS)
    try {
      return await untilInterrupted((signal) => this.#show({link, intervalMs, signal}, flags.once))
    } finally {
      link.close()
    }
  }

  async #show(options: Parameters<typeof models>[0], isOnce: boolean): Promise<unknown> {
    const isLive = process.stdin.isTTY && isRichTerminal(process.stdout)
    if (isLive && !isOnce && !this.jsonEnabled()) return showLive(options, this.style)
    let seen: TopModel | null = null
    for await (const model of models(options)) {
      if (isOnce) {
        this.print(plainText(model, null))
        return topDocument(model)
      }
      if (this.jsonEnabled()) this.emitJson(topDocument(model))
      else this.print(`${seen === null ? '' : '\n'}${plainText(model, seen)}`)
      seen = model
    }
    return undefined
  }
}
