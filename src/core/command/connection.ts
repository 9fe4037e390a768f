/** What a connection says about itself: HELLO, AUTH, PING, QUIT, GOODBYE, RESET, SELECT ... CLIENT is in client.ts. */
import {REDIS_COMPAT_VERSION, KV_VERSION} from '../../constants.ts'
import {endTransaction} from '../transaction.ts'
import {REPLY_ON} from '../session.ts'
import {withHandlers} from './command.ts'
import {CONNECTION_SPECS} from './connection-specs.ts'
import {CLIENT_COMMAND} from './client.ts'
import {roleName} from './cluster-role.ts'
import {isClientName} from './connection-name.ts'
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'

const WRONG_PASSWORD = 'WRONGPASS invalid username-password pair or user is disabled.'

function ping(c: Context): void {
  if (c.argc > 2) return c.wrongArity()
  if (c.session.subscriptions !== null && c.session.proto === 2) return pingSubscriber(c)
  if (c.argc === 1) return c.out.pong()
  echo(c)
}

/** As a message, so that it cannot be taken for one of another kind. */
function pingSubscriber(c: Context): void {
  c.out.array(2)
  c.out.bulkString('pong')
  if (c.argc === 1) c.out.bulkString('')
  else echo(c)
}

function echo(c: Context): void {
  const {buf, off, len} = c.request
  c.out.bulk(buf, off[1]!, len[1]!)
}

/** Both say `+OK`; then the server closes the connection. */
function quit(c: Context): void {
  c.out.ok()
  c.session.closesAfterReply = true
}

function auth(c: Context): void {
  if (c.argc > 3) return c.fail(ERR_SYNTAX)
  if (c.argc === 2 && c.engine.password === '') {
    return c.fail(
      'ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct?',
    )
  }
  if (!authenticate(c, c.argc === 3 ? c.text(1) : 'default', c.copy(c.argc - 1))) return c.fail(WRONG_PASSWORD)
  c.out.ok()
}

/** True if the password is right; the session is then authenticated. Takes as long whatever is wrong with it. */
function authenticate(c: Context, user: string, given: Buffer): boolean {
  const wanted = Buffer.from(c.engine.password)
  let difference = wanted.length ^ given.length
  for (let i = 0; i < given.length; i++) difference |= given[i]! ^ (wanted[i % Math.max(wanted.length, 1)] ?? 0)
  const isRight = user === 'default' && (c.engine.password === '' || difference === 0)
  if (isRight) c.session.isAuthenticated = true
  return isRight
}

function hello(c: Context): void {
  const {session} = c
  let proto: number = session.proto
  let next = 1
  if (c.argc > 1) {
    proto = c.integer(1)
    if (Number.isNaN(proto)) return c.fail('ERR Protocol version is not an integer or out of range')
    if (proto !== 2 && proto !== 3) return c.fail('NOPROTO unsupported protocol version')
    next = 2
  }
  let credentials: readonly [string, Buffer] | null = null
  let name: string | null = null
  for (let i = next; i < c.argc; i++) {
    if (c.is(i, 'AUTH') && i + 2 < c.argc) {
      credentials = [c.text(i + 1), c.copy(i + 2)]
      i += 2
    } else if (c.is(i, 'SETNAME') && i + 1 < c.argc) {
      name = c.latin1(++i)
      if (!isClientName(name)) {
        return c.fail('ERR Client names cannot contain spaces, newlines or special characters.')
      }
    } else return c.fail(`ERR Syntax error in HELLO option '${c.latin1(i)}'`)
  }
  if (credentials && !authenticate(c, ...credentials)) return c.fail(WRONG_PASSWORD)
  if (!session.isAuthenticated) {
    return c.fail(
      'NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP protocol version at the same time',
    )
  }
  if (name !== null) session.name = name
  session.proto = proto as 2 | 3
  c.out.proto = session.proto
  replyHello(c)
}

function replyHello(c: Context): void {
  const {out, session} = c
  out.map(8)
  out.bulkString('server')
  out.bulkString('redis')
  out.bulkString('version')
  out.bulkString(REDIS_COMPAT_VERSION)
  out.bulkString('proto')
  out.integer(session.proto)
  out.bulkString('id')
  out.integer(session.id)
  out.bulkString('mode')
  out.bulkString('cluster')
  out.bulkString('role')
  out.bulkString(roleName(c))
  out.bulkString('modules')
  out.array(0)
  out.bulkString('kv_version')
  out.bulkString(KV_VERSION)
}

function select(c: Context): void {
  const index = c.int64(1)
  if (index === null) return c.fail(ERR_NOT_INTEGER)
  if (index !== 0n) return c.fail('ERR SELECT is not allowed in cluster mode')
  c.out.ok()
}

function reset(c: Context): void {
  const {session} = c
  if (session.inTransaction) endTransaction(c)
  c.effects.watches.unwatch(session)
  c.engine.monitors.delete(session)
  c.engine.pubsub.forget(session)
  c.engine.tracking.stop(session)
  session.isMonitor = false
  session.proto = 2
  session.name = ''
  session.replyMode = REPLY_ON
  session.isReadonly = false
  session.isNoEvict = false
  session.isNoTouch = false
  session.wantsMaintenance = false
  session.isAuthenticated = c.engine.password === ''
  c.out.proto = 2
  c.out.simple('RESET')
}

function setReadonly(c: Context, isReadonly: boolean): void {
  c.session.isReadonly = isReadonly
  c.out.ok()
}

export const CONNECTION_COMMANDS: readonly CommandSpec[] = [
  ...withHandlers(CONNECTION_SPECS, {
    ping,
    echo,
    quit,
    goodbye: quit,
    auth,
    hello,
    select,
    reset,
    readonly: (c) => setReadonly(c, true),
    readwrite: (c) => setReadonly(c, false),
    asking: (c) => c.out.ok(),
  }),
  CLIENT_COMMAND,
]
