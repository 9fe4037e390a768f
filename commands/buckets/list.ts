import {Flags} from '@oclif/core'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {bucketsByNode, bucketsTable, rangesTable} from '../../src/cli/cluster-report.ts'
import {prose} from '../../src/cli/prose.ts'
import {WatchCommand, watchFlags} from '../../src/cli/watch-command.ts'

export default class BucketsList extends WatchCommand {
  static override summary = 'Show which node has which buckets.'
  static override description = prose`
    One line for each node, with the buckets of which it is master. With --wide one line for each range of buckets that
    have the same master and the same replicas. --json always has everything.
  `
  static override examples = [
    '<%= config.bin %> buckets list',
    {description: 'With replicas, range by range:', command: '<%= config.bin %> buckets list --wide'},
  ]
  static override flags = {
    ...clusterFlags,
    ...watchFlags,
    wide: Flags.boolean({description: 'One line for each range, with replicas.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(BucketsList)
    return this.show(flags, async (link) => {
      const state = await link.state()
      const text = flags.wide ? rangesTable(state, this.style) : bucketsTable(state, this.style)
      const idOf = (slot: number): string | null => state.members.find((member) => member.slot === slot)?.id ?? null
      const document = {
        revision: state.revision,
        nodes: bucketsByNode(state).map(({member, masters, replicas}) => ({
          ...{id: member.id, host: member.host, port: member.port, masters, replicas},
        })),
        lost: state.lost,
        ranges: state.ranges.map(([first, last, master, replicas]) => ({
          ...{first, last, master: idOf(master), replicas: replicas.map(idOf)},
        })),
      }
      return {text, document}
    })
  }
}
