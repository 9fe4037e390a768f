/** Runs a script on both servers (or on one, against hand-written replies) and lists what differs, step by step. */
import {readdirSync, readFileSync} from 'node:fs'
import {basename} from 'node:path'
import {fileURLToPath} from 'node:url'
import type {TestServer} from '../../support/server.ts'
import {expectedText} from './expectation.ts'
import {NO_MATCH} from './normalise.ts'
import {NO_REPLY, runSection, type Protocol, type RunMode} from './run.ts'
import {parseScript, type Script, type Section} from './script.ts'

export interface Difference {
  readonly family: string
  readonly section: string
  /** The script's line; names the step. */
  readonly step: string
  readonly line: number
  readonly protocol: Protocol
  readonly delivery: string
  /** Replies as latin1 text. More than one: any of them would do. */
  readonly want: readonly string[]
  readonly got: string
}

const LEFTOVERS = '(bytes that nobody asked for)'

/** Scripts of `folder` (beside this file), one for each .txt file. */
export function loadScripts(folder: string): Script[] {
  const path = fileURLToPath(new URL(folder, import.meta.url))
  const nowMs = Date.now()
  return readdirSync(path)
    .filter((name) => name.endsWith('.txt'))
    .sort()
    .map((name) => parseScript(basename(name, '.txt'), readFileSync(`${path}/${name}`, 'utf8'), nowMs))
}

/** One script of `folder`, its times counted from now: what was loaded long ago says "in 100 s" and means the past. */
export function loadScript(folder: string, family: string): Script {
  const path = fileURLToPath(new URL(folder, import.meta.url))
  return parseScript(family, readFileSync(`${path}/${family}.txt`, 'utf8'), Date.now())
}

export function countSteps(scripts: readonly Script[]): number {
  return scripts.flatMap((script) => script.sections.flatMap((section) => section.steps)).length
}

function difference(
  script: Script,
  section: Section,
  index: number,
  mode: RunMode,
  want: readonly string[],
  got: string,
): Difference {
  const step = section.steps[index]
  return {
    family: script.family,
    section: section.title,
    step: step?.text ?? LEFTOVERS,
    line: step?.line ?? 0,
    protocol: mode.protocol,
    delivery: mode.delivery,
    want,
    got,
  }
}

/** An outcome that the reference itself must not have: then the script is wrong, whatever the subject says. */
function isScriptMistake(outcome: string, isStep: boolean): boolean {
  return outcome.includes(NO_REPLY) || outcome.includes(NO_MATCH) || (!isStep && outcome !== '')
}

/** Both servers run each section at the same time, so that clocks agree. */
export async function compareServers(
  reference: TestServer,
  subject: TestServer,
  script: Script,
  mode: RunMode,
): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const section of script.sections) {
    const [want, got] = await Promise.all([runSection(reference, section, mode), runSection(subject, section, mode)])
    got.forEach((text, index) => {
      const reference = want[index]!
      const mistaken = isScriptMistake(reference, index < section.steps.length)
      if (mistaken || text !== reference) differences.push(difference(script, section, index, mode, [reference], text))
    })
  }
  return differences
}

/** Compares with the `=` lines; steps without them only prepare. */
export async function compareExpected(subject: TestServer, script: Script, mode: RunMode): Promise<Difference[]> {
  const differences: Difference[] = []
  for (const section of script.sections) {
    const got = await runSection(subject, section, mode)
    got.forEach((text, index) => {
      const step = section.steps[index]
      const notations = step === undefined ? ['~'] : step.kind === 'command' ? step.expected : []
      const want = notations.map((notation) => expectedText(notation, mode.protocol))
      if (want.length > 0 && !want.includes(text))
        differences.push(difference(script, section, index, mode, want, text))
    })
  }
  return differences
}

/** One difference as a person reads it. */
export function describeDifference(d: Difference): string {
  const want = d.want.map((text) => JSON.stringify(text)).join('\n     or ')
  return `${d.family}:${d.line} [${d.section}] RESP${d.protocol} ${d.delivery}\n  ${d.step}\n  want ${want}\n  got  ${JSON.stringify(d.got)}`
}
