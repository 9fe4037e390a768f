/** What Tab offers of what is in the cluster right now: nodes, keys, fields. */
import {isList, type Reply} from '../client/reply.ts'
import {REPL_COMPLETIONS_MAX, REPL_SCAN_CALLS_MAX} from '../constants.ts'
import type {Address} from '../base/address.ts'
import type {ClusterSession} from './cluster-session.ts'
import type {Sources} from './completion.ts'
import type {Nodes} from './nodes.ts'

const SCAN_COUNT = 100

/** Never more than a moment: a few calls of SCAN on each node. */
export function sourcesOf(session: ClusterSession, nodes: Nodes): Sources {
  return {
    nodes: () => nodes.names,
    keys: async (prefix) => {
      const found: Buffer[] = []
      for (const address of session.masters) {
        const scan = (cursor: Buffer): Promise<Reply> =>
          ask(session, address, ['SCAN', cursor, 'MATCH', pattern(prefix), 'COUNT', String(SCAN_COUNT)])
        found.push(...(await scanSome(scan, 1, prefix)))
        if (found.length >= REPL_COMPLETIONS_MAX) break
      }
      return found.slice(0, REPL_COMPLETIONS_MAX)
    },
    fields: async (key, prefix) => {
      const address = session.ownerOf(key)
      const scan = (cursor: Buffer): Promise<Reply> =>
        ask(session, address, ['HSCAN', key, cursor, 'MATCH', pattern(prefix), 'COUNT', String(SCAN_COUNT)])
      return scanSome(scan, 2, prefix)
    },
  }
}

async function ask(session: ClusterSession, address: Address, words: readonly (string | Buffer)[]): Promise<Reply> {
  return (await session.sendTo(address, words)).reply
}

/** A few calls: Tab must not keep anybody waiting. `step`: every so many items is a name. */
async function scanSome(scan: (cursor: Buffer) => Promise<Reply>, step: 1 | 2, prefix: Buffer): Promise<Buffer[]> {
  const found: Buffer[] = []
  let cursor: Buffer = Buffer.from('0')
  for (let i = 0; i < REPL_SCAN_CALLS_MAX && found.length < REPL_COMPLETIONS_MAX; i++) {
    const reply = await scan(cursor)
    if (!isList(reply) || !Buffer.isBuffer(reply[0]) || !reply[1] || !isList(reply[1])) break
    for (const [at, name] of reply[1].entries()) {
      if (at % step === 0 && Buffer.isBuffer(name) && name.subarray(0, prefix.length).equals(prefix)) found.push(name)
    }
    cursor = reply[0]
    if (cursor.toString() === '0') break
  }
  return found.slice(0, REPL_COMPLETIONS_MAX)
}

/** As MATCH wants it: what is a sign there stands for itself. */
function pattern(prefix: Buffer): Buffer {
  const escaped = [...prefix].flatMap((byte) => (/[*?[\]\\]/.test(String.fromCharCode(byte)) ? [92, byte] : [byte]))
  return Buffer.concat([Buffer.from(escaped), Buffer.from('*')])
}
