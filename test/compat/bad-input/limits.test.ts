/** Limits that an operator sets - clients, idle time, password, memory - in the words of redis-server. */
import {afterEach, describe, expect, it} from 'vitest'
import {startKvChild} from '../../support/kv.ts'
import {rawConnection, withConnection} from '../../support/raw-connection.ts'
import {startRedis} from '../../support/redis.ts'
import type {TestServer} from '../../support/server.ts'
import {SUBJECT} from '../../support/subject.ts'
import {waitFor} from '../../support/wait.ts'
import type {NodeOptions} from '../../../src/node/options.ts'
import {compareServers, describeDifference} from '../differential/compare.ts'
import {parseScript} from '../differential/script.ts'

const running: TestServer[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop()))
})

async function both(options: Partial<NodeOptions>, config: Record<string, string>): Promise<[TestServer, TestServer]> {
  const subject = SUBJECT === 'kv' ? startKvChild(options) : startRedis({config})
  const servers = await Promise.all([startRedis({config}), subject])
  running.push(...servers)
  return servers
}

/** The same lines on both: no difference, in either protocol. */
async function expectSame(servers: readonly [TestServer, TestServer], source: string): Promise<void> {
  for (const protocol of [2, 3] as const) {
    const script = parseScript('limits', source, Date.now())
    const differences = await compareServers(servers[0], servers[1], script, {protocol, delivery: 'whole', seed: 1})
    expect(differences.map(describeDifference).join('\n\n')).toBe('')
  }
}

describe('max clients', () => {
  it('one too many is told so and closed; a place that is given up can be taken', async () => {
    for (const server of await both({maxClients: 10}, {maxclients: '10'})) {
      const inside = await Promise.all(Array.from({length: 10}, () => rawConnection(server.port)))
      for (const connection of inside) expect(await connection.call('PING')).toBe('+PONG\r\n')
      const outside = await rawConnection(server.port)
      // Redis says which, in cluster mode.
      expect((await outside.untilClosed()).toString()).toMatch(
        /^-ERR max number of clients (\+ cluster connections )?reached\r\n$/,
      )
      inside[0]!.close()
      await waitFor('a place is free', () =>
        withConnection(server.port, async (connection) => {
          connection.write('PING\r\n')
          return (await connection.tryReply(500))?.toString() === '+PONG\r\n'
        }),
      )
      for (const connection of inside) connection.close()
    }
  })
})

describe('idle clients', () => {
  it('are closed after the timeout, busy ones are not', async () => {
    for (const server of await both({clientIdleTimeoutS: 1}, {timeout: '1'})) {
      const idle = await rawConnection(server.port)
      const busy = await rawConnection(server.port)
      await waitFor('the idle one is closed', async () => {
        expect(await busy.call('PING')).toBe('+PONG\r\n')
        return idle.closed
      })
      expect(busy.closed).toBe(false)
      busy.close()
    }
  })
})

describe('out of memory', () => {
  it('refuses what needs memory before anything is applied, and goes on serving the rest', async () => {
    await expectSame(
      await both({}, {}),
      `
      == noeviction
      SET k v
      HSET {t}h f v
      SET n 1
      CONFIG SET maxmemory 1
      SET k w
      SET new v
      APPEND k x
      INCR n
      HSET {t}h g w
      HINCRBY {t}h n 1
      MSET {t}a 1 {t}b 2
      SETRANGE k 100 x
      COPY {t}h {t}i
      GETSET k w
      GETEX k EX 100
      GET k
      HGETALL {t}h
      EXPIRE k 100
      PERSIST k
      RENAME {t}h {t}j
      HDEL {t}j none
      MULTI
      SET k w
      EXEC
      MULTI
      GET k
      EXEC
      DBSIZE
      DEL k
      EXISTS k
      FLUSHALL
      CONFIG SET maxmemory 0
      SET k w
      GET k
      `,
    )
  })
})

describe('a password', () => {
  const servers = () => both({password: 'secret'}, {requirepass: 'secret'})

  it('nothing but AUTH, HELLO, QUIT and RESET before it', async () => {
    for (const server of await servers()) {
      await withConnection(server.port, async (connection) => {
        const noAuth = '-NOAUTH Authentication required.\r\n'
        for (const args of [
          ['PING'],
          ['GET', 'k'],
          ['SET', 'k', 'v'],
          ['INFO'],
          ['MULTI'],
          ['CLUSTER', 'SLOTS'],
          ['ECHO', 'x'],
        ])
          expect(await connection.call(...args), args.join(' ')).toBe(noAuth)
        expect(await connection.call('NOSUCH')).toContain("-ERR unknown command 'NOSUCH'")
        expect(await connection.call('GET')).toContain('-ERR wrong number of arguments')
        expect(await connection.call('HELLO', '3')).toMatch(
          /^-NOAUTH HELLO must be called with the client already authenticated/,
        )
        expect(await connection.call('RESET')).toBe('+RESET\r\n')
        const wrong = '-WRONGPASS invalid username-password pair or user is disabled.\r\n'
        expect(await connection.call('AUTH', 'wrong')).toBe(wrong)
        expect(await connection.call('AUTH', 'default', 'wrong')).toBe(wrong)
        expect(await connection.call('AUTH', 'nobody', 'secret')).toBe(wrong)
        expect(await connection.call('HELLO', '3', 'AUTH', 'default', 'wrong')).toBe(wrong)
        expect(await connection.call('GET', 'k')).toBe(noAuth)
        expect(await connection.call('AUTH', 'secret')).toBe('+OK\r\n')
        expect(await connection.call('GET', 'k')).toBe('$-1\r\n')
        expect(await connection.call('RESET')).toBe('+RESET\r\n')
        expect(await connection.call('GET', 'k')).toBe(noAuth)
        expect(await connection.call('HELLO', '3', 'AUTH', 'default', 'secret')).toMatch(/^%/)
        expect(await connection.call('GET', 'k')).toBe('_\r\n')
        expect(await connection.call('QUIT')).toBe('+OK\r\n')
      })
    }
  })

  it('strangers may not send large requests', async () => {
    for (const server of await servers()) {
      const say = async (bytes: string) =>
        withConnection(server.port, async (connection) => {
          connection.write(bytes)
          return (await connection.untilClosed()).toString()
        })
      expect(await say('*11\r\n')).toBe('-ERR Protocol error: unauthenticated multibulk length\r\n')
      expect(await say('*2\r\n$4\r\nAUTH\r\n$16385\r\n')).toBe('-ERR Protocol error: unauthenticated bulk length\r\n')
    }
  })
})
