/** How a command is written: `key value [NX | XX] [EX seconds | PERSIST]`, all of it or what is still to come. Pure. */
import type {ArgumentDocs} from './command-docs.ts'

/** All arguments, as manuals write them. */
export function syntaxOf(args: readonly ArgumentDocs[]): string {
  return args.map(shownArgument).join(' ')
}

/** One of several was typed: it may come again. */
interface Repeated extends ArgumentDocs {
  readonly isAgain?: true
}

function shownArgument(arg: Repeated): string {
  const once = shownOnce(arg)
  if (arg.isAgain) return `[${once} ...]`
  const isAlternative = arg.type === 'oneof'
  const text = arg.isMultiple ? `${isAlternative && !arg.isOptional ? `<${once}>` : once} [${once} ...]` : once
  if (arg.isOptional) return `[${text}]`
  return isAlternative && !arg.isMultiple ? `<${text}>` : text
}

function shownOnce(arg: ArgumentDocs): string {
  const inner =
    arg.type === 'oneof'
      ? arg.args.map(shownOnce).join(' | ')
      : arg.type === 'block'
        ? syntaxOf(arg.args)
        : arg.type === 'pure-token'
          ? ''
          : arg.name
  return [arg.token, inner].filter((part) => part !== undefined && part !== '').join(' ')
}

/**
 * What may still follow these words, written as above. Words that were typed take what they match: a token (`EX`) its
 * argument with what belongs to it, wherever it stands; anything else the next place that wants a value.
 */
export function remainingSyntax(args: readonly ArgumentDocs[], typed: readonly string[]): string {
  return syntaxOf(remainingArguments(args, typed))
}

/** The arguments that are still open; the first may be what is left of one. */
export function remainingArguments(args: readonly ArgumentDocs[], typed: readonly string[]): readonly ArgumentDocs[] {
  let open: readonly ArgumentDocs[] = args
  for (const word of typed) open = afterWord(open, word)
  return open
}

/** The one whose value the next word would be; undefined if none wants one. */
export function nextArgument(args: readonly ArgumentDocs[], typed: readonly string[]): ArgumentDocs | undefined {
  const [next] = remainingArguments(args, typed)
  return next?.type === 'block' || next?.type === 'oneof' ? firstValue(next) : next
}

function firstValue(arg: ArgumentDocs): ArgumentDocs | undefined {
  return arg.type === 'block' ? arg.args[0] && (firstValue(arg.args[0]) ?? arg.args[0]) : arg
}

/** Words that may stand here because they are tokens: `NX`, `EX`, `MATCH`. */
export function openTokens(args: readonly ArgumentDocs[], typed: readonly string[]): readonly string[] {
  const open = remainingArguments(args, typed)
  // A value that must come first leaves no place for tokens yet.
  const until = open.findIndex((arg) => !arg.isOptional)
  return (until < 0 ? open : open.slice(0, until + 1)).flatMap(tokensOf)
}

function tokensOf(arg: ArgumentDocs): readonly string[] {
  if (arg.token !== undefined && arg.token !== '') return [arg.token]
  if (arg.type === 'oneof') return arg.args.flatMap(tokensOf)
  return arg.type === 'block' && arg.args[0] ? tokensOf(arg.args[0]) : []
}

function afterWord(open: readonly ArgumentDocs[], word: string): readonly ArgumentDocs[] {
  const upper = word.toUpperCase()
  const tokenAt = open.findIndex((arg) => tokensOf(arg).includes(upper))
  const valueAt = open.findIndex((arg) => !arg.isOptional || tokensOf(arg).length === 0)
  const isTokenMeant = tokenAt >= 0 && (valueAt < 0 || tokenAt < valueAt || tokensOf(open[valueAt]!).length > 0)
  if (isTokenMeant) {
    // What stands before a token and was left out may not come any more, unless it is an option itself.
    const before = open.slice(0, tokenAt).filter((arg) => tokensOf(arg).length > 0)
    return [...afterToken(open[tokenAt]!, upper), ...before, ...open.slice(tokenAt + 1)]
  }
  if (valueAt < 0) return open
  return [...open.slice(0, valueAt), ...afterValue(open[valueAt]!), ...open.slice(valueAt + 1)]
}

/** What is left of an argument when its token was typed: its value, if it has one. */
function afterToken(arg: ArgumentDocs, token: string): readonly ArgumentDocs[] {
  if (arg.token?.toUpperCase() === token) {
    if (arg.type === 'pure-token') return []
    if (arg.type === 'block') return arg.args
    return [{...arg, token: undefined, isOptional: false}]
  }
  const inner = arg.args.findIndex((one) => tokensOf(one).includes(token))
  const rest = arg.type === 'block' ? arg.args.slice(inner + 1) : []
  return [...afterToken(arg.args[inner]!, token), ...rest]
}

/** What is left of an argument when a value was typed for it. */
function afterValue(arg: ArgumentDocs): readonly ArgumentDocs[] {
  const again: Repeated[] = arg.isMultiple ? [{...arg, isOptional: true, isAgain: true}] : []
  if (arg.type !== 'block') return again
  return [...afterValues(arg.args), ...again]
}

function afterValues([first, ...rest]: readonly ArgumentDocs[]): readonly ArgumentDocs[] {
  return first ? [...afterValue(first), ...rest] : []
}
