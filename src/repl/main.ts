/** The console, from the first connection to the last line: who it talks to, what can be typed, and whether a person or a script types it. */
import type {ChalkInstance} from 'chalk'
import {formatAddress, type Address} from '../base/address.ts'
import {counted} from '../cli/units.ts'
import {isRichTerminal} from '../cli/style.ts'
import {KV_VERSION} from '../constants.ts'
import {askPerson} from './ask-person.ts'
import {adminCommands, Catalogue} from './catalogue.ts'
import {ClusterSession} from './cluster-session.ts'
import {complete} from './completion.ts'
import {Console, type ConsoleOptions} from './console.ts'
import {parseDocs} from './command-docs.ts'
import {hintFor} from './hints.ts'
import {historyPath} from './history.ts'
import {Nodes} from './nodes.ts'
import {runScript} from './script.ts'
import {sourcesOf} from './sources.ts'
import {runTerminal} from './terminal.ts'

export interface RunConsole {
  readonly seeds: readonly Address[]
  readonly password: string | undefined
  readonly commands: Parameters<typeof adminCommands>[0]
  readonly isJson: boolean
  readonly isYes: boolean
  readonly keepsGoing: boolean
  readonly style: ChalkInstance
  readonly errorStyle: ChalkInstance
}

/** Resolves to true if nothing went wrong, or a person saw it. Errors: E_CONNECT and its kin if no node answers. */
export async function runConsole(options: RunConsole): Promise<boolean> {
  const {password, errorStyle, seeds} = options
  const note = (text: string): void => void process.stderr.write(`${errorStyle.dim(text)}\n`)
  const session = await ClusterSession.connect(seeds, {password}, note)
  try {
    const [docs, table] = [await session.ask('COMMAND', 'DOCS'), await session.ask('COMMAND')]
    const catalogue = new Catalogue(adminCommands(options.commands), parseDocs(docs, table))
    const nodes = new Nodes(session)
    const isInteractive = process.stdin.isTTY === true && process.stdout.isTTY === true
    const console = new Console({
      ...{session, catalogue, isInteractive, isJson: options.isJson, isYes: options.isYes, password},
      ...{style: options.style, errorStyle, findNode: (text) => nodes.find(text), confirm: askPerson},
    } satisfies ConsoleOptions)
    if (isInteractive) {
      await talk({session, catalogue, nodes, console, style: options.style, note})
      return true
    }
    const quiet = new AbortController()
    process.once('SIGINT', () => quiet.abort())
    return await runScript({
      input: process.stdin,
      keepsGoing: options.keepsGoing,
      run: (text) => console.run(text, quiet.signal),
      unfinished: (text) => void console.run(text, quiet.signal),
    })
  } finally {
    await session.close()
  }
}

interface Talk {
  readonly session: ClusterSession
  readonly catalogue: Catalogue
  readonly nodes: Nodes
  readonly console: Console
  readonly style: ChalkInstance
  readonly note: (text: string) => void
}

async function talk({session, catalogue, nodes, console, style, note}: Talk): Promise<void> {
  await nodes.look()
  const about = nodes.clusterName === '' ? '' : `cluster ${nodes.clusterName}, ${counted(nodes.count, 'node')}; `
  note(`kv ${KV_VERSION}, ${about}help shows what can be typed, Ctrl-D leaves.`)
  const sources = sourcesOf(session, nodes)
  await runTerminal({
    style,
    isRich: isRichTerminal(process.stdout),
    historyPath: historyPath(),
    prompt: () => promptOf(session, nodes, style),
    hint: (line) => hintFor(line, catalogue),
    complete: (line) => complete(line, catalogue, sources),
    run: async (text, signal) => {
      const outcome = await console.run(text, signal)
      await nodes.look()
      return outcome !== 'leave'
    },
    note,
  })
}

/** `demo1234 127.0.0.1:7379> `: which cluster, which of its nodes, and whether a transaction is open. */
function promptOf(session: ClusterSession, nodes: Nodes, style: ChalkInstance): string {
  const columns = process.stdout.columns || 80
  const address = formatAddress(session.home)
  const name =
    nodes.clusterName === '' || columns < 2 * (address.length + nodes.clusterName.length) ? '' : `${nodes.clusterName} `
  const mark = session.isInTransaction ? '(tx)> ' : '> '
  return `${style.dim(name)}${style.green(columns < 2 * address.length ? '' : address)}${mark}`
}
