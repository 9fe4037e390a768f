/**
 * Carries out one line of the console, typed by a person or read from a script: its own words, commands of kv (each a
 * child process of this very program, so that it behaves as in the shell and Ctrl-C ends it alone), and data commands.
 *
 *   line -> words.ts -> catalogue.ts -> own word | admin-child.ts | cluster-session.ts -> show.ts -> output.ts
 */
import {setTimeout as sleep} from 'node:timers/promises'
import type {ChalkInstance} from 'chalk'
import {formatAddress, parseAddress, type Address} from '../base/address.ts'
import {jsonReply, rawReply} from '../cli/format-reply.ts'
import {failureJson, failureLine, toFailure} from '../cli/report.ts'
import {parseDurationMs} from '../cli/units.ts'
import {nearest} from '../cli/suggest.ts'
import {isError, isList, type Reply} from '../client/reply.ts'
import {DEFAULT_PORT} from '../constants.ts'
import {KvError} from '../errors.ts'
import {runAdmin} from './admin-child.ts'
import {whyDangerous} from './dangerous.ts'
import {helpText} from './help.ts'
import {openOutput, type Output} from './output.ts'
import {nodesNote, showReply} from './show.ts'
import {isStream, streamReplies} from './stream.ts'
import {parseLine, type Statement, type Word} from './words.ts'
import type {Catalogue, Found} from './catalogue.ts'
import type {ClusterSession, Request} from './cluster-session.ts'

export type Outcome = 'done' | 'failed' | 'leave'

export interface ConsoleOptions {
  readonly session: ClusterSession
  readonly catalogue: Catalogue
  readonly style: ChalkInstance
  readonly errorStyle: ChalkInstance
  readonly password: string | undefined
  /** A person is there, who can be asked. */
  readonly isInteractive: boolean
  readonly isJson: boolean
  /** Dangerous commands are meant. */
  readonly isYes: boolean
  /** Names and addresses of nodes, for `use` and `on`. */
  findNode(text: string): Address | undefined
  confirm(text: string): Promise<boolean>
}

/** Without subcommands these say the same on every node of a cluster, or are asked of all and added up. */
const ALL_MASTERS: ReadonlySet<string> = new Set(['DBSIZE', 'KEYS', 'FLUSHALL', 'FLUSHDB'])
const LEAVING: ReadonlySet<string> = new Set(['exit', 'quit', 'goodbye'])
const COLUMNS_DEFAULT = 80
const CLEAR_SCREEN = '\x1b[H\x1b[2J\x1b[3J'
const WATCH_MS_MIN = 100

interface Running {
  readonly out: Output
  readonly signal: AbortSignal
  /** Whoever reads it wants JSON. */
  readonly isJson: boolean
}

export class Console {
  readonly #o: ConsoleOptions

  constructor(options: ConsoleOptions) {
    this.#o = options
  }

  /** Never rejects: what goes wrong is said. */
  async run(text: string, signal: AbortSignal): Promise<Outcome> {
    const parsed = parseLine(text)
    if (parsed.kind === 'nothing') return 'done'
    if (parsed.kind === 'statement') return this.#runStatement(parsed.statement, signal)
    const problem = parsed.kind === 'wrong' ? parsed.problem : 'The line ends within quotes.'
    return this.#fail(new KvError('E_USAGE', problem))
  }

  async #runStatement({words, to}: Statement, signal: AbortSignal): Promise<Outcome> {
    const first = words[0]!.text.toLowerCase()
    if (LEAVING.has(first) && words.length === 1) return 'leave'
    let out: Output | undefined
    try {
      out = openOutput(to, this.#o.isInteractive && process.stdout.isTTY)
      // jq reads nothing else.
      const isJson = this.#o.isJson || (to.kind === 'program' && /^jq\b/.test(to.command))
      const isGood = await this.#carryOut(words, {out, signal, isJson})
      return (await out.end()) && isGood ? 'done' : 'failed'
    } catch (error) {
      await out?.end()
      return this.#fail(error)
    }
  }

