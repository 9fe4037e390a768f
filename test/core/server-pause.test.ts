/** Who waits for what, and in which order they go on: CLIENT PAUSE, the hold of a stopping node, parked buckets, jobs. */
import {describe, expect, it} from 'vitest'
import {Pause, REFUSE, RUN, WAIT} from '../../src/core/pause.ts'
import {keyBucket} from '../../src/base/crc16.ts'
import {DONE, PARKED, Stage, WAITING} from './server-support.ts'
import {Command, type CommandFlag} from '../../src/core/command/command.ts'
import type {Job} from '../../src/core/parking.ts'
import type {ReplyWriter} from '../../src/resp/reply-writer.ts'

const bucketOf = (key: string): number => keyBucket(Buffer.from(key), 0, key.length)

describe('CLIENT PAUSE', () => {
  it('lets data commands wait until the time is over, and nothing else', () => {
    const stage = new Stage()
    const [admin, writer, reader] = [stage.connect(), stage.connect(), stage.connect()]
    expect(admin.call('CLIENT', 'PAUSE', '1000')).toBe('OK')
    expect(writer.send('SET', 'k', 'v')).toBe(PARKED)
    expect(reader.send('GET', 'k')).toBe(PARKED)
    expect([admin.call('PING'), admin.call('CLIENT', 'ID'), admin.call('ECHO', 'x')]).toEqual(['PONG', 1, 'x'])
    expect(admin.call('INFO', 'clients')).toContain('blocked_clients:2\r\n')
    stage.pass(999)
    expect([writer.replies(), reader.replies()]).toEqual([[], []])
    stage.pass(1)
    expect([writer.replies(), reader.replies()]).toEqual([['OK'], ['v']])
    expect(writer.call('SET', 'k', 'w')).toBe('OK')
  })

  it('is over for a command that comes after its time, heartbeat or none', () => {
    const stage = new Stage()
    const [client, waiting] = [stage.connect(), stage.connect()]
    client.call('CLIENT', 'PAUSE', '10')
    waiting.send('GET', 'k')
    stage.now += 10
    expect(client.call('GET', 'k')).toBe(null)
    stage.settle()
    expect(waiting.replies()).toEqual([null])
  })

  it('for WRITE lets reads through; a transaction is as what it holds', () => {
    const stage = new Stage()
    const [admin, writer, reader] = [stage.connect(), stage.connect(), stage.connect()]
    admin.call('CLIENT', 'PAUSE', '1000', 'WRITE')
    expect(reader.call('GET', 'k')).toBe(null)
    expect(writer.call('MULTI')).toBe('OK')
    expect(writer.call('SET', 'k', 'v')).toBe('QUEUED')
    expect(writer.send('EXEC')).toBe(PARKED)
    expect(reader.call('MULTI')).toBe('OK')
    expect(reader.call('GET', 'k')).toBe('QUEUED')
    expect(reader.call('EXEC')).toEqual([null])
    expect(admin.call('CLIENT', 'UNPAUSE')).toBe('OK')
    stage.settle()
    expect(writer.replies()).toEqual([['OK']])
  })

  it('counts commands without keys by what they do', () => {
    const pause = new Pause()
    const {session} = new Stage().connect()
    const make = (...flags: CommandFlag[]): Command =>
      new Command({name: 'x', arity: 1, flags, group: 'generic', since: '1.0.0', summary: ''})
    const [reads, writes, neither] = [make('readonly'), make('write'), make('loading')]
    pause.begin(1, true)
    expect([reads, writes, neither].map((one) => pause.verdict(one, session))).toEqual([RUN, WAIT, RUN])
    pause.begin(1, false)
    pause.end()
    pause.begin(1, false)
    expect([reads, writes, neither].map((one) => pause.verdict(one, session))).toEqual([WAIT, WAIT, RUN])
    pause.refuse()
    expect([reads, writes, neither].map((one) => pause.verdict(one, session))).toEqual([RUN, REFUSE, RUN])
  })

  it('can be made longer and stricter by another, not shorter or laxer', () => {
    const stage = new Stage()
    const [admin, client] = [stage.connect(), stage.connect()]
    admin.call('CLIENT', 'PAUSE', '1000', 'ALL')
    admin.call('CLIENT', 'PAUSE', '10', 'WRITE')
    expect(client.send('GET', 'k')).toBe(PARKED)
    stage.pass(500)
    expect(client.replies()).toEqual([])
    stage.pass(500)
    expect(client.replies()).toEqual([null])
    // Over: the next one begins anew.
    admin.call('CLIENT', 'PAUSE', '10', 'WRITE')
    expect(client.call('GET', 'k')).toBe(null)
  })

  it('ends in the order in which they came, whatever they wait for', () => {
    const stage = new Stage()
    const admin = stage.connect()
    const clients = Array.from({length: 20}, () => stage.connect())
    admin.call('CLIENT', 'PAUSE', '100')
    for (const [i, client] of clients.entries()) expect(client.send('APPEND', 'k', `${i},`)).toBe(PARKED)
    stage.pass(100)
    expect(admin.call('GET', 'k')).toBe(clients.map((_, i) => `${i},`).join(''))
  })

  it('forgets who left', () => {
    const stage = new Stage()
    const [admin, client] = [stage.connect(), stage.connect()]
    admin.call('CLIENT', 'PAUSE', '100')
    client.send('SET', 'k', 'v')
    stage.disconnect(client)
    expect(admin.call('INFO', 'clients')).toContain('blocked_clients:0\r\n')
    stage.pass(100)
    expect(admin.call('GET', 'k')).toBe(null)
  })

  it('DEBUG SLEEP is a pause: the loop itself never sleeps', () => {
    const stage = new Stage()
    const client = stage.connect()
    expect(client.call('DEBUG', 'SLEEP', '0.2')).toBe('OK')
    expect(client.send('GET', 'k')).toBe(PARKED)
    stage.pass(200)
    expect(client.replies()).toEqual([null])
  })
})

