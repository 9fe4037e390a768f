/** CLIENT: what is known of connections, and what one may say about oneself. */
import {ERR_NOT_INTEGER, ERR_SYNTAX} from './context.ts'
import {isClientName} from './connection-name.ts'
import {caching, redirectOf, tracking, trackinginfo} from './client-tracking.ts'
import {CLIENT_SPEC} from './client-specs.ts'
import {helpReply} from './help.ts'
import {subcommandSyntax} from './unknown.ts'
import {withSubcommands} from './command.ts'
import {REPLY_OFF, REPLY_ON, REPLY_SKIP_NEXT} from '../session.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'
import type {Session} from '../session.ts'

const BAD_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.'

function setname(c: Context): void {
  const name = c.latin1(2)
  if (!isClientName(name)) return c.fail(BAD_NAME)
  c.session.name = name
  c.out.ok()
}

function getname(c: Context): void {
  if (c.session.name === '') c.out.null()
  else c.out.bulkString(c.session.name)
}

function setinfo(c: Context): void {
  const value = c.latin1(3)
  const isName = c.is(2, 'LIB-NAME')
  if (!isName && !c.is(2, 'LIB-VER')) return c.fail(`ERR Unrecognized option '${c.latin1(2)}'`)
  if (!isClientName(value)) {
    return c.fail(`ERR ${isName ? 'lib-name' : 'lib-ver'} cannot contain spaces, newlines or special characters.`)
  }
  if (isName) c.session.libraryName = value
  else c.session.libraryVersion = value
  c.out.ok()
}

function reply(c: Context): void {
  const {session} = c
  if (c.is(2, 'ON')) {
    session.replyMode = REPLY_ON
    c.out.ok()
  } else if (c.is(2, 'OFF')) session.replyMode = REPLY_OFF
  else if (c.is(2, 'SKIP')) {
    if (session.replyMode !== REPLY_OFF) session.replyMode = REPLY_SKIP_NEXT
  } else c.fail(ERR_SYNTAX)
}

function flagsOf(session: Session): string {
  let flags = ''
  if (session.isMonitor) flags += 'O'
  if (session.subscriptions !== null) flags += 'P'
  if (session.inTransaction) flags += 'x'
  if (session.tracking !== null) flags += 't'
  if (session.tracking?.isBroken) flags += 'R'
  if (session.tracking?.options.isBroadcast) flags += 'B'
  if (session.isDirty) flags += 'd'
  if (session.closesAfterReply) flags += 'c'
  if (session.isReadonly) flags += 'r'
  if (session.isNoEvict) flags += 'e'
  if (session.isNoTouch) flags += 'T'
  return flags === '' ? 'N' : flags
}

function describe(session: Session, now: number): string {
  const seconds = (from: number): number => Math.max(0, Math.floor((now - from) / 1000))
  const multi = session.inTransaction ? session.queue.length : -1
  const [sub, psub, ssub] = session.subscriptions?.names.map((names) => names.size) ?? [0, 0, 0]
  return (
    `id=${session.id} addr=${session.address} laddr=${session.localAddress} fd=${session.id} name=${session.name} ` +
    `age=${seconds(session.createdAt)} idle=${seconds(session.activeAt)} flags=${flagsOf(session)} db=0 ` +
    `sub=${sub} psub=${psub} ssub=${ssub} ` +
    `multi=${multi} watch=${session.watched.size} qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 tot-mem=0 ` +
    `events=r cmd=${session.lastCommand} user=default redir=${redirectOf(session)} resp=${session.proto} lib-name=${session.libraryName} lib-ver=${session.libraryVersion}`
  )
}

/** As CLIENT LIST and KILL sort clients; masters and replicas have connections of another kind here. */
function typeOf(session: Session): string {
  return session.subscriptions === null ? 'normal' : 'pubsub'
}

function info(c: Context): void {
  c.out.verbatim('txt', `${describe(c.session, c.now)}\n`)
}

function list(c: Context): void {
  let wanted: (session: Session) => boolean = () => true
  if (c.argc === 4 && c.is(2, 'TYPE')) {
    const type = c.text(3).toLowerCase()
    if (!['normal', 'master', 'replica', 'slave', 'pubsub'].includes(type))
      return c.fail(`ERR Unknown client type '${c.latin1(3)}'`)
    wanted = (session) => typeOf(session) === type
  } else if (c.argc > 3 && c.is(2, 'ID')) {
    const ids = new Set<number>()
    wanted = (session) => ids.has(session.id)
    for (let i = 3; i < c.argc; i++) {
      const id = c.integer(i)
      if (Number.isNaN(id)) return c.fail('ERR Invalid client ID')
      ids.add(id)
    }
  } else if (c.argc !== 2) return c.fail(ERR_SYNTAX)
  let text = ''
  for (const session of c.engine.host.sessions()) {
    if (wanted(session)) text += `${describe(session, c.now)}\n`
  }
  c.out.verbatim('txt', text)
}

