/**
 * The completion files of bash, zsh and fish. They are tables and a few lines that find their place in them: no file starts kv when Tab is
 * pressed, because that would cost a tenth of a second each time.
 */
import type {CommandGrammar, FlagGrammar, Grammar, Shell, Word} from './grammar.ts'

const HEAD = '# Made from the code of kv when it was built; `kv completion` prints it.'

/** The names that these shells look for. */
export const FILE_NAMES: Readonly<Record<Shell, string>> = {bash: 'kv.bash', zsh: '_kv', fish: 'kv.fish'}

/** One sentence each, for a person who has just seen the file. */
export const INSTALL_HINTS: Readonly<Record<Shell, string>> = {
  bash: 'To install it: kv completion bash > ~/.local/share/bash-completion/completions/kv (once: mkdir -p that folder), or put `source <(kv completion bash)` into ~/.bashrc.',
  zsh: 'To install it: kv completion zsh > "${fpath[1]}/_kv", then start a new shell; `compinit` must run in ~/.zshrc.',
  fish: 'To install it: kv completion fish > ~/.config/fish/completions/kv.fish',
}

export function completionScript(shell: Shell, grammar: Grammar): string {
  return {bash: bashScript, zsh: zshScript, fish: fishScript}[shell](grammar)
}

/** As one word of any of the three shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`
}

function wordsOf(words: readonly Word[]): string {
  return words.map(({word}) => word).join(' ')
}

function valueFlags({flags}: CommandGrammar): FlagGrammar[] {
  return flags.filter(({values}) => values !== null)
}

/** `typed` is what stands before the cursor's word, without `help`, which all commands may follow. */
function bashScript({first, topics, commands}: Grammar): string {
  const topicCases = [...topics].map(([topic, words]) => `    ${quoted(topic)}) words=${quoted(wordsOf(words))} ;;`)
  const valueCases = commands.flatMap((command) =>
    valueFlags(command).map(({forms, values}) => {
      const patterns = forms.map((form) => quoted(`${command.name} ${form}`)).join('|')
      // Of anything bash knows only the names of files, which it offers by itself if we offer nothing.
      return `    ${patterns}) words=${quoted(values!.join(' '))}; flags='' ;;`
    }),
  )
  const commandCases = commands.map(
    ({name, flags, argValues}) =>
      `    ${quoted(name)}) words=${quoted(argValues.join(' '))}; flags=${quoted(flags.flatMap(({forms}) => forms).join(' '))} ;;`,
  )
  return `${HEAD}
_kv() {
  local words='' flags='' command cur=\${COMP_WORDS[COMP_CWORD]} prev
  local -a typed=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
  [[ \${typed[0]-} == help ]] && typed=("\${typed[@]:1}")
  # Bash cuts --flag=value at the equals sign.
  if [[ $cur == = ]]; then
    cur=''
  elif [[ \${#typed[@]} -gt 1 && \${typed[-1]} == = ]]; then
    unset 'typed[-1]'
  fi
  COMPREPLY=()
  if [[ \${#typed[@]} -eq 0 ]]; then
    COMPREPLY=($(compgen -W ${quoted(wordsOf(first))} -- "$cur"))
    return
  fi
  if [[ \${#typed[@]} -eq 1 ]]; then
    case \${typed[0]} in
${topicCases.join('\n')}
    esac
  fi
  command=\${typed[0]}
  case $command in
    ${[...topics.keys()].map(quoted).join('|')}) command="$command \${typed[1]-}" ;;
  esac
  case $command in
${commandCases.join('\n')}
  esac
  prev=\${typed[-1]}
  case "$command $prev" in
${valueCases.join('\n')}
  esac
  [[ $cur == -* ]] && words=$flags
  COMPREPLY=($(compgen -W "$words" -- "$cur"))
}
complete -o bashdefault -o default -F _kv kv
`
}

