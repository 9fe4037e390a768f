/**
 * What every command shares: `--json`, errors as one line or one object, exit codes through `process.exitCode` (never
 * `this.exit`, which cuts output that is still on its way into a pipe), and the streams: stdout is data, stderr is the
 * rest.
 */
import {Command} from '@oclif/core'
import type {Interfaces} from '@oclif/core'
import type {ChalkInstance} from 'chalk'
import type {EXIT} from '../errors.ts'
import {chosenContext} from './contexts.ts'
import {failureJson, failureLine, toFailure} from './report.ts'
import {styleFor} from './style.ts'

/** Flags or arguments by name, as oclif has them. */
type Named = Record<string, unknown>

export abstract class BaseCommand extends Command {
  static override enableJsonFlag = true

  /** Colour for stdout and stderr, if they have any. */
  protected readonly style: ChalkInstance = styleFor(process.stdout)
  protected readonly errorStyle: ChalkInstance = styleFor(process.stderr)

  /** As oclif does it; a node that nobody named is the context's. Errors: E_NOT_FOUND, E_CONTEXT if that cannot be used. */
  protected override async parse<F extends Named, B extends Named, A extends Named>(
    options?: Interfaces.Input<F, B, A>,
    argv?: string[],
  ): Promise<Interfaces.ParserOutput<F, B, A>> {
    const output = await super.parse(options, argv)
    const {flags, metadata} = output as {flags: Record<string, unknown>; metadata: typeof output.metadata}
    // Both may come from the environment; what was typed goes before that.
    const isTyped = (name: string): boolean => output.raw.some((token) => token.type === 'flag' && token.flag === name)
    const isNamed = metadata.flags['node']?.setFromDefault !== true && (isTyped('node') || !isTyped('context'))
    const isFree = !isNamed && 'context' in (this.ctor.flags ?? {})
    const context = isFree ? chosenContext(flags['context'] as string | undefined) : null
    if (!context) return output
    flags['node'] = context.node
    if (!process.env['KV_PASSWORD']) flags['password-file'] ??= context.passwordFile
    return output
  }

  /** The exit code of a command that ran through but has bad news. */
  protected setExit(code: (typeof EXIT)[keyof typeof EXIT]): void {
    process.exitCode = code
  }

  /** Data for a person: one line on stdout, silent under `--json`. */
  protected print(line = ''): void {
    if (!this.jsonEnabled()) process.stdout.write(`${line}\n`)
  }

  /** A remark for a person: one line on stderr, also under `--json`. */
  protected note(line: string): void {
    process.stderr.write(`${line}\n`)
  }

  /** One object of a stream (NDJSON). */
  protected emitJson(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value)}\n`)
  }

  /** A single document: spread out for a reader, one line for a pipe. */
  protected override logJson(value: unknown): void {
    process.stdout.write(`${JSON.stringify(value, null, process.stdout.isTTY ? 2 : undefined)}\n`)
  }

  protected override toErrorJson(error: unknown): unknown {
    return failureJson(toFailure(error, {commandId: this.id}))
  }

  // oclif rethrows here and lets its runner print and exit; we have said everything and only leave the code.
  protected override catch(error: Error): Promise<void> {
    const failure = toFailure(error, {commandId: this.id})
    process.exitCode = failure.exitCode
    if (this.jsonEnabled()) this.logJson(failureJson(failure))
    else this.note(`${this.errorStyle.red('kv:')} ${failureLine(failure)}`)
    if (process.env['KV_DEBUG']) this.note(error.stack ?? error.message)
    // Flags that could not be parsed are not flags that nobody parsed, of which oclif would warn.
    this.parsed = true
    return Promise.resolve()
  }
}
