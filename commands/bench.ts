import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/cli/base-command.ts'
import {runBench, type BenchPlan} from '../src/cli/bench/bench.ts'
import {parseMix} from '../src/cli/bench/mix.ts'
import {benchReport, benchTable, benchTrouble, progressLine} from '../src/cli/bench/report.ts'
import {firstAddress, readPassword} from '../src/cli/connect.ts'
import {amountOf, connectFlags} from '../src/cli/flags.ts'
import {Progress} from '../src/cli/progress.ts'
import {prose} from '../src/cli/prose.ts'
import {BENCH_BATCH_BYTES_MAX, VALUE_BYTES_MAX} from '../src/constants.ts'
import {EXIT, KvError} from '../src/errors.ts'

export default class Bench extends BaseCommand {
  static override summary = 'Put a load on the cluster and measure latencies.'
  static override description = prose`
    Works against kv and any Redis or Valkey, single or cluster. It reads and writes keys that begin with the prefix,
    and leaves them there; what the mix reads is written first, so that reads find something.

    Without --rate each client sends its pipeline, waits for all replies, and sends the next: that finds the highest
    throughput. With --rate requests are due at fixed times whatever the server does, and latency counts from the
    moment a request was due, so a stall shows in every request that it delayed.
  `
  static override examples = [
    '<%= config.bin %> bench',
    '<%= config.bin %> bench --mix set --pipeline 16 --requests 1m',
    {
      description: 'Latencies at half load:',
      command: '<%= config.bin %> bench --mix get:9,set:1 --rate 40k --seconds 60',
    },
    {description: 'For a script:', command: '<%= config.bin %> bench --requests 100k --json'},
  ]
  static override flags = {
    ...connectFlags,
    mix: Flags.string({default: 'get:9,set:1', description: 'Of get, set, hget, hset, incr; with weights.'}),
    clients: Flags.integer({char: 'c', default: 50, min: 1, max: 10_000, description: 'Connections.'}),
    pipeline: Flags.integer({char: 'P', default: 1, min: 1, max: 10_000, description: 'Requests in flight on each.'}),
    'value-size': Flags.string({default: '64', helpValue: 'size', description: 'Bytes of a value.'}),
    keys: Flags.string({
      default: '100k',
      helpValue: 'number',
      description: 'Strings, fields or counters to choose from.',
    }),
    requests: Flags.string({helpValue: 'number', description: 'End after this many requests.'}),
    seconds: Flags.string({
      helpValue: 'time',
      description: 'End after this time; 10 s if --requests is not given either.',
    }),
    rate: Flags.string({helpValue: 'number', description: 'Requests per second, instead of as fast as it goes.'}),
    prefix: Flags.string({default: 'kv-bench:', description: 'What its keys begin with.'}),
    load: Flags.boolean({default: true, allowNo: true, description: 'Write first what the mix reads.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(Bench)
    const plan = benchPlan(flags)
    const abort = new AbortController()
    const interrupt = (): void => abort.abort()
    process.once('SIGINT', interrupt)
    const progress = new Progress()
    const onProgress = (state: Parameters<typeof progressLine>[0]): void => progress.update(() => progressLine(state))
    try {
      const outcome = await runBench(plan, {signal: abort.signal, onProgress})
      progress.done()
      const report = benchReport(plan, outcome)
      this.print(benchTable(report, this.style))
      const trouble = benchTrouble(report, outcome.stats.firstError)
      if (trouble !== undefined) this.note(`${this.errorStyle.red('kv:')} ${trouble}`)
      if (trouble !== undefined || outcome.isHung)
        this.setExit(report.requests > report.errors ? EXIT.partial : EXIT.failed)
      if (abort.signal.aborted) this.setExit(EXIT.interrupted)
      return report
    } finally {
      progress.done()
      process.off('SIGINT', interrupt)
    }
  }
}

interface BenchFlags {
  readonly node: string
  readonly 'password-file': string | undefined
  readonly mix: string
  readonly clients: number
  readonly pipeline: number
  readonly 'value-size': string
  readonly keys: string
  readonly requests: string | undefined
  readonly seconds: string | undefined
  readonly rate: string | undefined
  readonly prefix: string
  readonly load: boolean
}

function benchPlan(flags: BenchFlags): BenchPlan {
  const valueBytes = amountOf('bytes', 'value-size', flags['value-size'])
  const size = positive('keys', amountOf('count', 'keys', flags.keys))
  if (valueBytes > VALUE_BYTES_MAX || valueBytes * flags.pipeline > BENCH_BATCH_BYTES_MAX) {
    throw new KvError('E_USAGE', 'Values this large do not fit the pipeline: a batch would be over 256 MB.')
  }
  if (size > 2 ** 32) throw new KvError('E_USAGE', '--keys can be at most 4,294,967,296.')
  const seconds = flags.seconds ?? (flags.requests === undefined ? '10s' : undefined)
  return {
    node: firstAddress(flags.node),
    password: readPassword(flags['password-file']),
    mix: parseMix(flags.mix),
    clients: flags.clients,
    pipeline: flags.pipeline,
    valueBytes,
    space: {prefix: flags.prefix, size},
    requests:
      flags.requests === undefined ? Infinity : positive('requests', amountOf('count', 'requests', flags.requests)),
    durationMs: seconds === undefined ? Infinity : positive('seconds', amountOf('milliseconds', 'seconds', seconds)),
    ratePerSecond: flags.rate === undefined ? undefined : positive('rate', amountOf('count', 'rate', flags.rate)),
    isLoading: flags.load,
  }
}

function positive(flag: string, value: number): number {
  if (value > 0) return value
  throw new KvError('E_USAGE', `--${flag} must be more than 0.`)
}