  async #carryOut(words: readonly Word[], running: Running): Promise<boolean> {
    // Pasted from a manual.
    const typed = words[0]!.text === 'kv' && words.length > 1 ? words.slice(1) : words
    const found = this.#o.catalogue.find(typed.map(({text}) => text))
    if (found?.kind === 'own') return this.#own(found.word.name, typed, running)
    if (found?.kind === 'admin') return this.#admin(typed, running)
    return this.#data(typed, found, running)
  }

  async #own(name: string, words: readonly Word[], running: Running): Promise<boolean> {
    const {catalogue, session, style} = this.#o
    const rest = words.slice(1)
    switch (name) {
      case 'help':
        return this.#help(rest, running)
      case 'watch':
        return this.#watch(rest, running)
      case 'on':
        return this.#on(rest, running)
      case 'use': {
        await session.use(this.#node(rest[0]?.text))
        return true
      }
      case 'clear':
        if (running.out.isScreen) await running.out.write(CLEAR_SCREEN)
        return true
      default:
        await running.out.write(`${helpText(catalogue, [], style) ?? ''}\n`)
        return true
    }
  }

  async #help(rest: readonly Word[], running: Running): Promise<boolean> {
    const {catalogue, style} = this.#o
    const words = rest.map(({text}) => text)
    if (catalogue.find(words)?.kind === 'admin') return this.#child([...words, '--help'], running)
    const text = helpText(catalogue, words, running.out.isScreen ? style : plain(style))
    if (text === undefined) throw this.#unknown(words)
    await running.out.write(`${text}\n`)
    return true
  }

  /** Errors: E_NOT_FOUND, E_USAGE. */
  #node(text: string | undefined): Address {
    const address = text === undefined ? undefined : (this.#o.findNode(text) ?? parseAddress(text, DEFAULT_PORT))
    if (address) return address
    throw new KvError(
      'E_USAGE',
      text === undefined ? 'Name a node.' : `There is no node "${text}".`,
      'Write host:port, or type `node list`.',
    )
  }

  async #watch(rest: readonly Word[], running: Running): Promise<boolean> {
    const everyMs = parseDurationMs(rest[0]?.text ?? '')
    if (everyMs === undefined || everyMs < WATCH_MS_MIN || rest.length < 2)
      throw new KvError('E_USAGE', 'watch wants seconds and a command.', 'For example: watch 1 buckets list')
    const command = rest.slice(1)
    const title = command.map(({text}) => text).join(' ')
    for (;;) {
      const {out, signal} = running
      if (out.isScreen)
        await out.write(
          `${CLEAR_SCREEN}${this.#o.style.dim(`every ${rest[0]!.text}: ${title}   (Ctrl-C ends it)`)}\n\n`,
        )
      // What fails once may work the next time: a node that is just away.
      await this.#carryOut(command, running).catch((error: unknown) => this.#fail(error))
      await sleep(everyMs, undefined, {signal}).catch(() => undefined)
      if (signal.aborted) return true
    }
  }

  async #on(rest: readonly Word[], running: Running): Promise<boolean> {
    const [where, ...command] = rest
    if (!where || command.length === 0)
      throw new KvError('E_USAGE', 'on wants a node, or all, and a data command.', 'For example: on all info memory')
    await this.#requireConfirmation(command)
    const bytes = command.map((word) => word.bytes)
    const targets = where.text === 'all' ? this.#o.session.masters : [this.#node(where.text)]
    let isGood = true
    for (const address of targets) {
      const {reply} = await this.#o.session.sendTo(address, bytes)
      if (targets.length > 1 && !running.isJson)
        await running.out.write(`${this.#o.style.bold(formatAddress(address))}\n`)
      isGood = (await this.#answer(reply, address, running)) && isGood
    }
    return isGood
  }

  #admin(words: readonly Word[], running: Running): Promise<boolean> {
    return this.#child(
      words.map(({text}) => text),
      running,
    )
  }

  #child(words: readonly string[], {out, isJson}: Running): Promise<boolean> {
    const {session, password, isInteractive, catalogue, isYes} = this.#o
    const found = catalogue.find(words)
    const takesYes = found?.kind === 'admin' && found.command.flags.some(({name}) => name === 'yes')
    const isHelp = words.includes('--help')
    const more = [...(isJson && !isHelp ? ['--json'] : []), ...(isYes && takesYes && !isHelp ? ['--yes'] : [])]
    return runAdmin({words: [...words, ...more], out, password, home: session.home, hasPerson: isInteractive})
  }

  async #data(words: readonly Word[], found: Found | undefined, running: Running): Promise<boolean> {
    const {session, catalogue} = this.#o
    const name = words[0]!.text.toUpperCase()
    const docs = found?.kind === 'data' ? found.docs : undefined
    if (!docs && catalogue.data.size > 0) throw this.#unknown(words.map(({text}) => text))
    if (isStream(name)) return this.#stream(words, docs?.firstKey ?? 0, running)
    await this.#requireConfirmation(words)
    const bytes = words.map((word) => word.bytes)
    if (ALL_MASTERS.has(name) && !session.isInTransaction && session.masters.length > 1)
      return this.#askAll(name, bytes, running)
    const {reply, from} = await interruptible(session.send(requestOf(words, docs?.firstKey ?? 0)), running.signal)
    return this.#answer(reply, from, running)
  }

  /** What every master has a part of: numbers are added, lists joined. */
  async #askAll(name: string, words: readonly Buffer[], running: Running): Promise<boolean> {
    const {session, style} = this.#o
    await session.look()
    const replies: Reply[] = []
    for (const address of session.masters) {
      const {reply} = await interruptible(session.sendTo(address, words), running.signal)
      if (isError(reply)) return this.#answer(reply, address, running)
      replies.push(reply)
    }
    const isGood = await this.#answer(joined(replies), session.home, running)
    if (running.out.isScreen && name !== 'KEYS') await running.out.write(`${style.dim(nodesNote(replies.length))}\n`)
    return isGood
  }

  async #stream(words: readonly Word[], firstKey: number, running: Running): Promise<boolean> {
    const {session, password, isInteractive} = this.#o
    const {out, signal} = running
    const {key} = requestOf(words, firstKey)
    const address = session.ownerOf(key)
    if (isInteractive && out.isScreen) await out.write(this.#o.style.dim('Ctrl-C ends it.\n'))
    let written: Promise<unknown> = Promise.resolve()
    const onReply = (reply: Reply): void => {
      written = written.then(() => this.#answer(reply, address, running))
    }
    await streamReplies({address, password, words: words.map(({bytes}) => bytes), signal, onReply})
    await written
    return true
  }

  async #answer(reply: Reply, from: Address, {out, isJson}: Running): Promise<boolean> {
    if (isJson) await out.write(`${JSON.stringify(this.#asJson(reply, from))}\n`)
    else if (out.isScreen)
      await out.write(
        `${showReply(reply, {style: this.#o.style, columns: process.stdout.columns || COLUMNS_DEFAULT})}\n`,
      )
    else if (isError(reply)) this.#complain(reply.text)
    else await out.write(Buffer.concat([rawReply(reply), Buffer.from('\n')]))
    return !isError(reply)
  }

  /** Under --json with the node; for jq the bare value. */
  #asJson(reply: Reply, from: Address): unknown {
    if (isError(reply)) return errorJson(reply.text)
    return this.#o.isJson ? {reply: jsonReply(reply), node: formatAddress(from)} : jsonReply(reply)
  }

  /** Errors: E_REFUSED. */
  async #requireConfirmation(words: readonly Word[]): Promise<void> {
    const why = whyDangerous(words.map(({text}) => text))
    if (why === undefined || this.#o.isYes) return
    if (!this.#o.isInteractive) throw new KvError('E_REFUSED', why, 'Start `kv repl` with --yes to do it.')
    if (!(await this.#o.confirm(why))) throw new KvError('E_REFUSED', 'Nothing was done.')
  }

  #unknown(words: readonly string[]): KvError {
    const {catalogue} = this.#o
    const [first = '', second = ''] = words.map((word) => word.toLowerCase())
    const topic = catalogue.namesAfter([first])
    const typed = topic.length > 0 ? `${first} ${second}`.trim() : first
    const names = [...catalogue.namesAfter([]), ...catalogue.admin.keys()]
    const near = topic.length > 0 ? prefixed(first, nearest(second, topic)) : nearest(first, names)
    const hint =
      near === undefined
        ? topic.length > 0
          ? `There are ${topic.join(', ')}.`
          : 'Type help.'
        : `Did you mean ${near}?`
    return new KvError('E_UNKNOWN_COMMAND', `There is no command "${typed}".`, hint)
  }

  #fail(error: unknown): 'failed' {
    const failure = toFailure(error, {commandId: undefined})
    if (this.#o.isJson) process.stdout.write(`${JSON.stringify(failureJson(failure))}\n`)
    else this.#complain(failureLine(failure))
    return 'failed'
  }

  #complain(text: string): void {
    process.stderr.write(`${this.#o.errorStyle.red('kv:')} ${text}\n`)
  }
}

