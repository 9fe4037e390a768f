/**
 * Finds the processes of a run, also of one whose tester is long gone. Every process that the tester starts has KV_CHAOS_RUN in its environment, a token that
 * no other run has, and the run's folder has a file for each of its places from before the start of the process until after its end. So a process is
 * ours if its environment says so, whatever number it has: numbers are given again.
 *
 * Linux only, where /proc tells a process's environment; elsewhere nothing is found, and nothing is killed.
 */
import {mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'

export const RUN_VARIABLE = 'KV_CHAOS_RUN'
const PID_FOLDER = 'pids'

export interface Leftover {
  /** Of its place. */
  readonly name: string
  readonly pid: number
  /** Its command line. */
  readonly command: string
}

interface PidFile {
  readonly name: string
  readonly token: string
}

/** Says in the run's folder that a process of this token is about to be started. Errors: those of the disk. */
export function notePlace(folder: string, name: string, token: string): void {
  mkdirSync(join(folder, PID_FOLDER), {recursive: true})
  writeFileSync(pidFile(folder, name), JSON.stringify({name, token} satisfies PidFile))
}

/** The process has ended. */
export function forgetPlace(folder: string, name: string): void {
  rmSync(pidFile(folder, name), {force: true})
}

/** Processes that an earlier run left in this folder's name and that still run. */
export function findLeftovers(folder: string): Leftover[] {
  const tokens = new Set(readPidFiles(folder).map(({token}) => token))
  return [...tokens].flatMap((token) => processesOf(token))
}

/** Ends them, and forgets their files. */
export function endLeftovers(folder: string): void {
  for (const {pid} of findLeftovers(folder)) endProcess(pid)
  for (const {name} of readPidFiles(folder)) forgetPlace(folder, name)
}

/** Every process that runs with this token, with its place. */
export function processesOf(token: string): Leftover[] {
  const wanted = `${RUN_VARIABLE}=${token}:`
  return pids().flatMap((pid) => {
    const entry = readParts(pid, 'environ').find((part) => part.startsWith(wanted))
    if (entry === undefined || isZombie(pid)) return []
    return [{name: entry.slice(wanted.length), pid, command: readParts(pid, 'cmdline').join(' ')}]
  })
}

/** What a process of this place has in its environment. */
export function runVariable(token: string, name: string): Readonly<Record<string, string>> {
  return {[RUN_VARIABLE]: `${token}:${name}`}
}

/** SIGKILL; one that is gone already is no error. */
export function endProcess(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It ended by itself.
  }
}

function pidFile(folder: string, name: string): string {
  return join(folder, PID_FOLDER, `${name}.json`)
}

function readPidFiles(folder: string): PidFile[] {
  let names: string[]
  try {
    names = readdirSync(join(folder, PID_FOLDER))
  } catch {
    return []
  }
  return names.flatMap((name) => {
    try {
      const {name: place, token} = JSON.parse(readFileSync(join(folder, PID_FOLDER, name), 'utf8')) as Partial<PidFile>
      return typeof place === 'string' && typeof token === 'string' && token !== '' ? [{name: place, token}] : []
    } catch {
      return []
    }
  })
}

function pids(): number[] {
  try {
    return readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
  } catch {
    return []
  }
}

/** A list of /proc, whose parts end with a zero; empty if the process is not ours to look at. */
function readParts(pid: number, list: 'environ' | 'cmdline'): string[] {
  try {
    return readFileSync(`/proc/${pid}/${list}`, 'utf8').split('\0').filter(Boolean)
  } catch {
    return []
  }
}

/** It has ended, and only its parent has not looked yet. */
function isZombie(pid: number): boolean {
  try {
    return /^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return true
  }
}
