/**
 * Questions to a person who left out what a command needs. They are only ever asked at a terminal; anybody else is told what is
 * missing. What was answered is shown as the command that does the same without questions.
 */
import {KvError} from '../errors.ts'
import {addressOf, requireBuckets, shortId, type ClusterState, type MemberState} from './cluster-state.ts'
import {requireAddress} from './connect.ts'
import {selfCommand, shellQuote} from './shell.ts'
import {counted} from './units.ts'

const CHOICES_SHOWN = 12

export interface Choice {
  readonly name: string
  readonly value: string
}

/** Somebody is there who can be asked: questions go to stderr. */
export function hasPerson(): boolean {
  return process.stdin.isTTY === true && process.stderr.isTTY === true
}

/** Errors: E_USAGE, unless there is a person to ask. */
export function requirePerson(missing: string, example: string): void {
  if (!hasPerson()) throw new KvError('E_USAGE', `${missing} is missing.`, `For example: \`${example}\``)
}

interface Answer<T> {
  readonly answer: T
}

type Prompt = Awaited<ReturnType<typeof promptModule>>

async function promptModule() {
  // Only who is asked waits for it to load.
  const {default: inquirer} = await import('inquirer')
  return inquirer.createPromptModule({input: process.stdin, output: process.stderr})
}

/** Errors: E_INTERRUPTED. */
export async function askText(
  message: string,
  initial: string,
  validate: (text: string) => string | true,
): Promise<string> {
  const wording = {message, validate, ...(initial !== '' && {default: initial})}
  return answered((prompt) => prompt<Answer<string>>([{type: 'input', name: 'answer', ...wording}]))
}

/** Errors: E_INTERRUPTED; E_NOT_FOUND if there is nothing to choose from. */
export async function askChoice(message: string, choices: readonly Choice[]): Promise<string> {
  if (choices.length === 0) throw new KvError('E_NOT_FOUND', 'There is no node to choose from.')
  const wording = {message, choices: [...choices], pageSize: CHOICES_SHOWN}
  return answered((prompt) => prompt<Answer<string>>([{type: 'select', name: 'answer', ...wording}]))
}

/** Errors: E_INTERRUPTED; E_REFUSED if it is not wanted. */
export async function askWhether(message: string): Promise<void> {
  const isWanted = await answered((prompt) =>
    prompt<Answer<boolean>>([{type: 'confirm', name: 'answer', message, default: true}]),
  )
  if (!isWanted) throw new KvError('E_REFUSED', 'Nothing was done.')
}

async function answered<T>(question: (prompt: Prompt) => Promise<Answer<T>>): Promise<T> {
  try {
    return (await question(await promptModule())).answer
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError')
      throw new KvError('E_INTERRUPTED', 'Nothing was done.')
    throw error
  }
}

/** Nodes that are up, with what they hold. */
export function nodeChoices({members, self}: ClusterState, isWanted: (member: MemberState) => boolean): Choice[] {
  return members
    .filter((member) => !member.isDown && !member.isLeaving && isWanted(member))
    .map((member) => {
      const role = member.isVoterOnly ? (member.log === undefined ? 'voter only' : 'data log') : member.role
      const asked = member.id === self ? ', asked' : ''
      return {
        name: `${addressOf(member).padEnd(22)} ${shortId(member.id)}  ${counted(member.masters, 'bucket')}  (${role}${asked})`,
        value: addressOf(member),
      }
    })
}

/** For `askText`: what is wrong with these buckets. */
export function bucketsProblem(text: string): string | true {
  return problemOf(() => requireBuckets(text))
}

/** ... or with this address. */
export function addressProblem(text: string): string | true {
  return problemOf(() => requireAddress(text.trim()))
}

function problemOf(read: () => unknown): string | true {
  try {
    read()
    return true
  } catch (error) {
    return error instanceof KvError ? `${error.message} ${error.hint ?? ''}`.trim() : String(error)
  }
}

/** What to type next time. */
export function sameCommand(words: readonly string[]): string {
  return `The same without questions: ${[selfCommand(), ...words].map(shellQuote).join(' ')}`
}