describe('the hold of a node that stops', () => {
  it('lets writes wait, those without keys too, and serves reads', () => {
    const stage = new Stage()
    const client = stage.connect()
    client.call('SET', 'k', 'v')
    const pause = new Pause()
    pause.hold()
    for (const [name, command] of stage.engine.table.byName) {
      const isWrite = command.spec.flags.includes('write')
      expect(pause.verdict(command, client.session), name).toBe(isWrite ? WAIT : RUN)
    }
    stage.engine.pause.hold()
    expect(client.call('GET', 'k')).toBe('v')
    expect(client.send('SET', 'k', 'w')).toBe(PARKED)
  })

  it('is not ended by a client', () => {
    const stage = new Stage()
    const [admin, client] = [stage.connect(), stage.connect()]
    stage.engine.pause.hold()
    client.send('SET', 'k', 'v')
    admin.call('CLIENT', 'PAUSE', '1')
    stage.pass(10)
    admin.call('CLIENT', 'UNPAUSE')
    stage.settle()
    expect(client.replies()).toEqual([])
    expect(client.parked).not.toBe(null)
    stage.engine.release(false)
    stage.settle()
    expect(client.replies()).toEqual(['OK'])
  })

  it('leaves a pause of a client as it was, if the stop is called off', () => {
    const stage = new Stage()
    const [admin, client] = [stage.connect(), stage.connect()]
    admin.call('CLIENT', 'PAUSE', '1000')
    client.send('SET', 'k', 'v')
    stage.engine.pause.hold()
    stage.engine.release(false)
    stage.settle()
    expect(client.replies()).toEqual([])
    stage.pass(1000)
    expect(client.replies()).toEqual(['OK'])
  })

  it('ends with a refusal: nothing is applied, nobody is left without a word', () => {
    const stage = new Stage()
    const [writer, exec, reader, admin] = [stage.connect(), stage.connect(), stage.connect(), stage.connect()]
    admin.call('CLIENT', 'PAUSE', '100000')
    reader.send('GET', 'k')
    stage.engine.pause.hold()
    writer.send('SET', 'k', 'v')
    exec.call('MULTI')
    exec.call('SET', 'k', 'x')
    exec.send('EXEC')
    stage.engine.release(true)
    stage.settle()
    const refused = '-CLUSTERDOWN The cluster is down'
    expect([writer.replies(), exec.replies(), reader.replies()]).toEqual([[refused], [refused], [null]])
    expect(writer.call('SET', 'k', 'v')).toBe(refused)
    expect(writer.call('GET', 'k')).toBe(null)
  })
})

