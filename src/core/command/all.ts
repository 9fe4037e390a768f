/** Every command of the server; one file a family. */
import {STRING_COMMANDS} from './string.ts'
import {TRANSACTION_COMMANDS} from './transaction.ts'
import type {CommandSpec} from './command.ts'

export const ALL_COMMANDS: readonly CommandSpec[] = [...STRING_COMMANDS, ...TRANSACTION_COMMANDS]
