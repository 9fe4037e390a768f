/** Every command of the server; one file a family. */
import {CLUSTER_COMMANDS} from './cluster.ts'
import {DATALOG_COMMANDS} from './datalog.ts'
import {CONNECTION_COMMANDS} from './connection.ts'
import {KEY_COMMANDS} from './key.ts'
import {MAP_COMMANDS} from './map.ts'
import {PUBSUB_COMMANDS} from './pubsub.ts'
import {SERVER_COMMANDS} from './server.ts'
import {STRING_COMMANDS} from './string.ts'
import {TRANSACTION_COMMANDS} from './transaction.ts'
import type {CommandSpec} from './command.ts'

export const ALL_COMMANDS: readonly CommandSpec[] = [
  ...KEY_COMMANDS,
  ...STRING_COMMANDS,
  ...MAP_COMMANDS,
  ...TRANSACTION_COMMANDS,
  ...CONNECTION_COMMANDS,
  ...PUBSUB_COMMANDS,
  ...SERVER_COMMANDS,
  ...CLUSTER_COMMANDS,
  ...DATALOG_COMMANDS,
]
