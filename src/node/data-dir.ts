/**
 * The data dir: the node's id, kept for as long as the folder lives, and a lock that keeps a second node out.
 *
 *   node.json                     {"nodeId": "<40 hex>"}
 *   lock/<pid>-<start>-<random>   whose lock it is; the start is the process's, so that a pid that is used again is not taken for it
 *
 * The lock is a folder, for two things that no file gives: renaming a folder over another succeeds only if that one is empty
 * or not there, so exactly one of several starters wins; and the entry of an owner that crashed can be removed by its name, so
 * that a slow starter cannot remove the lock of a fast one that took it over before.
 */
import {randomBytes} from 'node:crypto'
import {mkdir, readdir, readFile, rename, rm, rmdir, unlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {KvError} from '../errors.ts'
import {describeErrno, errnoCode, replaceFile} from './durable-file.ts'
import type {NodeId} from '../base/brand.ts'

const NODE_FILE = 'node.json'
const LOCK = 'lock'
const LOCK_TRIES = 5

export class DataDir {
  readonly path: string
  readonly nodeId: NodeId
  readonly #entry: string
  #isHeld = true

  private constructor(path: string, nodeId: NodeId, entry: string) {
    this.path = path
    this.nodeId = nodeId
    this.#entry = entry
  }

  /** Makes the folder if need be and locks it. Errors: E_DATA_DIR, E_DATA_DIR_IN_USE. */
  static async open(path: string): Promise<DataDir> {
    let entry: string
    try {
      await mkdir(path, {recursive: true})
      entry = await lock(path)
    } catch (error) {
      throw error instanceof KvError ? error : unusable(path, error)
    }
    try {
      return new DataDir(path, await readNodeId(path), entry)
    } catch (error) {
      await unlock(path, entry)
      throw error instanceof KvError ? error : unusable(path, error)
    }
  }

  /** Lets others have the folder. */
  async release(): Promise<void> {
    if (!this.#isHeld) return
    this.#isHeld = false
    await unlock(this.path, this.#entry)
  }
}

/** An id for a node that keeps nothing on disk. */
export function newNodeId(): NodeId {
  return randomBytes(20).toString('hex') as NodeId
}

async function readNodeId(path: string): Promise<NodeId> {
  const file = join(path, NODE_FILE)
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (errnoCode(error) !== 'ENOENT') throw error
    const nodeId = newNodeId()
    await replaceFile(file, Buffer.from(`${JSON.stringify({nodeId})}\n`))
    return nodeId
  }
  const id = /"nodeId":\s*"([0-9a-f]{40})"/.exec(text)?.[1]
  if (id) return id as NodeId
  throw new KvError('E_DATA_DIR', `${file} does not hold a node id`, `restore it, or start as a new node: rm ${file}`)
}

/** Takes the lock; returns the name of our entry. */
async function lock(path: string): Promise<string> {
  const target = join(path, LOCK)
  const entry = `${process.pid}-${(await statOf(process.pid)).startedAt}-${randomBytes(6).toString('hex')}`
  const mine = `${target}.${entry}`
  await mkdir(mine)
  try {
    await writeFile(join(mine, entry), '')
    for (let attempt = 0; attempt < LOCK_TRIES; attempt++) {
      if (await tryRename(mine, target)) {
        await removeLeftovers(path)
        return entry
      }
      const owners = await readdir(target).catch(() => [])
      for (const owner of owners) {
        if (await isAlive(owner)) throw inUse(path, `is in use by a running node (pid ${pidOf(owner)})`)
        // Left over from a crash.
        await unlink(join(target, owner)).catch(() => undefined)
      }
    }
    throw inUse(path, 'is taken by one starting node after the other')
  } finally {
    // Gone if it became the lock.
    await rm(mine, {recursive: true, force: true})
  }
}

/** Removes what starters left that crashed before they had the lock. */
async function removeLeftovers(path: string): Promise<void> {
  for (const name of await readdir(path)) {
    if (!name.startsWith(`${LOCK}.`) || (await isAlive(name.slice(LOCK.length + 1)))) continue
    await rm(join(path, name), {recursive: true, force: true}).catch(() => undefined)
  }
}

async function unlock(path: string, entry: string): Promise<void> {
  const target = join(path, LOCK)
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

function inUse(path: string, words: string): KvError {
  return new KvError(
    'E_DATA_DIR_IN_USE',
    `the data dir ${path} ${words}`,
    'stop that node, or start this one with another --data-dir',
  )
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

function unusable(path: string, error: unknown): KvError {
  return new KvError(
    'E_DATA_DIR',
    `the data dir ${path} cannot be used: ${describeErrno(error)}`,
    'the user that runs kv needs to read and write it; or name another with --data-dir',
  )
}
