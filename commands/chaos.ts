import {Flags} from '@oclif/core'
import {BaseCommand} from '../src/cli/base-command.ts'
import {outliveReader} from '../src/cli/pipe.ts'
import {prose} from '../src/cli/prose.ts'
import type {EXIT} from '../src/errors.ts'

const DRIVERS = ['kv', 'sim', 'redis'] as const

export default class Chaos extends BaseCommand {
  static override summary = 'Test the consistency of a cluster under faults.'
  static override description = prose`
    Starts a cluster of real processes on this machine, writes and reads it from many clients, and meanwhile stops, kills,
    pauses, cuts off, moves and replaces its nodes, at random and several at a time, within what a cluster promises to
    survive. Every answer is checked while it runs: no acknowledged write may be lost, no read may be stale. At the end
    everything is healed, read back, compared, replayed from the data log and restarted from the savefile.

    The verdict is pass (exit code 0), violation (8) or void (3): too little happened to prove anything. Ctrl-C heals, stops
    everything and still writes the report. What shows a violation is kept in the folder of the report.

    --driver sim does the same to simulated clusters, where a seed brings everything back; --driver redis to a cluster of
    redis-server or valkey-server processes; --attach to a cluster that runs already, whose nodes your command stops and starts:
    it is called with the fault, begin or end, and host:port.
  `
  static override examples = [
    '<%= config.bin %> chaos --hours 6 --log-node',
    '<%= config.bin %> chaos --minutes 3 --faults kill,pause,partition --every 5s --seed 42',
    {description: 'Simulated clusters:', command: '<%= config.bin %> chaos --driver sim --seeds 500'},
    {description: 'What Redis does:', command: '<%= config.bin %> chaos --driver redis --minutes 10 --nodes 6'},
    {
      description: 'A cluster that runs already:',
      command: '<%= config.bin %> chaos --attach 10.0.0.1:7379 --on-fault ./fault.sh --minutes 30',
    },
  ]
  static override flags = {
    hours: Flags.string({
      helpValue: 'number',
      description: 'How long; adds up with minutes and seconds. Default 1 minute.',
    }),
    minutes: Flags.string({helpValue: 'number', description: 'How long.'}),
    seconds: Flags.string({helpValue: 'number', description: 'How long.'}),
    nodes: Flags.integer({default: 5, min: 1, max: 20, description: 'Data nodes at the beginning.'}),
    replicas: Flags.integer({default: 1, min: 0, max: 4, description: 'Copies of each bucket besides its master.'}),
    'log-node': Flags.boolean({
      default: false,
      description: 'A data-log node as well; its faults, and a replay at the end.',
    }),
    keys: Flags.string({default: '2k', helpValue: 'number', description: 'Keys, of all kinds together.'}),
    clients: Flags.integer({
      char: 'c',
      default: 100,
      min: 1,
      max: 1_000,
      description: 'Clients, each with one operation at a time.',
    }),
    rate: Flags.string({default: '2k', helpValue: 'number', description: 'Operations per second, of all together.'}),
    'value-size': Flags.string({default: '64', helpValue: 'size', description: 'Bytes of a value.'}),
    faults: Flags.string({
      default: 'all',
      helpValue: 'kinds',
      description: 'Kinds with commas between them, all, or none.',
    }),
    every: Flags.string({default: '10s', helpValue: 'time', description: 'Time between two faults, on average.'}),
    seed: Flags.integer({
      min: 0,
      max: 2 ** 31 - 1,
      description: 'Of all that is random; of the first simulated cluster.',
    }),
    report: Flags.string({
      default: 'kv-chaos',
      helpValue: 'dir',
      description: 'Folder for the report; made if missing.',
    }),
    driver: Flags.option({options: DRIVERS, default: 'kv' as const, description: 'What is tested.'})(),
    server: Flags.string({helpValue: 'path', description: 'With --driver redis: the server program.'}),
    attach: Flags.string({helpValue: 'host:port', description: 'Test the cluster of this node, which runs already.'}),
    'on-fault': Flags.string({helpValue: 'command', description: 'With --attach: what stops and starts nodes.'}),
    seeds: Flags.integer({
      min: 1,
      description: 'With --driver sim: how many clusters; without it as many as there is time for.',
    }),
    'seed-seconds': Flags.integer({default: 10, min: 1, description: 'With --driver sim: virtual seconds of each.'}),
    plant: Flags.string({
      multiple: true,
      delimiter: ',',
      helpValue: 'bug',
      description: 'Bugs that the nodes shall have, to see that they are found.',
    }),
    'keep-going': Flags.boolean({
      default: false,
      description: 'Go on after a wrong answer, and count to the end: for systems that are known to lose data.',
    }),
    yes: Flags.boolean({default: false, char: 'y', description: 'End processes that an earlier run left.'}),
  }

  async run(): Promise<unknown> {
    const {flags} = await this.parse(Chaos)
    outliveReader()
    // The tester brings the client, the checker and the simulator, which no other command should load.
    const {planChaos, runChaos} = await import('../src/chaos/main.ts')
    const plan = planChaos({...flags, plants: flags.plant ?? []}, this.config.version)
    const {lines, json, exitCode} = await runChaos(plan, this.errorStyle)
    for (const line of lines) this.print(line)
    this.setExit(exitCode as (typeof EXIT)[keyof typeof EXIT])
    return json
  }
}
