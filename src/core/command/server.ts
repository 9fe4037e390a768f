/** The server itself: INFO, TIME, ROLE, WAIT, SAVE, SHUTDOWN, MONITOR, MEMORY, DEBUG ... */
import {ERR_NOT_INTEGER, ERR_SYNTAX, WAITING} from './context.ts'
import {COMMAND_COMMAND} from './command-command.ts'
import {CONFIG_COMMAND} from './config.ts'
import {MONITORING_COMMANDS} from './monitoring.ts'
import {SERVER_SPECS} from './server-specs.ts'
import {info} from './info.ts'
import {replicasOfEach, role} from './cluster-role.ts'
import {withHandlers} from './command.ts'
import type {CommandSpec} from './command.ts'
import type {Context} from './context.ts'
import type {ShutdownOptions} from '../host.ts'

function time(c: Context): void {
  c.out.array(2)
  c.out.bulkInteger(Math.floor(c.now / 1000))
  c.out.bulkInteger((c.now % 1000) * 1000)
}

/** What was answered before is on all in-sync copies already: to wait would bring no more. */
function wait(c: Context): void {
  if (Number.isNaN(c.integer(1))) return c.fail(ERR_NOT_INTEGER)
  const timeout = c.integer(2)
  if (Number.isNaN(timeout)) return c.fail('ERR timeout is not an integer or out of range')
  if (timeout < 0) return c.fail('ERR timeout is negative')
  c.out.integer(replicasOfEach(c))
}

function save(c: Context): void {
  const error = c.engine.host.save(c.session, false)
  if (error !== null) return c.fail(error)
  c.verdict = WAITING
}

function bgsave(c: Context): void {
  if (c.argc > 2 || (c.argc === 2 && !c.is(1, 'SCHEDULE'))) return c.fail(ERR_SYNTAX)
  const error = c.engine.host.save(null, true)
  if (error !== null) return c.fail(error)
  c.out.simple('Background saving started')
}

function shutdown(c: Context): void {
  let mode: ShutdownOptions['mode'] = 'default'
  let isNow = false
  let isForced = false
  for (let i = 1; i < c.argc; i++) {
    if (c.is(i, 'SAVE') && mode === 'default') mode = 'save'
    else if (c.is(i, 'NOSAVE') && mode === 'default') mode = 'nosave'
    else if (c.is(i, 'NOW')) isNow = true
    else if (c.is(i, 'FORCE')) isForced = true
    else if (c.is(i, 'ABORT') && c.argc === 2) return c.fail('ERR No shutdown in progress.')
    else return c.fail(ERR_SYNTAX)
  }
  const error = c.engine.host.shutdown(c.session, {mode, isNow, isForced})
  if (error !== null) return c.fail(error)
  c.verdict = WAITING
}

function monitor(c: Context): void {
  c.session.isMonitor = true
  c.engine.monitors.add(c.session)
  c.out.ok()
}

export const SERVER_COMMANDS: readonly CommandSpec[] = [
  ...withHandlers(SERVER_SPECS, {
    info,
    time,
    role,
    wait,
    save,
    bgsave,
    lastsave: (c) => c.out.integer(c.engine.host.facts().lastSaveAt),
    shutdown,
    monitor,
  }),
  COMMAND_COMMAND,
  CONFIG_COMMAND,
  ...MONITORING_COMMANDS,
]