/** What CLIENT KILL must match; absent = anything. */
interface KillFilter {
  id?: number
  address?: string
  localAddress?: string
  type?: string
  user?: string
  skipsMe: boolean
}

function kill(c: Context): void {
  if (c.argc === 3) {
    const killed = killMatching(c, {address: c.latin1(2), skipsMe: false})
    if (killed === 0) return c.fail('ERR No such client')
    return c.out.ok()
  }
  const filter: KillFilter = {skipsMe: true}
  for (let i = 2; i < c.argc; i += 2) {
    if (i + 1 >= c.argc) return c.fail(ERR_SYNTAX)
    const error = readFilter(c, i, filter)
    if (error !== null) return c.fail(error)
  }
  c.out.integer(killMatching(c, filter))
}

function readFilter(c: Context, i: number, filter: KillFilter): string | null {
  const value = c.latin1(i + 1)
  if (c.is(i, 'ID')) {
    const id = c.integer(i + 1)
    if (Number.isNaN(id) || id < 1) return 'ERR client-id should be greater than 0'
    filter.id = id
  } else if (c.is(i, 'ADDR')) filter.address = value
  else if (c.is(i, 'LADDR')) filter.localAddress = value
  else if (c.is(i, 'TYPE')) {
    filter.type = value.toLowerCase()
    if (!['normal', 'master', 'replica', 'slave', 'pubsub'].includes(filter.type))
      return `ERR Unknown client type '${value}'`
  } else if (c.is(i, 'USER')) {
    if (value !== 'default') return `ERR No such user '${value}'`
  } else if (c.is(i, 'SKIPME')) {
    if (!c.is(i + 1, 'YES') && !c.is(i + 1, 'NO')) return ERR_SYNTAX
    filter.skipsMe = c.is(i + 1, 'YES')
  } else return ERR_SYNTAX
  return null
}

function killMatching(c: Context, filter: KillFilter): number {
  let killed = 0
  for (const session of c.engine.host.sessions()) {
    if (filter.id !== undefined && session.id !== filter.id) continue
    if (filter.address !== undefined && session.address !== filter.address) continue
    if (filter.localAddress !== undefined && session.localAddress !== filter.localAddress) continue
    if (filter.type !== undefined && filter.type !== typeOf(session)) continue
    if ((filter.skipsMe && session === c.session) || session.closesAfterReply) continue
    killed++
    if (session === c.session) session.closesAfterReply = true
    else {
      // It counts as gone from now on.
      session.closesAfterReply = true
      c.engine.pubsub.forget(session)
      c.engine.tracking.stop(session)
      session.isGone = true
      c.engine.host.close(session)
    }
  }
  return killed
}

function onOff(c: Context, set: (isOn: boolean) => void): void {
  if (c.is(2, 'ON')) set(true)
  else if (c.is(2, 'OFF')) set(false)
  else return c.fail(ERR_SYNTAX)
  c.out.ok()
}

function pause(c: Context): void {
  const ms = c.int64(2)
  if (ms === null) return c.fail('ERR timeout is not an integer or out of range')
  if (ms < 0n) return c.fail('ERR timeout is negative')
  let isForWritesOnly = false
  if (c.argc === 4) {
    if (c.is(3, 'WRITE')) isForWritesOnly = true
    else if (!c.is(3, 'ALL')) return c.fail('ERR CLIENT PAUSE mode must be WRITE or ALL')
  } else if (c.argc > 4) return c.fail(subcommandSyntax(c))
  c.engine.pause.begin(c.now + Math.min(Number(ms), Number.MAX_SAFE_INTEGER - c.now), isForWritesOnly)
  c.out.ok()
}

function unblock(c: Context): void {
  if (c.argc > 4) return c.fail(subcommandSyntax(c))
  if (c.argc === 4 && !c.is(3, 'TIMEOUT') && !c.is(3, 'ERROR')) {
    return c.fail('ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR')
  }
  if (Number.isNaN(c.integer(2))) return c.fail(ERR_NOT_INTEGER)
  c.out.integer(0)
}

function capa(c: Context): void {
  c.session.capabilities = Array.from({length: c.argc - 2}, (_, i) => c.text(i + 2).toLowerCase())
  c.out.ok()
}

export const CLIENT_COMMAND: CommandSpec = withSubcommands(CLIENT_SPEC, {
  id: (c) => c.out.integer(c.session.id),
  info,
  list,
  kill,
  setname,
  getname,
  setinfo,
  reply,
  pause,
  unpause: (c) => {
    c.engine.unpause()
    c.out.ok()
  },
  unblock,
  tracking,
  caching,
  trackinginfo,
  getredir: (c) => c.out.integer(redirectOf(c.session)),
  'no-evict': (c) => onOff(c, (isOn) => (c.session.isNoEvict = isOn)),
  'no-touch': (c) => onOff(c, (isOn) => (c.session.isNoTouch = isOn)),
  capa,
  maint_notifications: (c) => onOff(c, (isOn) => (c.session.wantsMaintenance = isOn)),
  help: (c) => helpReply(c, CLIENT_SPEC),
})
