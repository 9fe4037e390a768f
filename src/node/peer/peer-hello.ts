/**
 * Who a peer is, and the proof that it knows the cluster's secret. Both sides say hello at once; whoever likes the other's
 * hello answers with a proof:
 *
 *   hello   "kv-peer" | u8 version | nonce 32 | node id 20 | cluster id, incarnation: u8 length, UTF-8
 *   proof   HMAC-SHA256(secret, role | my hello | your hello), or nothing where no secret is set
 *
 * The secret never travels. Each side's nonce is in both proofs, so none can be replayed, and the role (who dialled) tells
 * the two proofs apart, so none can be sent back to its author. The proof says who is there, it does not hide what is said.
 */
import {createHmac, randomBytes, timingSafeEqual} from 'node:crypto'
import {assert} from '../../base/assert.ts'
import {PEER_NAME_BYTES_MAX} from '../../constants.ts'

export const PEER_PROTOCOL_VERSION = 1

const MAGIC = Buffer.from('kv-peer')
const VERSION_OFF = MAGIC.length
const NONCE_OFF = VERSION_OFF + 1
const NONCE_BYTES = 32
const ID_OFF = NONCE_OFF + NONCE_BYTES
const ID_BYTES = 20
const NAMES_OFF = ID_OFF + ID_BYTES

/** What a node says of itself. */
export interface Hello {
  /** 40 hex. */
  readonly nodeId: string
  /** New at every start of the process. */
  readonly incarnation: string
  /** '' = it is in no cluster yet. */
  readonly clusterId: string
}

/** True for the only spelling of a node id; two spellings would be two nodes. */
export function isNodeId(text: string): boolean {
  return /^[0-9a-f]{40}$/.test(text)
}

/** The hello with a nonce that was never used. */
export function encodeHello(hello: Hello): Buffer {
  assert(isNodeId(hello.nodeId), 'a node id is 40 hex digits')
  const head = Buffer.concat([MAGIC, Buffer.from([PEER_PROTOCOL_VERSION]), randomBytes(NONCE_BYTES)])
  const names = [hello.clusterId, hello.incarnation].flatMap((name) => {
    const bytes = Buffer.from(name)
    assert(bytes.length <= PEER_NAME_BYTES_MAX, 'names in a hello are short')
    return [Buffer.from([bytes.length]), bytes]
  })
  return Buffer.concat([head, Buffer.from(hello.nodeId, 'hex'), ...names])
}

/** Reads a hello; a string says why it is none. Never throws on hostile bytes. */
export function decodeHello(bytes: Buffer): Hello | string {
  if (bytes.length < NONCE_OFF || !bytes.subarray(0, VERSION_OFF).equals(MAGIC))
    return 'it does not say hello as a node does'
  const version = bytes[VERSION_OFF]!
  if (version !== PEER_PROTOCOL_VERSION) {
    return `one speaks version ${version} of the peer protocol, the other version ${PEER_PROTOCOL_VERSION}`
  }
  const cluster = readName(bytes, NAMES_OFF)
  const incarnation = cluster && readName(bytes, cluster.end)
  if (!cluster || !incarnation || incarnation.end !== bytes.length) return 'its hello is malformed'
  const nodeId = bytes.toString('hex', ID_OFF, NAMES_OFF)
  return {nodeId, clusterId: cluster.name, incarnation: incarnation.name}
}

function readName(bytes: Buffer, off: number): {readonly name: string; readonly end: number} | null {
  const length = bytes[off]
  if (length === undefined || length > PEER_NAME_BYTES_MAX) return null
  const end = off + 1 + length
  if (end > bytes.length) return null
  const name = bytes.toString('utf8', off + 1, end)
  // What is not UTF-8, or could disturb a log, is no name.
  return /[\p{Cc}\ufffd]/u.test(name) ? null : {name, end}
}

/** Why these two must not talk to each other, or null. The words suit either side. */
export function judgeHello(own: Hello, other: Hello): string | null {
  if (own.nodeId === other.nodeId) {
    return own.incarnation === other.incarnation
      ? 'the address leads a node to itself'
      : `two processes have the node id ${own.nodeId}: was a data dir copied?`
  }
  if (own.clusterId !== '' && other.clusterId !== '' && own.clusterId !== other.clusterId) {
    return `they belong to two clusters, ${own.clusterId} and ${other.clusterId}`
  }
  return null
}

/** Which end of a connection a proof comes from. */
export type Role = 'dialler' | 'acceptor'

/** The proof by the one in `role`, whose hello is `mine`. */
export function makeProof(secret: string | null, role: Role, mine: Buffer, yours: Buffer): Buffer {
  if (secret === null) return Buffer.alloc(0)
  return createHmac('sha256', secret).update(`${role}\n`).update(mine).update(yours).digest()
}

/** Why the proof is refused, or null. */
export function judgeProof(proof: Buffer, wanted: Buffer): string | null {
  if (wanted.length === 0) return proof.length === 0 ? null : 'only one of them has a cluster secret'
  if (proof.length === 0) return 'only one of them has a cluster secret'
  if (proof.length !== wanted.length || !timingSafeEqual(proof, wanted)) return 'their cluster secrets differ'
  return null
}
