/** MULTI EXEC DISCARD WATCH: what the comparison with redis-server does not see. */
import {describe, expect, it} from 'vitest'
import {REPLY_BYTES_MAX, TRANSACTION_BYTES_MAX} from '../../src/constants.ts'
import {ReplyTooLargeError} from '../../src/resp/reply-writer.ts'
import {Stage} from './server-support.ts'

const SPOILT = '-EXECABORT Transaction discarded because of previous errors.'
const OOM = "OOM command not allowed when used memory > 'maxmemory'."

describe('EXEC', () => {
  it('is refused whole when memory ran out after the commands were queued', () => {
    const stage = new Stage()
    const [client, admin] = [stage.connect(), stage.connect()]
    for (const args of [['MULTI'], ['GET', 'k'], ['SET', 'k', 'v']]) client.call(...args)
    admin.call('SET', 'filler', 'x'.repeat(1000))
    admin.call('CONFIG', 'SET', 'maxmemory', '1')
    expect(client.call('EXEC')).toBe(`-EXECABORT Transaction discarded because of: ${OOM}`)
    expect(client.call('EXEC')).toBe('-ERR EXEC without MULTI')
    expect(client.call('GET', 'k')).toBe(null)
    // Queueing takes memory, whatever is queued.
    client.call('MULTI')
    expect(client.call('GET', 'k')).toBe(`-${OOM}`)
    expect(client.call('EXEC')).toMatch(/^-EXECABORT/)
    client.call('MULTI')
    expect(client.call('SET', 'k', 'v')).toBe(`-${OOM}`)
    expect(client.call('EXEC')).toBe(SPOILT)
  })

  it('forgets everything: queue, bucket, watches', () => {
    const stage = new Stage()
    const [client, other] = [stage.connect(), stage.connect()]
    for (const args of [['WATCH', 'k'], ['MULTI'], ['SET', 'k', '1']]) client.call(...args)
    expect(client.call('EXEC')).toEqual(['OK'])
    other.call('SET', 'k', '2')
    for (const args of [['MULTI'], ['GET', 'elsewhere']]) client.call(...args)
    expect(client.call('EXEC')).toEqual([null])
    expect([client.session.watched.size, client.session.queuedBytes, client.session.queue.length]).toEqual([0, 0, 0])
  })

  it('keys of two buckets are refused when it comes to it, and nothing is applied', () => {
    const client = new Stage().connect()
    for (const args of [['MULTI'], ['SET', 'a', '1'], ['SET', 'b', '2']]) expect(client.call(...args)).not.toMatch(/^-/)
    expect(client.call('EXEC')).toBe("-CROSSSLOT Keys in request don't hash to the same slot")
    expect(client.call('GET', 'a')).toBe(null)
  })

  it('a command that fails does not stop the others', () => {
    const client = new Stage().connect()
    for (const args of [['MULTI'], ['SET', 'k', 'x'], ['INCR', 'k'], ['APPEND', 'k', 'y']]) client.call(...args)
    expect(client.call('EXEC')).toEqual(['OK', '-ERR value is not an integer or out of range', 2])
  })

  it('a reply that is too large costs the connection, not half of the transaction', () => {
    const stage = new Stage()
    const client = stage.connect()
    const value = Buffer.alloc(64 * 1024 * 1024, 'v')
    client.call('SET', '{k}large', value)
    client.call('MULTI')
    for (let i = 0; i <= REPLY_BYTES_MAX / value.length; i++) client.call('GET', '{k}large')
    client.call('SET', '{k}after', 'applied')
    expect(() => client.send('EXEC')).toThrow(ReplyTooLargeError)
    expect(stage.connect().call('GET', '{k}after')).toBe('applied')
    expect(client.session.inTransaction).toBe(false)
  })
})

describe('the queue', () => {
  it('is bounded', () => {
    const client = new Stage().connect()
    client.call('MULTI')
    client.call('SET', 'k', 'v')
    expect(client.session.queuedBytes).toBeGreaterThan(500)
    client.session.queuedBytes = TRANSACTION_BYTES_MAX - 600
    expect(client.call('SET', 'k', 'v')).toBe('QUEUED')
    expect(client.call('SET', 'k', 'v')).toBe('-ERR the transaction is too large')
    expect(client.session.queue).toHaveLength(0)
    expect(client.call('EXEC')).toBe(SPOILT)
    expect(client.call('GET', 'k')).toBe(null)
  })

  it('of a transaction that will fail takes nothing more', () => {
    const stage = new Stage()
    const [client, other] = [stage.connect(), stage.connect()]
    client.call('MULTI')
    client.call('NOSUCH')
    expect(client.call('SET', 'k', 'v')).toBe('QUEUED')
    expect(client.session.queue).toHaveLength(0)
    expect(client.call('DISCARD')).toBe('OK')
    client.call('WATCH', 'k')
    other.call('SET', 'k', 'v')
    client.call('MULTI')
    expect(client.call('SET', 'k', 'w')).toBe('QUEUED')
    expect(client.session.queue).toHaveLength(0)
    expect(client.call('EXEC')).toBe(null)
  })

  it('keeps its own copy of what was sent', () => {
    const client = new Stage().connect()
    const value = Buffer.from('before')
    client.call('MULTI')
    client.call('SET', 'k', value)
    client.call('ECHO', 'another request in the same buffer')
    client.call('EXEC')
    expect(client.call('GET', 'k')).toBe('before')
  })
})

describe('WATCH', () => {
  it('notices a change by another, by itself before MULTI, and by time', () => {
    const stage = new Stage()
    const [client, other] = [stage.connect(), stage.connect()]
    const attempt = (change: () => void): unknown => {
      client.call('SET', 'k', 'v', 'PX', '5000')
      client.call('WATCH', 'k')
      change()
      client.call('MULTI')
      client.call('PING')
      return client.call('EXEC')
    }
    expect(attempt(() => undefined)).toEqual(['PONG'])
    expect(attempt(() => other.call('SET', 'k', 'v'))).toBe(null)
    expect(attempt(() => other.call('SET', 'k', 'v', 'NX'))).toEqual(['PONG'])
    expect(attempt(() => client.call('APPEND', 'k', ''))).not.toBe(undefined)
    expect(attempt(() => (stage.now += 4999))).toEqual(['PONG'])
    expect(attempt(() => client.call('UNWATCH'))).toEqual(['PONG'])
    expect(attempt(() => other.call('GETDEL', 'k'))).toBe(null)
  })

  it('ends with the connection', () => {
    const stage = new Stage()
    const [client, other] = [stage.connect(), stage.connect()]
    client.call('WATCH', 'k')
    expect(stage.engine.effects.watches.isActive).toBe(true)
    stage.disconnect(client)
    expect(stage.engine.effects.watches.isActive).toBe(false)
    expect(other.call('SET', 'k', 'v')).toBe('OK')
  })
})
