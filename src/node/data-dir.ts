/**
 * The data dir: the node's id, kept for as long as the folder lives, and a lock that keeps a second node out.
 *
 *   node.json                     {"nodeId": "<40 hex>"}
 *   lock/                         see disk/folder-lock.ts
 */
import {randomBytes} from 'node:crypto'
import {mkdir, readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {KvError} from '../errors.ts'
import {describeErrno, errnoCode, replaceFile} from '../disk/durable-file.ts'
import {FolderInUse, lockFolder} from '../disk/folder-lock.ts'
import type {NodeId} from '../base/brand.ts'

const NODE_FILE = 'node.json'
const LOCK = 'lock'

export class DataDir {
  readonly path: string
  readonly nodeId: NodeId
  readonly #unlock: () => Promise<void>

  private constructor(path: string, nodeId: NodeId, unlock: () => Promise<void>) {
    this.path = path
    this.nodeId = nodeId
    this.#unlock = unlock
  }

  /** Makes the folder if need be and locks it. `flag`: by which another is named. Errors: E_DATA_DIR, E_DATA_DIR_IN_USE. */
  static async open(path: string, flag = '--data-dir'): Promise<DataDir> {
    let unlock: () => Promise<void>
    try {
      await mkdir(path, {recursive: true})
      unlock = await lockFolder(path, LOCK)
    } catch (error) {
      throw error instanceof FolderInUse ? inUse(path, flag, error) : unusable(path, flag, error)
    }
    try {
      return new DataDir(path, await readNodeId(path), unlock)
    } catch (error) {
      await unlock()
      throw error instanceof KvError ? error : unusable(path, flag, error)
    }
  }

  /** Lets others have the folder. */
  release(): Promise<void> {
    return this.#unlock()
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

function inUse(path: string, flag: string, {pid}: FolderInUse): KvError {
  const words =
    pid === null ? 'is taken by one starting node after the other' : `is in use by a running node (pid ${pid})`
  return new KvError(
    'E_DATA_DIR_IN_USE',
    `the data dir ${path} ${words}`,
    `stop that node, or start this one with another ${flag}`,
  )
}

function unusable(path: string, flag: string, error: unknown): KvError {
  return new KvError(
    'E_DATA_DIR',
    `the data dir ${path} cannot be used: ${describeErrno(error)}`,
    `the user that runs kv needs to read and write it; or name another with ${flag}`,
  )
}
