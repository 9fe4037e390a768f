/**
 * A lock that keeps a second process out of a folder.
 *
 *   <name>/<pid>-<start>-<random>   whose lock it is; the start is the process's, so that a pid that is used again is not taken for it
 *
 * The lock is a folder, for two things that no file gives: renaming a folder over another succeeds only if that one is empty
 * or not there, so exactly one of several starters wins; and the entry of an owner that crashed can be removed by its name, so
 * that a slow starter cannot remove the lock of a fast one that took it over before.
 */
import {randomBytes} from 'node:crypto'
import {mkdir, readdir, readFile, rename, rm, rmdir, unlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {errnoCode} from './durable-file.ts'

const LOCK_TRIES = 5

/** Somebody else has the lock. */
export class FolderInUse extends Error {
  override readonly name = 'FolderInUse'
  /** Whose it is; null: it went from one starting process to the next while we tried. */
  readonly pid: number | null

  constructor(path: string, pid: number | null) {
    super(pid === null ? `${path} is taken by one starting process after the other` : `${path} is in use by pid ${pid}`)
    this.pid = pid
  }
}

/**
 * Takes the lock `name` of the folder, which must exist; returns what gives it back (once; later calls do nothing).
 * Errors: FolderInUse; what the file system throws.
 */
export async function lockFolder(path: string, name: string): Promise<() => Promise<void>> {
  const target = join(path, name)
  const entry = `${process.pid}-${(await statOf(process.pid)).startedAt}-${randomBytes(6).toString('hex')}`
  const mine = `${target}.${entry}`
  await mkdir(mine)
  try {
    await writeFile(join(mine, entry), '')
    await take(path, mine, target)
    await removeLeftovers(path, name)
  } finally {
    // Gone if it became the lock.
    await rm(mine, {recursive: true, force: true})
  }
  let isHeld = true
  return async () => {
    if (isHeld) await unlock(target, entry)
    isHeld = false
  }
}

async function take(path: string, mine: string, target: string): Promise<void> {
  for (let attempt = 0; attempt < LOCK_TRIES; attempt++) {
    if (await tryRename(mine, target)) return
    for (const owner of await readdir(target).catch(() => [])) {
      if (await isAlive(owner)) throw new FolderInUse(path, pidOf(owner))
      // Left over from a crash.
      await unlink(join(target, owner)).catch(() => undefined)
    }
  }
  throw new FolderInUse(path, null)
}

/** Removes what starters left that crashed before they had the lock. */
async function removeLeftovers(path: string, name: string): Promise<void> {
  for (const found of await readdir(path)) {
    if (!found.startsWith(`${name}.`) || (await isAlive(found.slice(name.length + 1)))) continue
    await rm(join(path, found), {recursive: true, force: true}).catch(() => undefined)
  }
}

async function unlock(target: string, entry: string): Promise<void> {
  await unlink(join(target, entry)).catch(() => undefined)
  // Not empty: the next owner is in it already.
  await rmdir(target).catch(() => undefined)
}

/** False if the lock has an owner, dead or alive. */
async function tryRename(from: string, to: string): Promise<boolean> {
  try {
    await rename(from, to)
    return true
  } catch (error) {
    if (['ENOTEMPTY', 'EEXIST'].includes(errnoCode(error))) return false
    throw error
  }
}

function pidOf(owner: string): number {
  return Number(/^[1-9][0-9]{0,9}(?=-)/.exec(owner)?.[0] ?? 0)
}

async function isAlive(owner: string): Promise<boolean> {
  const pid = pidOf(owner)
  // Not an entry of ours: nobody can say whose it is, so it does not count.
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    return errnoCode(error) === 'EPERM'
  }
  const startedAt = owner.split('-')[1] ?? ''
  const now = await statOf(pid)
  if (now.isDead) return false
  return startedAt === '' || now.startedAt === '' || now.startedAt === startedAt
}

interface ProcessStat {
  /** In clock ticks since boot; '' where that is not to be had. */
  readonly startedAt: string
  /** It ended and waits for its parent to notice (a zombie). */
  readonly isDead: boolean
}

/** What /proc/<pid>/stat says. */
async function statOf(pid: number): Promise<ProcessStat> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold blanks.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return {startedAt: fields[19] ?? '', isDead: fields[0] === 'Z' || fields[0] === 'X'}
  } catch {
    return {startedAt: '', isDead: false}
  }
}
