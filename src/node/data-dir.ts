/**
 * The data dir: the node's id, kept for as long as the folder lives, and a lock that keeps a second node out.
 *
 *   node.json   {"nodeId": "<40 hex>"}
 *   lock        {"pid": ..., "startedAt": ...}   linked into place, so that one of two wins
 *
 * A lock whose process is gone, or whose pid now belongs to a process that started at another time, is left over from a
 * crash and replaced.
 */
import {randomBytes} from 'node:crypto'
import {link, mkdir, readFile, rename, unlink, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {KvError} from '../errors.ts'
import {describeErrno, errnoCode, replaceFile} from './durable-file.ts'
import type {NodeId} from '../base/brand.ts'

const NODE_FILE = 'node.json'
const LOCK_FILE = 'lock'
const LOCK_TRIES = 5

interface LockOwner {
  readonly pid: number
  /** Start time of the process in clock ticks since boot (/proc/<pid>/stat), '' where that is not to be had. */
  readonly startedAt: string
}

export class DataDir {
  readonly path: string
  readonly nodeId: NodeId
  #isHeld = true

  private constructor(path: string, nodeId: NodeId) {
    this.path = path
    this.nodeId = nodeId
  }

  /** Makes the folder if need be and locks it. Errors: E_DATA_DIR, E_DATA_DIR_IN_USE. */
  static async open(path: string): Promise<DataDir> {
    try {
      await mkdir(path, {recursive: true})
      await lock(path)
    } catch (error) {
      throw error instanceof KvError ? error : unusable(path, error)
    }
    try {
      return new DataDir(path, await readNodeId(path))
    } catch (error) {
      await unlink(join(path, LOCK_FILE)).catch(() => undefined)
      throw error instanceof KvError ? error : unusable(path, error)
    }
  }

  /** Lets others have the folder. */
  async release(): Promise<void> {
    if (!this.#isHeld) return
    this.#isHeld = false
    await unlink(join(this.path, LOCK_FILE)).catch(() => undefined)
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

async function lock(path: string): Promise<void> {
  const target = join(path, LOCK_FILE)
  const mine = `${target}.${process.pid}`
  await writeFile(mine, JSON.stringify({pid: process.pid, startedAt: await startOf(process.pid)}))
  try {
    for (let attempt = 0; attempt < LOCK_TRIES; attempt++) {
      if (await tryLink(mine, target)) return
      const owner = await readOwner(target)
      if (owner && (await isAlive(owner))) {
        throw new KvError(
          'E_DATA_DIR_IN_USE',
          `the data dir ${path} is in use by a running node (pid ${owner.pid})`,
          'stop that node, or start this one with another --data-dir',
        )
      }
      // Left over from a crash. Renaming it away can succeed for one of several starters only.
      await rename(target, `${mine}.stale`).catch(() => undefined)
      await unlink(`${mine}.stale`).catch(() => undefined)
    }
  } finally {
    await unlink(mine).catch(() => undefined)
  }
  throw new KvError(
    'E_DATA_DIR_IN_USE',
    `another node keeps taking the data dir ${path}`,
    'start one node per data dir',
  )
}

async function tryLink(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to)
    return true
  } catch (error) {
    if (errnoCode(error) === 'EEXIST') return false
    throw error
  }
}

async function readOwner(path: string): Promise<LockOwner | null> {
  try {
    const owner = JSON.parse(await readFile(path, 'utf8')) as Partial<LockOwner>
    return typeof owner.pid === 'number' ? {pid: owner.pid, startedAt: owner.startedAt ?? ''} : null
  } catch {
    return null
  }
}

async function isAlive(owner: LockOwner): Promise<boolean> {
  try {
    process.kill(owner.pid, 0)
  } catch (error) {
    return errnoCode(error) === 'EPERM'
  }
  const startedAt = await startOf(owner.pid)
  return owner.startedAt === '' || startedAt === '' || startedAt === owner.startedAt
}

async function startOf(pid: number): Promise<string> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
    // The second field is the program's name in parentheses and may hold blanks.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function unusable(path: string, error: unknown): KvError {
  return new KvError(
    'E_DATA_DIR',
    `the data dir ${path} cannot be used: ${describeErrno(error)}`,
    'the user that runs kv needs to read and write it; or name another with --data-dir',
  )
}