function zshScript({first, topics, commands}: Grammar): string {
  const commandCases = commands.map((command) => {
    const specs = command.flags.map(zshFlag)
    if (command.argValues.length > 0) specs.push(quoted(`1:value:(${command.argValues.join(' ')})`))
    else if (command.hasArgs) specs.push(quoted('*:argument:_files'))
    return `    ${quoted(command.name)})\n      _arguments -s ${specs.join(' \\\n        ')} ;;`
  })
  const topicCases = [...topics].map(([topic, words]) => `      ${quoted(topic)}) candidates=(${zshWords(words)}) ;;`)
  return `#compdef kv
${HEAD}
_kv() {
  local command
  local -a candidates
  if [[ $words[2] == help ]]; then
    words[2]=()
    (( CURRENT-- ))
  fi
  if (( CURRENT <= 2 )); then
    candidates=(${zshWords(first)})
    _describe -t commands 'kv command' candidates
    return
  fi
  command=$words[2]
  case $command in
    ${[...topics.keys()].map(quoted).join('|')})
      case $command in
${topicCases.join('\n')}
      esac
      if (( CURRENT == 3 )); then
        _describe -t commands "kv $command command" candidates
        return
      fi
      command="$command $words[3]"
      shift words
      (( CURRENT-- )) ;;
  esac
  shift words
  (( CURRENT-- ))
  case $command in
${commandCases.join('\n')}
  esac
}
# As a file of fpath it is the function's body; sourced, it registers itself.
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _kv "$@"
else
  compdef _kv kv
fi
`
}

function zshWords(words: readonly Word[]): string {
  return words.map(({word, text}) => quoted(`${word.replaceAll(':', '\\:')}:${text}`)).join(' ')
}

/** \`'(--by -b)'{--by,-b}'[text]:value:(a b)'\`, the notation of _arguments. */
function zshFlag({forms, text, values, isPath}: FlagGrammar): string {
  const safe = text.replaceAll(/[[\]:\\]/g, '\\$&')
  const action = isPath ? '_files' : values && values.length > 0 ? `(${values.join(' ')})` : ' '
  const value = values === null ? '' : `:value:${action}`
  const rest = quoted(`[${safe}]${value}`)
  if (forms.length === 1) return `${forms[0]!}${rest}`
  return `${quoted(`(${forms.join(' ')})`)}{${forms.join(',')}}${rest}`
}

/** `__kv_at a b`: exactly that was typed so far. `__kv_in a b`: that, and perhaps more. */
function fishScript({first, topics, commands}: Grammar): string {
  const lines = [
    ...first.map((word) => fishWord('__kv_at', word)),
    ...[...topics].flatMap(([topic, words]) => words.map((word) => fishWord(`__kv_at ${topic}`, word))),
    ...commands.flatMap(fishCommand),
  ]
  return `${HEAD}
function __kv_typed
    set -l typed (commandline -opc)
    set -e typed[1]
    test "$typed[1]" = help; and set -e typed[1]
    string join \\n -- $typed
end

function __kv_at
    set -l typed (__kv_typed)
    test "$typed" = "$argv"
end

function __kv_in
    set -l typed (__kv_typed)
    test (count $typed) -ge (count $argv); and test "$typed[1..(count $argv)]" = "$argv"
end

complete -c kv -f
${lines.join('\n')}
`
}

function fishWord(condition: string, {word, text}: Word): string {
  return `complete -c kv -n ${quoted(condition)} -a ${quoted(word)} -d ${fishQuoted(text)}`
}

function fishCommand({name, flags, argValues, hasArgs}: CommandGrammar): string[] {
  const at = `complete -c kv -n ${quoted(`__kv_in ${name}`)}`
  const lines = flags.map(({forms, text, values, isPath}) => {
    const names = forms.map((form) => (form.startsWith('--') ? `-l ${form.slice(2)}` : `-s ${form.slice(1)}`)).join(' ')
    const offered = isPath ? ' -r -F' : values && values.length > 0 ? ` -x -a ${quoted(values.join(' '))}` : ' -x'
    return `${at} ${names}${values === null ? '' : offered} -d ${fishQuoted(text)}`
  })
  if (argValues.length > 0) lines.push(`${at} -a ${quoted(argValues.join(' '))}`)
  else if (hasArgs) lines.push(`${at} -F`)
  return lines
}

/** fish knows a backslash within single quotes; the other shells do not. */
function fishQuoted(text: string): string {
  return `'${text.replaceAll(/[\\']/g, '\\$&')}'`
}
