/** The two attacks, on any server; each throws as soon as the server does not serve as it must. */
import {encodeCommand, rawConnection, withConnection} from '../../support/raw-connection.ts'
import type {TestServer} from '../../support/server.ts'
import {hostileCase, strangers} from './corpus.ts'

const LANES = 12
/** How long a reply to garbage is waited for: not all garbage gets one. */
const PATIENCE_MS = 2
const REPLY_TIMEOUT_MS = 10_000
const CHECK_EVERY = 2_000

/** Throws unless a new client is served as if nothing had happened. */
export async function mustServe(server: TestServer, context: string, timeoutMs = REPLY_TIMEOUT_MS): Promise<void> {
  const talk: readonly (readonly [string[], string])[] = [
    [['PING'], '+PONG\r\n'],
    [['FLUSHALL'], '+OK\r\n'],
    [['SET', 'k', 'v'], '+OK\r\n'],
    [['GET', 'k'], '$1\r\nv\r\n'],
  ]
  await withConnection(server.port, async (connection) => {
    // In one packet: the garbage of the other lanes has real commands in it, a DEL of this key, or FLUSHALL.
    connection.write(Buffer.concat(talk.map(([args]) => encodeCommand(args))))
    for (const [args, want] of talk) {
      const got = (await connection.tryReply(timeoutMs))?.toString('latin1')
      if (got !== want) throw new Error(`${context}: ${args.join(' ')} gave ${JSON.stringify(got)}`)
    }
  })
}

/** One case on a connection of its own: sent in one or two packets, then cut off (by a reset, or we run out of ports). */
async function attackOnce(server: TestServer, seed: number, index: number): Promise<number> {
  const bytes = hostileCase(seed, index)
  const connection = await rawConnection(server.port)
  const middle = index % 3 === 0 ? bytes.length >> 1 : bytes.length
  connection.write(bytes.subarray(0, middle))
  await connection.tryBytes(PATIENCE_MS)
  if (middle < bytes.length && !connection.closed) {
    connection.write(bytes.subarray(middle))
    await connection.tryBytes(PATIENCE_MS)
  }
  connection.socket.resetAndDestroy()
  return connection.receivedBytes
}

/** `cases` connections of garbage and mutants, several at a time. Returns how many were answered. */
export async function attackConnections(server: TestServer, seed: number, cases: number): Promise<number> {
  let next = 0
  let answered = 0
  const lane = async (): Promise<void> => {
    while (next < cases) {
      const index = next++
      if ((await attackOnce(server, seed, index)) > 0) answered += 1
      if (index % CHECK_EVERY === 0) await mustServe(server, `seed ${seed}, after case ${index}`)
    }
  }
  await Promise.all(Array.from({length: LANES}, lane))
  await mustServe(server, `seed ${seed}, after all ${cases} cases`)
  return answered
}

/** Well-framed requests that nobody would send: each must get one reply, and none must come unasked. */
export async function attackRequests(
  server: TestServer,
  seed: number,
  batches: number,
  perBatch: number,
  timeoutMs = REPLY_TIMEOUT_MS,
): Promise<void> {
  for (let batch = 0; batch < batches; batch++) {
    const requests = strangers(seed, batch, perBatch)
    await withConnection(server.port, async (connection) => {
      connection.write(Buffer.concat(requests.map(encodeCommand)))
      for (const args of requests) {
        if ((await connection.tryReply(timeoutMs)) !== undefined) continue
        const words = args.map((arg) => JSON.stringify(arg.toString('latin1'))).join(' ')
        throw new Error(`seed ${seed}, batch ${batch}: no reply to ${words}${connection.closed ? ' (closed)' : ''}`)
      }
      // A fence: had there been a reply too many, it would stand before this one.
      connection.write(encodeCommand(['DISCARD']))
      await connection.reply(timeoutMs)
      const fence = await connection.call('ECHO', 'fence')
      if (fence !== '$5\r\nfence\r\n') throw new Error(`seed ${seed}, batch ${batch}: a reply too many: ${fence}`)
    })
    if (batch % 20 === 19) await mustServe(server, `seed ${seed}, after batch ${batch}`)
  }
}
