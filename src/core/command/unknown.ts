/** What Redis says to a command that it does not know, to the letter: clients and their suites compare it. */
import type {Command} from './command.ts'
import type {Context} from './context.ts'

const SHOWN_BYTES_MAX = 128

export function unknownCommand(context: Context): string {
  let args = ''
  for (let i = 1; i < context.argc && args.length < SHOWN_BYTES_MAX; i++) {
    args += `'${shown(context, i, SHOWN_BYTES_MAX - args.length)}' `
  }
  return `ERR unknown command '${shown(context, 0, SHOWN_BYTES_MAX)}', with args beginning with: ${args}`
}

/**
 * True for a line of an HTTP request. A browser can be made to send one here, with commands in its body; Redis ends such a
 * connection before it comes to them.
 */
export function isFromBrowser(context: Context): boolean {
  return context.is(0, 'POST') || context.is(0, 'HOST:')
}

export function unknownSubcommand(context: Context, command: Command): string {
  return `ERR unknown subcommand '${shown(context, 1, SHOWN_BYTES_MAX)}'. Try ${command.spec.name.toUpperCase()} HELP.`
}

/** For a command that a subscribed session of RESP2 may not send. */
export function onlyForSubscribers(command: Command): string {
  return `ERR Can't execute '${command.fullName}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this context`
}

/** For a subcommand whose number of arguments only it can judge. */
export function subcommandSyntax(context: Context): string {
  const parent = context.command.fullName.replace(/\|.*/, '').toUpperCase()
  return `ERR unknown subcommand or wrong number of arguments for '${shown(context, 1, SHOWN_BYTES_MAX)}'. Try ${parent} HELP.`
}

/** As C prints it: up to the first zero byte. */
function shown(context: Context, i: number, bytesMax: number): string {
  const {buf, off, len} = context.request
  const from = off[i]!
  const end = from + Math.min(len[i]!, bytesMax)
  const zero = buf.subarray(from, end).indexOf(0)
  return buf.toString('latin1', from, zero < 0 ? end : from + zero)
}