describe('parked buckets', () => {
  it('hold commands on their keys, in order, and no others', () => {
    const stage = new Stage()
    const clients = Array.from({length: 5}, () => stage.connect())
    const {parking} = stage.engine
    parking.park(bucketOf('k'))
    parking.park(bucketOf('k'))
    for (const [i, client] of clients.entries()) expect(client.send('APPEND', 'k', String(i))).toBe(PARKED)
    expect(stage.connect().call('SET', 'other', 'v')).toBe('OK')
    parking.unpark(bucketOf('k'))
    stage.settle()
    expect(clients.flatMap((client) => client.replies())).toEqual([])
    parking.unpark(bucketOf('k'))
    stage.settle()
    expect(clients.flatMap((client) => client.replies())).toEqual([1, 2, 3, 4, 5])
    expect(clients[0]!.call('GET', 'k')).toBe('01234')
  })

  it('those who are woken and have to wait again keep their order', () => {
    const stage = new Stage()
    const [a, b, reader] = [stage.connect(), stage.connect(), stage.connect()]
    const {parking} = stage.engine
    parking.park(bucketOf('k'))
    a.send('APPEND', 'k', 'a')
    b.send('APPEND', 'k', 'b')
    for (let i = 0; i < 3; i++) {
      parking.unpark(bucketOf('k'))
      // Parked again before they had their turn.
      parking.park(bucketOf('k'))
      stage.settle()
    }
    parking.unpark(bucketOf('k'))
    stage.settle()
    expect(reader.call('GET', 'k')).toBe('ab')
  })
})

describe('jobs', () => {
  /** Takes so many steps; writes down what happens. */
  function makeJob(bucket: number, steps: number, log: string[], name: string): Job {
    let left = steps
    return {
      bucket,
      isReadOnly: false,
      get isDone() {
        return left === 0
      },
      pieces: () => [],
      step: (budget) => {
        log.push(`step ${name}`)
        left--
        return left > 0 ? 0 : budget - 1
      },
      reply: (out: ReplyWriter) => out.simple(name),
    }
  }

  it('run one after the other; their bucket is parked meanwhile, and their client is answered before those who wait', () => {
    const stage = new Stage()
    const [first, second, waiting] = [stage.connect(), stage.connect(), stage.connect()]
    const log: string[] = []
    const {engine} = stage
    engine.parking.start(first.session, makeJob(bucketOf('k'), 2, log, 'one'))
    engine.parking.start(second.session, makeJob(-1, 1, log, 'two'))
    expect(waiting.send('SET', 'k', 'v')).toBe(PARKED)
    expect(engine.hasWork).toBe(true)
    expect(engine.work(100)).toBe(true)
    expect(log).toEqual(['step one'])
    expect(engine.work(100)).toBe(false)
    stage.settle()
    expect(log).toEqual(['step one', 'step one', 'step two'])
    expect(stage.asked).toEqual(['complete 1', 'complete 2'])
    expect([first.replies(), second.replies(), waiting.replies()]).toEqual([['one'], ['two'], ['OK']])
  })

  it('end without an answer if their client has left', () => {
    const stage = new Stage()
    const [gone, other] = [stage.connect(), stage.connect()]
    const log: string[] = []
    stage.engine.parking.start(gone.session, makeJob(bucketOf('k'), 2, log, 'one'))
    other.send('SET', 'k', 'v')
    stage.disconnect(gone)
    while (stage.engine.work(10));
    stage.settle()
    expect(stage.asked).toEqual([])
    expect(other.replies()).toEqual(['OK'])
  })
})

describe('SAVE and SHUTDOWN', () => {
  it('wait for the host, or tell why they cannot', () => {
    const stage = new Stage()
    const client = stage.connect()
    expect(client.send('SAVE')).toBe(WAITING)
    expect(client.send('BGSAVE')).toBe(DONE)
    expect(client.replies()).toEqual(['Background saving started'])
    expect(client.call('BGSAVE', 'SCHEDULE')).toBe('Background saving started')
    expect(client.send('SHUTDOWN')).toBe(WAITING)
    expect(client.send('SHUTDOWN', 'nosave', 'now', 'force')).toBe(WAITING)
    expect(client.send('SHUTDOWN', 'SAVE')).toBe(WAITING)
    expect(stage.asked).toEqual([
      'save 1 foreground',
      'save - background',
      'save - background',
      'shutdown 1 default',
      'shutdown 1 nosave now force',
      'shutdown 1 save',
    ])
    client.replies()
    stage.refusal = 'ERR not now'
    for (const command of ['SAVE', 'BGSAVE', 'SHUTDOWN']) expect(client.call(command)).toBe('-ERR not now')
    expect(client.call('SHUTDOWN', 'SAVE', 'NOSAVE')).toBe('-ERR syntax error')
    expect(client.call('SHUTDOWN', 'ABORT')).toBe('-ERR No shutdown in progress.')
  })
})
