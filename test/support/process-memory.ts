/** Memory of a process as the kernel sees it. */
import {readFileSync} from 'node:fs'

/** Resident set of a process, bytes. */
export function rssBytes(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))
  if (match === null) throw new Error(`no VmRSS of ${pid}`)
  return Number(match[1]) * 1024
}
