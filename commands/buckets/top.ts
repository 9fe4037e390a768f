import {Flags} from '@oclif/core'
import {BaseCommand} from '../../src/cli/base-command.ts'
import {BucketSampler, silenceText, topJson, topTable, TOP_METRICS} from '../../src/cli/buckets-top.ts'
import {clusterFlags} from '../../src/cli/cluster-flags.ts'
import {withCluster} from '../../src/cli/cluster-link.ts'
import {isAlone} from '../../src/cli/cluster-state.ts'
import {amountOf} from '../../src/cli/flags.ts'
import {Progress} from '../../src/cli/progress.ts'
import {prose} from '../../src/cli/prose.ts'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {EXIT} from '../../src/errors.ts'

export default class BucketsTop extends BaseCommand {
  static override summary = 'Show the busiest buckets of the cluster.'
  static override description = prose`
    Asks every node twice for the figures of its buckets, an interval apart, and lists those that clients used most in
    between, or that have most keys: with their master and one of their keys, so that a hot key has a name. Bytes are
    those of requests (in) and replies (out).

    Buckets with nothing are left out. If a node does not answer its buckets are missing, and it exits 7.
  `
  static override examples = [
    '<%= config.bin %> buckets top',
    {
      description: 'The three that move most bytes, over ten seconds:',
      command: '<%= config.bin %> buckets top --by bytes --limit 3 --interval 10s',
    },
    {description: 'Numbers only:', command: "<%= config.bin %> buckets top --json | jq -r '.buckets[].bucket'"},
  ]
  static override flags = {
    ...clusterFlags,
    by: Flags.option({options: TOP_METRICS, default: 'ops' as const, description: 'What counts as busy.'})(),
    limit: Flags.integer({default: 10, min: 1, max: BUCKET_COUNT, description: 'Longest list.'}),
    interval: Flags.string({default: '1s', helpValue: 'time', description: 'Time between the two looks.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(BucketsTop)
    const intervalMs = Math.max(1, amountOf('milliseconds', 'interval', flags.interval))
    return withCluster(flags, async (link) => {
      const state = await link.state()
      const sampler = await BucketSampler.open(state, link.password, isAlone(state) ? link.address : null)
      const progress = new Progress()
      try {
        progress.update(() => `Counting for ${flags.interval}`)
        const rows = await sampler.top(intervalMs, flags.by, flags.limit)
        const keys = await sampler.sampleKeys(rows.map(({bucket}) => bucket))
        progress.done()
        this.print(rows.length > 0 ? topTable(rows, keys, sampler, this.style) : NOTHING[flags.by])
        for (const one of sampler.silent) this.note(`${this.errorStyle.yellow('kv:')} ${silenceText(one)}`)
        if (sampler.silent.length > 0) this.setExit(EXIT.partial)
        return {revision: state.revision, by: flags.by, intervalMs, buckets: topJson(rows, keys, sampler)}
      } finally {
        progress.done()
        sampler.close()
      }
    })
  }
}

const NOTHING = {
  ops: 'No bucket was used in this time.',
  bytes: 'No bucket was used in this time.',
  keys: 'There are no keys.',
} as const
