/**
 * Requests that break the protocol: the same words as redis-server and the same end (closed or not), nothing applied,
 * everybody else served.
 */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {fingerprint} from '../../support/fingerprint.ts'
import {rawConnection, withConnection} from '../../support/raw-connection.ts'
import {startRedis} from '../../support/redis.ts'
import type {TestServer} from '../../support/server.ts'
import {startSubjectProcess} from '../../support/subject.ts'
import {sleep} from '../../support/wait.ts'
import {besideBystander} from './bystander.ts'

const SET = '*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n'
const LONG = 70_000

/** Name, bytes. What follows the mistake is a SET that must never happen. */
const BROKEN: readonly (readonly [string, string])[] = [
  ['count: letters', `*abc\r\n${SET}`],
  ['count: a letter after digits', `*3x\r\n${SET}`],
  ['count: empty', `*\r\n${SET}`],
  ['count: a space', `* 3\r\n${SET}`],
  ['count: a fraction', `*1.5\r\n${SET}`],
  ['count: 2^31', `*2147483648\r\n${SET}`],
  ['count: 2^63', `*9223372036854775808\r\n${SET}`],
  ['count: 100 digits', `*${'9'.repeat(100)}\r\n${SET}`],
  ['count: endless', `*${'1'.repeat(LONG)}`],
  ['bulk: an integer instead', `*1\r\n:1\r\n${SET}`],
  ['bulk: a simple string instead', `*1\r\n+PING\r\n${SET}`],
  ['bulk: an array instead', `*2\r\n*1\r\n$4\r\nPING\r\n${SET}`],
  ['bulk: nothing instead', `*1\r\n\r\n${SET}`],
  ['bulk: CR instead', `*1\r\n\rx\r\n${SET}`],
  ['length: -1', `*1\r\n$-1\r\n${SET}`],
  ['length: -2147483648', `*2\r\n$3\r\nGET\r\n$-2147483648\r\n${SET}`],
  ['length: letters', `*1\r\n$abc\r\n${SET}`],
  ['length: empty', `*1\r\n$\r\n${SET}`],
  ['length: a sign', `*1\r\n$+4\r\nPING\r\n${SET}`],
  ['length: leading zeros', `*1\r\n$04\r\nPING\r\n${SET}`],
  ['length: a space', `*1\r\n$ 4\r\nPING\r\n${SET}`],
  ['length: hexadecimal', `*1\r\n$0x4\r\nPING\r\n${SET}`],
  ['length: one past the limit', `*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$536870913\r\n${SET}`],
  ['length: 2^63', `*1\r\n$9223372036854775808\r\n${SET}`],
  ['length: endless', `*1\r\n$${'1'.repeat(LONG)}`],
  ['inline: endless', 'x'.repeat(LONG)],
  ['inline: a quote never closed', `SET k "v\r\n${SET}`],
  ['inline: text after a quote', `SET "k"x v\r\n${SET}`],
]

/** Odd, and yet no error: what stands after them is served. */
const ODD: readonly (readonly [string, string, string])[] = [
  ['empty lines', '\r\n\r\n\n', '+PONG\r\n'],
  ['a count of zero', '*0\r\n', '+PONG\r\n'],
  ['a count of -1', '*-1\r\n', '+PONG\r\n'],
  ['a count of -2147483648', '*-2147483648\r\n', '+PONG\r\n'],
]

let reference: TestServer
let subject: TestServer
beforeAll(async () => {
  ;[reference, subject] = await Promise.all([startRedis(), startSubjectProcess()])
  await withConnection(subject.port, async (connection) => {
    await connection.call('SET', 'before', 'untouched')
    await connection.call('HSET', 'map', 'f', 'v')
  })
})
afterAll(async () => {
  await Promise.all([reference?.stop(), subject?.stop()])
})

/** What a server says to these bytes until it closes. */
async function answer(server: TestServer, bytes: string): Promise<string> {
  const connection = await rawConnection(server.port)
  connection.write(Buffer.from(bytes, 'latin1'))
  const said = await connection.untilClosed()
  connection.close()
  return said.toString('latin1')
}

describe('requests that break the protocol', () => {
  it.each(BROKEN)('%s', async (_name, bytes) => {
    const before = await fingerprint(subject.port)
    const [want, got] = await Promise.all([answer(reference, bytes), answer(subject, bytes)])
    expect(want).toMatch(/^-ERR Protocol error: /)
    expect(got).toBe(want)
    expect(await fingerprint(subject.port)).toBe(before)
  })

  it('are answered only after what stood before them', async () => {
    const bytes = '*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n*2\r\n$3\r\nGET\r\n$6\r\nabsent\r\n*1\r\n$-7\r\n'
    const [want, got] = await Promise.all([answer(reference, bytes), answer(subject, bytes)])
    expect(got).toBe(want)
    expect(got).toMatch(/^\$2\r\nhi\r\n\$-1\r\n-ERR Protocol error/)
  })

  it.each(ODD)('%s: not an error', async (_name, bytes, reply) => {
    for (const server of [reference, subject])
      await withConnection(server.port, async (connection) => {
        connection.write(`${bytes}PING\r\n`)
        expect((await connection.reply()).toString()).toBe(reply)
        await sleep(5)
        expect(connection.takeAll().toString()).toBe('')
      })
  })

  it('a thousand of them in a row: others are served, and nothing is left behind', async () => {
    const before = await fingerprint(subject.port)
    const service = await besideBystander(subject.port, async () => {
      for (let round = 0; round < 40; round++)
        await Promise.all(
          BROKEN.map(([, bytes]) => answer(subject, bytes.length < LONG ? bytes : bytes.slice(0, LONG))),
        )
    })
    expect(service.requests).toBeGreaterThan(5)
    expect(service.worstMs).toBeLessThan(2_000)
    expect(await fingerprint(subject.port)).toBe(before)
  })
})
