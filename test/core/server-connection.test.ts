/** What a connection says about itself: HELLO, AUTH, RESET, CLIENT and its subcommands. */
import {describe, expect, it} from 'vitest'
import {CONNECTION_COMMANDS} from '../../src/core/command/connection.ts'
import {BULK_BYTES_MAX} from '../../src/constants.ts'
import {Request} from '../../src/resp/request-decoder.ts'
import {Stage, WAITING, type Plain} from './server-support.ts'

const BAD_NAME = '-ERR Client names cannot contain spaces, newlines or special characters.'
const WRONG = '-WRONGPASS invalid username-password pair or user is disabled.'

/** The fields of a `CLIENT INFO` line. */
function fields(line: Plain): Record<string, string> {
  return Object.fromEntries(
    String(line)
      .trim()
      .split(' ')
      .map((field) => field.split(/=(.*)/s).slice(0, 2) as [string, string]),
  )
}

describe('HELLO', () => {
  it('without a version describes the server and leaves the protocol', () => {
    const client = new Stage().connect()
    expect(client.call('HELLO')).toEqual([
      ...['server', 'redis', 'version', '7.2.4', 'proto', 2, 'id', 1, 'mode', 'cluster', 'role', 'master'],
      ...['modules', [], 'kv_version', '0.1.0'],
    ])
    expect(client.raw('GET', 'none')).toBe('$-1\r\n')
  })

  it('changes the protocol with its own reply, and back', () => {
    const client = new Stage().connect()
    expect(client.raw('HELLO', '3')).toMatch(/^%8\r\n\$6\r\nserver/)
    expect(client.raw('GET', 'none')).toBe('_\r\n')
    expect(client.raw('HELLO', '2')).toMatch(/^\*16\r\n/)
    expect(client.raw('GET', 'none')).toBe('$-1\r\n')
  })

  it('does everything or nothing', () => {
    const client = new Stage('secret').connect()
    expect(client.call('HELLO', '3', 'SETNAME', 'me', 'AUTH', 'default', 'wrong')).toBe(WRONG)
    expect(client.call('HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'a b')).toBe(BAD_NAME)
    expect(client.call('HELLO', '3', 'AUTH', 'default', 'secret', 'FOO')).toBe(
      "-ERR Syntax error in HELLO option 'FOO'",
    )
    expect(client.call('HELLO', '3')).toMatch(/^-NOAUTH HELLO must be called with the client already authenticated/)
    expect(client.call('HELLO', '4')).toBe('-NOPROTO unsupported protocol version')
    expect(client.call('HELLO', 'x')).toBe('-ERR Protocol version is not an integer or out of range')
    expect([client.session.proto, client.session.name, client.session.isAuthenticated]).toEqual([2, '', false])
    expect(client.raw('HELLO', '3', 'AUTH', 'default', 'secret', 'SETNAME', 'me')).toMatch(/^%8/)
    expect([client.session.proto, client.session.name, client.session.isAuthenticated]).toEqual([3, 'me', true])
  })
})

describe('AUTH', () => {
  it('compares bytes, not texts that look alike', () => {
    const stage = new Stage('gr\u00fc\ufffd')
    const client = stage.connect()
    for (const wrong of ['', 'gr', 'gr\u00fc', 'gr\u00fc\ufffd\ufffd', 'x'.repeat(100)])
      expect(client.call('AUTH', wrong)).toBe(WRONG)
    expect(client.call('AUTH', Buffer.from('6772c3bcff', 'hex'))).toBe(WRONG)
    expect(client.call('AUTH', 'other', 'gr\u00fc\ufffd')).toBe(WRONG)
    expect(client.call('GET', 'k')).toBe('-NOAUTH Authentication required.')
    expect(client.call('AUTH', 'gr\u00fc\ufffd')).toBe('OK')
    expect(client.call('GET', 'k')).toBe(null)
  })

  it('without a password set is a mistake that is told, unless a user is named', () => {
    const client = new Stage().connect()
    expect(client.call('AUTH', 'x')).toMatch(/^-ERR AUTH <password> called without any password configured/)
    expect(client.call('AUTH', 'default', 'anything')).toBe('OK')
    expect(client.call('AUTH', 'a', 'b', 'c')).toBe('-ERR syntax error')
  })

  it('is asked for before everything but AUTH, HELLO, QUIT, GOODBYE and RESET', () => {
    const stage = new Stage('secret')
    const free = ['auth', 'hello', 'quit', 'goodbye', 'reset']
    for (const [name, command] of stage.engine.table.byName) {
      const client = stage.connect()
      const count = Math.abs(command.arity)
      const args = [name, ...(command.subcommands ? ['help'] : []), ...Array<string>(count).fill('x')].slice(
        0,
        Math.max(count, 1),
      )
      const reply = client.call(...args)
      if (free.includes(name)) expect(String(reply), name).not.toMatch(/^-NOAUTH Authentication required/)
      else expect(reply, name).toBe('-NOAUTH Authentication required.')
    }
  })
})

describe('QUIT, GOODBYE, RESET, SELECT', () => {
  it('QUIT and GOODBYE say OK and close, in a transaction too', () => {
    for (const name of ['QUIT', 'GOODBYE']) {
      const client = new Stage().connect()
      client.call('MULTI')
      expect(client.call(name)).toBe('OK')
      expect(client.isClosed).toBe(true)
    }
  })

  it('RESET makes the connection as it was when it was new', () => {
    const stage = new Stage('secret')
    const client = stage.connect()
    client.call('AUTH', 'secret')
    client.send('HELLO', '3', 'SETNAME', 'me')
    client.replies()
    client.call('CLIENT', 'NO-TOUCH', 'ON')
    client.call('CLIENT', 'NO-EVICT', 'ON')
    client.call('CLIENT', 'MAINT_NOTIFICATIONS', 'ON', 'moving-endpoint-type', 'none')
    client.call('READONLY')
    client.call('WATCH', 'k')
    client.call('MONITOR')
    client.raw('MULTI')
    client.raw('SET', 'k', 'v')
    expect(client.raw('RESET')).toBe('+RESET\r\n')
    const {session} = client
    expect([session.proto, session.name, session.isAuthenticated, session.inTransaction]).toEqual([2, '', false, false])
    expect([session.isNoTouch, session.isNoEvict, session.isReadonly, session.wantsMaintenance]).toEqual([
      false,
      false,
      false,
      false,
    ])
    expect([session.isMonitor, stage.engine.monitors.size, session.watched.size, session.queue.length]).toEqual([
      false,
      0,
      0,
      0,
    ])
    expect(client.call('GET', 'k')).toBe('-NOAUTH Authentication required.')
  })

  it('there is one database', () => {
    const client = new Stage().connect()
    expect(client.call('SELECT', '0')).toBe('OK')
    expect(client.call('SELECT', '1')).toBe('-ERR SELECT is not allowed in cluster mode')
    expect(client.call('SELECT', 'x')).toBe('-ERR value is not an integer or out of range')
  })
})

describe('a browser that was made to talk to us', () => {
  it('is hung up on before it comes to the commands in its request', () => {
    for (const line of ['POST / HTTP/1.1', 'host: localhost:7379']) {
      const client = new Stage().connect()
      expect(client.call(...line.split(' '))).toMatch(/^-ERR unknown command/)
      expect(client.isClosed, line).toBe(true)
    }
    const client = new Stage().connect()
    expect(client.call('GET', 'post')).toBe(null)
    expect(client.call('POSTS')).toMatch(/^-ERR unknown command/)
    expect(client.isClosed).toBe(false)
  })
})

describe('CLIENT REPLY', () => {
  it('ON answers, OFF is silent until ON, SKIP leaves out one', () => {
    const client = new Stage().connect()
    const says = (...args: string[]): string => client.raw(...args)
    expect(says('CLIENT', 'REPLY', 'ON')).toBe('+OK\r\n')
    expect(says('CLIENT', 'REPLY', 'OFF') + says('PING') + says('NOSUCH') + says('GET')).toBe('')
    expect(says('CLIENT', 'REPLY', 'SKIP') + says('PING') + says('PING')).toBe('')
    expect(says('CLIENT', 'REPLY', 'ON') + says('PING')).toBe('+OK\r\n+PONG\r\n')
    expect(says('CLIENT', 'REPLY', 'SKIP')).toBe('')
    expect(says('ECHO', 'left out') + says('PING')).toBe('+PONG\r\n')
    expect(says('CLIENT', 'REPLY', 'SKIP') + says('CLIENT', 'REPLY', 'SKIP') + says('PING') + says('PING')).toBe(
      '+PONG\r\n',
    )
    expect(says('CLIENT', 'REPLY', 'FOO')).toBe('-ERR syntax error\r\n')
  })

  it('is refused in a transaction: the array that EXEC answers would have holes', () => {
    const client = new Stage().connect()
    client.call('MULTI')
    expect(client.call('CLIENT', 'REPLY', 'OFF')).toBe('-ERR Command not allowed inside a transaction')
    expect(client.call('EXEC')).toBe('-EXECABORT Transaction discarded because of previous errors.')
  })

  it('holds for answers that come later, too', () => {
    const stage = new Stage()
    for (const [mode, isMuted] of [
      ['OFF', true],
      ['SKIP', true],
      ['ON', false],
    ] as const) {
      const client = stage.connect()
      client.raw('CLIENT', 'REPLY', mode)
      expect(client.send('SAVE')).toBe(WAITING)
      expect(client.session.isAnswerMuted, mode).toBe(isMuted)
    }
  })
})

describe('CLIENT LIST, INFO, KILL', () => {
  it('describe every connection in the fields that tools read', () => {
    const stage = new Stage()
    const client = stage.connect()
    stage.connect()
    client.call('CLIENT', 'SETNAME', 'me')
    client.call('CLIENT', 'SETINFO', 'LIB-NAME', 'lib')
    client.call('CLIENT', 'SETINFO', 'lib-ver', '1.2')
    client.call('WATCH', 'a', '{a}b')
    client.call('MULTI')
    client.call('PING')
    stage.now += 3000
    const other = stage.connect()
    const lines = String(other.call('CLIENT', 'LIST')).trim().split('\n')
    expect(lines).toHaveLength(3)
    const first = fields(lines[0]!)
    expect(first).toMatchObject({
      id: '1',
      addr: '10.0.0.1:5000',
      laddr: '10.0.0.99:7379',
      name: 'me',
      age: '3',
      idle: '3',
    })
    expect(first).toMatchObject({flags: 'x', db: '0', multi: '1', watch: '2', cmd: 'multi', resp: '2', user: 'default'})
    expect(first).toMatchObject({'lib-name': 'lib', 'lib-ver': '1.2'})
    expect(fields(other.call('CLIENT', 'INFO'))).toMatchObject({id: '3', cmd: 'client|info', flags: 'N', multi: '-1'})
    expect(other.call('CLIENT', 'ID')).toBe(3)
    expect(
      String(other.call('CLIENT', 'LIST', 'ID', '2', '3', '99'))
        .trim()
        .split('\n')
        .map((line) => fields(line)['id']),
    ).toEqual(['2', '3'])
    expect(other.call('CLIENT', 'LIST', 'TYPE', 'replica')).toBe('')
    expect(other.call('CLIENT', 'LIST', 'TYPE', 'foo')).toBe("-ERR Unknown client type 'foo'")
    expect(other.call('CLIENT', 'LIST', 'ID', 'x')).toBe('-ERR Invalid client ID')
  })

  it('names, and what they may not hold', () => {
    const client = new Stage().connect()
    for (const bad of ['a b', 'a\nb', 'a\x00', 'gr\u00fc\u00df', '\x7f'])
      expect(client.call('CLIENT', 'SETNAME', bad), JSON.stringify(bad)).toBe(BAD_NAME)
    expect(client.call('CLIENT', 'GETNAME')).toBe(null)
    expect(client.call('CLIENT', 'SETNAME', '~!x')).toBe('OK')
    expect(client.call('CLIENT', 'GETNAME')).toBe('~!x')
    expect(client.call('CLIENT', 'SETNAME', '')).toBe('OK')
    expect(client.call('CLIENT', 'GETNAME')).toBe(null)
    expect(client.call('CLIENT', 'SETINFO', 'lib-name', 'a b')).toBe(
      '-ERR lib-name cannot contain spaces, newlines or special characters.',
    )
    expect(client.call('CLIENT', 'SETINFO', 'foo', 'b')).toBe("-ERR Unrecognized option 'foo'")
  })

  it('KILL takes those that match all filters', () => {
    const stage = new Stage()
    const [me, two, three, four] = [stage.connect(), stage.connect(), stage.connect(), stage.connect()]
    const closed = (): number[] =>
      [...stage.clients.values()].filter((one) => one.isClosed).map((one) => one.session.id)
    expect(me.call('CLIENT', 'KILL', '1.2.3.4:5')).toBe('-ERR No such client')
    expect(me.call('CLIENT', 'KILL', '10.0.0.2:5000')).toBe('OK')
    expect(closed()).toEqual([2])
    expect(me.call('CLIENT', 'KILL', 'ID', '3', 'ADDR', '10.0.0.4:5000')).toBe(0)
    expect(me.call('CLIENT', 'KILL', 'ID', '3', 'TYPE', 'normal', 'LADDR', '10.0.0.99:7379', 'USER', 'default')).toBe(1)
    expect(closed()).toEqual([2, 3])
    expect(me.call('CLIENT', 'KILL', 'TYPE', 'pubsub')).toBe(0)
    stage.disconnect(two)
    stage.disconnect(three)
    expect(me.call('CLIENT', 'KILL', 'TYPE', 'normal')).toBe(1)
    expect([me.isClosed, four.isClosed]).toEqual([false, true])
    expect(me.call('CLIENT', 'KILL', 'SKIPME', 'no', 'ID', '1')).toBe(1)
    expect(me.isClosed).toBe(true)
  })

  it('KILL with a filter that is no filter kills nobody', () => {
    const stage = new Stage()
    const me = stage.connect()
    stage.connect()
    const wrong: readonly (readonly [string[], string])[] = [
      [['ID', '0'], '-ERR client-id should be greater than 0'],
      [['ID', 'x'], '-ERR client-id should be greater than 0'],
      [['TYPE', 'foo'], "-ERR Unknown client type 'foo'"],
      [['USER', 'nobody'], "-ERR No such user 'nobody'"],
      [['SKIPME', 'maybe'], '-ERR syntax error'],
      [['SKIPME', 'no', 'FOO', 'x'], '-ERR syntax error'],
      [['SKIPME', 'no', 'ID'], '-ERR syntax error'],
    ]
    for (const [args, error] of wrong) expect(me.call('CLIENT', 'KILL', ...args), args.join(' ')).toBe(error)
    expect([...stage.clients.values()].some((one) => one.isClosed)).toBe(false)
  })
})

describe('arguments of absurd size', () => {
  /** A request whose last argument has 512 MB, which the system need not really give us. */
  function huge(...words: string[]): Request {
    const request = new Request()
    request.buf = Buffer.alloc(BULK_BYTES_MAX + 100)
    let at = 0
    for (const [i, word] of words.entries()) {
      request.off[i] = at
      request.len[i] = request.buf.write(word, at)
      at += word.length
    }
    request.off[words.length] = at
    request.len[words.length] = BULK_BYTES_MAX
    request.argc = words.length + 1
    return request
  }

  it('do not take the node with them: JavaScript has no strings that long', () => {
    const stage = new Stage()
    const client = stage.connect()
    const says = (...words: string[]): string => {
      client.execute(huge(...words))
      return String(client.replies()[0]).slice(0, 40).replaceAll('\0', '0')
    }
    // Of zero bytes nothing is shown: an argument is shown as C prints it.
    expect(says()).toBe("-ERR unknown command '', with args begin")
    expect(says('CLIENT')).toBe("-ERR unknown subcommand ''. Try CLIENT H")
    expect(says('CLIENT', 'REPLY')).toBe('-ERR syntax error')
    expect(says('WATCH')).toBe('-ERR string exceeds maximum allowed size')
    expect(says('CONFIG', 'GET')).toBe('')
    expect(says('CONFIG', 'SET', 'maxmemory')).toMatch(/^-ERR CONFIG SET failed/)
    expect(says('INFO')).toBe('')
    expect(says('COMMAND', 'INFO')).toBe('')
    expect(says('CLUSTER', 'REPLICAS')).toMatch(/^-ERR Unknown node/)
    // A monitor is shown the beginning, and what was slow too.
    stage.connect().call('MONITOR')
    expect(says('SELECT')).toBe('-ERR value is not an integer or out of range'.slice(0, 40))
    expect(client.call('PING')).toBe('PONG')
  })
})

it('every command of the family was met here or in the comparison with redis-server', () => {
  expect(CONNECTION_COMMANDS.map((spec) => spec.name).sort()).toEqual(
    'asking auth client echo goodbye hello ping quit readonly readwrite reset select'.split(' '),
  )
})