function prefixed(first: string, second: string | undefined): string | undefined {
  return second === undefined ? undefined : `${first} ${second}`
}

function errorJson(text: string): object {
  return failureJson(toFailure(new KvError('E_REPLY', text), {commandId: undefined}))
}

/** `firstKey`: number of the word that is the key; 0: there is none. */
function requestOf(words: readonly Word[], firstKey: number): Request {
  return {words: words.map(({bytes}) => bytes), key: firstKey > 0 ? words[firstKey]?.bytes : undefined}
}

function joined(replies: readonly Reply[]): Reply {
  if (replies.every((reply) => typeof reply === 'number')) return replies.reduce((sum, reply) => sum + reply, 0)
  if (replies.every(isList)) return replies.flat()
  return replies[0]!
}

function plain(style: ChalkInstance): ChalkInstance {
  return new (style.constructor as new (options: {level: 0}) => ChalkInstance)({level: 0})
}

/** Errors: E_INTERRUPTED when somebody does not want to wait for it any more. */
async function interruptible<T>(answer: Promise<T>, signal: AbortSignal): Promise<T> {
  const interrupted = Promise.withResolvers<never>()
  const stop = (): void =>
    interrupted.reject(new KvError('E_INTERRUPTED', 'Interrupted. What was sent may still be carried out.'))
  if (signal.aborted) stop()
  signal.addEventListener('abort', stop, {once: true})
  try {
    return await Promise.race([answer, interrupted.promise])
  } finally {
    signal.removeEventListener('abort', stop)
    interrupted.promise.catch(() => undefined)
    answer.catch(() => undefined)
  }
}
