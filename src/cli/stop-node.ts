/**
 * Stopping a node from afar: look at what would be lost, ask for it with SHUTDOWN, then wait until it is really gone.
 * Gone means that both ended: the connection we asked on and the port. A node keeps the first until its savefile is
 * written. A node with others to give its buckets to leaves them its data and writes no savefile.
 */
import {formatAddress, type Address} from '../base/address.ts'
import {Connection} from '../client/connection.ts'
import {ReplyError} from '../client/errors.ts'
import {isError, replyEntries, replyText, type Reply} from '../client/reply.ts'
import {openSocket} from '../client/socket.ts'
import {KvError} from '../errors.ts'
import {parseState, type MemberState} from './cluster-state.ts'
import {formatCount} from './units.ts'

const POLL_INTERVAL_MS = 100

export interface StopOptions {
  readonly address: Address
  readonly password: string | undefined
  /** Stop it even if its data is lost with it. */
  readonly isForced: boolean
  readonly timeoutMs: number
  /** Called now and then while it is stopping, with the milliseconds since SHUTDOWN. */
  readonly onWait: (elapsedMs: number) => void
}

export interface StopResult {
  readonly keys: number
  /** Nodes that have its buckets now; 0: it was the last one with data. */
  readonly heirs: number
  /** Where its keys are, if it wrote one. */
  readonly saveFile: string | undefined
  readonly elapsedMs: number
}

/**
 * Resolves when the node has stopped. Errors: E_REFUSED (it holds keys that nobody would have), E_TIMEOUT, E_REPLY (it
 * refused), and those of `Connection.connect`.
 */
export async function stopNode(options: StopOptions): Promise<StopResult> {
  const {address, password, timeoutMs} = options
  const connection = await Connection.connect(address, {password, replyTimeoutMs: timeoutMs})
  try {
    const keys = readCount(await connection.call(['DBSIZE']))
    const heirs = countHeirs(await connection.send(['CLUSTER', 'STATE']), address)
    const saveFile = heirs > 0 ? undefined : readSetting(await connection.call(['CONFIG', 'GET', 'save-file']))
    if (heirs === 0 && keys > 0 && saveFile === undefined && !options.isForced) throw lossRefusal(address, keys)
    const startedMs = performance.now()
    const timer = setInterval(() => options.onWait(performance.now() - startedMs), POLL_INTERVAL_MS)
    try {
      await shutDown(connection)
      await portClosed(address, startedMs + timeoutMs)
    } finally {
      clearInterval(timer)
    }
    return {keys, heirs, saveFile, elapsedMs: Math.round(performance.now() - startedMs)}
  } finally {
    connection.close()
  }
}

/** A node that obeys does not answer: it closes the connection when it is done. */
async function shutDown(connection: Connection): Promise<void> {
  let reply: Reply
  try {
    reply = await connection.send(['SHUTDOWN'])
  } catch (error) {
    if (error instanceof KvError && error.code === 'E_CLOSED_MAYBE') return
    throw error
  }
  if (isError(reply)) throw new ReplyError(reply.text)
}

async function portClosed(address: Address, deadlineMs: number): Promise<void> {
  while (performance.now() < deadlineMs) {
    try {
      const socket = await openSocket(address, {connectTimeoutMs: 1_000})
      socket.destroy()
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_INTERVAL_MS))
  }
  const text = `${formatAddress(address)} was asked to stop, but still listens.`
  throw new KvError('E_TIMEOUT', text, 'Wait longer with --timeout, or look at its log.')
}

function lossRefusal(address: Address, keys: number): KvError {
  const what = keys === 1 ? '1 key' : `${formatCount(keys)} keys`
  const text = `${formatAddress(address)} holds ${what} and has no savefile: stopping it loses them.`
  return new KvError('E_REFUSED', text, 'Add --yes to stop it all the same.')
}

/** Nodes that can take its buckets; none if it knows of no cluster. */
function countHeirs(reply: Reply, address: Address): number {
  if (isError(reply)) return 0
  const {members, self} = parseState(replyText(reply) ?? '', address)
  const isHeir = (member: MemberState): boolean =>
    member.id !== self && !member.isDown && !member.isLeaving && !member.isVoterOnly
  return members.filter(isHeir).length
}

function readCount(reply: Reply): number {
  if (typeof reply === 'number') return reply
  throw new KvError('E_PROTOCOL', 'The reply to DBSIZE is not a number.')
}

/** The value in a reply to CONFIG GET; undefined if the node does not know the setting or it is empty. */
function readSetting(reply: Reply): string | undefined {
  const value = replyText(replyEntries(reply)?.[0]?.[1])
  return value === '' ? undefined : value
}
