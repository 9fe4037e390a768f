import {Args, Flags} from '@oclif/core'
import {formatAddress} from '../src/base/address.ts'
import {isError} from '../src/client/reply.ts'
import {ReplyError} from '../src/client/errors.ts'
import {BaseCommand} from '../src/cli/base-command.ts'
import {clusterClient, firstAddress} from '../src/cli/connect.ts'
import {refuseEndlessCommand} from '../src/cli/endless-commands.ts'
import {amountOf, connectFlags} from '../src/cli/flags.ts'
import {formatReply, jsonReply, rawReply} from '../src/cli/format-reply.ts'
import {prose} from '../src/cli/prose.ts'
import {readStdin} from '../src/cli/stdin.ts'

export default class Exec extends BaseCommand {
  static override summary = 'Send one data command to the cluster.'
  static override description = prose`
    It goes to the node you name, and from there wherever the key lives.

    Everything from the data command on is sent as it stands, also what looks like a flag; flags of kv come before it.
    On a terminal the reply is shown with types, as redis-cli does; into a pipe go the bare bytes. An error reply goes
    to stderr and exits 1.

    With -x the last argument is read from stdin, every byte of it; use it for values that are large, secret or not
    text. A lone "-" is an ordinary argument.
  `
  static override usage = 'exec [-n host:port] [-x] [--json] COMMAND [ARG...]'
  static override examples = [
    '<%= config.bin %> exec SET greeting "hello, world"',
    '<%= config.bin %> exec --json HGETALL user:1',
    {description: 'A value from a file:', command: '<%= config.bin %> exec -x SET photo < photo.jpg'},
    {description: 'Another node:', command: '<%= config.bin %> exec -n 10.0.0.7:7379 INFO memory'},
  ]
  static override args = {
    command: Args.string({
      required: true,
      multiple: true,
      ignoreStdin: true,
      description: 'The data command and its arguments.',
    }),
  }
  static override flags = {
    ...connectFlags,
    stdin: Flags.boolean({char: 'x', description: 'Read the last argument from stdin.'}),
    raw: Flags.boolean({allowNo: true, description: 'Bare bytes, or types; the default is types on a terminal only.'}),
    timeout: Flags.string({
      default: '10s',
      helpValue: 'time',
      description: 'Longest wait for the reply; 0 = no limit.',
    }),
  }

  async run(): Promise<unknown> {
    const {args, flags} = await this.parse(Exec)
    const request: (string | Buffer)[] = [...args.command]
    refuseEndlessCommand(args.command)
    if (flags.stdin) request.push(await readStdin())
    const client = clusterClient(flags, {replyTimeoutMs: amountOf('milliseconds', 'timeout', flags.timeout)})
    const {reply, from} = await client.sendTo(firstAddress(flags.node), request).catch((error: unknown) => {
      client.cut()
      throw error
    })
    await client.close()
    if (isError(reply)) throw new ReplyError(reply.text)
    if (this.jsonEnabled()) return {reply: jsonReply(reply), node: formatAddress(from)}
    const isRaw = flags.raw ?? !process.stdout.isTTY
    process.stdout.write(Buffer.concat([isRaw ? rawReply(reply) : Buffer.from(formatReply(reply)), Buffer.from('\n')]))
    return undefined
  }
}
