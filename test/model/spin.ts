/**
 * Runs the model checker Spin (Holzmann, The SPIN Model Checker, 2003): a model is translated to C, compiled, and the program, `pan`, walks
 * through every state that the model can reach. What `pan` prints is taken apart here; what to expect of it the tests say.
 *
 *   model.pml --spin -a--> pan.c --gcc--> pan --> states, errors, gaps in the search
 */
import {execFile} from 'node:child_process'
import {join} from 'node:path'
import {promisify} from 'node:util'
import {tempDir} from '../support/temp.ts'

const MODELS = import.meta.dirname
/** A machine that does ten things at once is no reason to fail. */
const RUN_MS = 600_000
/** Longest path that pan follows; it says so when one is longer, and then the run proves nothing. */
const DEPTH_MAX = 200_000

export interface Exploration {
  readonly errors: number
  readonly states: number
  /** What was found, in pan's words; '' if nothing. */
  readonly error: string
  /** Why states may have been passed over; empty: all were seen, or all until the error. */
  readonly gaps: readonly string[]
}

export interface ModelRun {
  /** A file beside this one. */
  readonly model: string
  /** NAME or NAME=value. */
  readonly defines: readonly string[]
  /** Optimised code takes longer to make than a short run saves. */
  readonly isLong: boolean
}

/** Explores a model. Throws if a tool is missing or does not end as it should. */
export async function explore({model, defines, isLong}: ModelRun): Promise<Exploration> {
  const dir = tempDir('spin')
  try {
    await run(dir.path, 'spin', ['-a', ...defines.map((define) => `-D${define}`), join(MODELS, model)])
    const flags = [isLong ? '-O2' : '-O1', '-w', '-DSAFETY', '-DCOLLAPSE', '-DNOBOUNDCHECK']
    await run(dir.path, 'gcc', [...flags, '-o', 'pan', 'pan.c'])
    return readReport(await run(dir.path, join(dir.path, 'pan'), [`-m${DEPTH_MAX}`]))
  } finally {
    dir.remove()
  }
}

async function run(cwd: string, tool: string, args: readonly string[]): Promise<string> {
  try {
    const {stdout} = await promisify(execFile)(tool, args, {cwd, timeout: RUN_MS, maxBuffer: 1 << 24})
    return stdout
  } catch (error) {
    const {code, stdout, stderr} = error as {code?: unknown; stdout?: string; stderr?: string}
    if (code === 'ENOENT') {
      throw new Error(`${tool} is not installed: apt-get install spin gcc libc6-dev`, {cause: error})
    }
    throw new Error(`${tool} failed (${String(code)}):\n${stdout ?? ''}\n${stderr ?? ''}`, {cause: error})
  }
}

/** Takes pan's report apart. Throws if it is none. */
export function readReport(report: string): Exploration {
  const errors = /errors: (\d+)/.exec(report)
  const states = /(\d+) states, stored/.exec(report)
  if (!errors || !states) throw new Error(`this is no report of pan:\n${report}`)
  return {
    errors: Number(errors[1]),
    states: Number(states[1]),
    error: /^pan:\d+: (.*)/m.exec(report)?.[1] ?? '',
    gaps: findGaps(report, Number(errors[1]) > 0),
  }
}

function findGaps(report: string, hasError: boolean): string[] {
  const gaps: string[] = []
  if (!report.includes('+ Partial Order Reduction')) gaps.push('no partial order reduction')
  if (!report.includes('Full statespace search')) gaps.push('not a full search')
  for (const words of ['max search depth too small', 'out of memory', 'memory exhausted', 'interrupted']) {
    if (report.includes(words)) gaps.push(words)
  }
  if (!hasError && report.includes('Search not completed')) gaps.push('search not completed')
  return gaps
}
