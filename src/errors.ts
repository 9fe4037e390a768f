/**
 * Errors that a person meets. Each has a stable code; the CLI maps the code to an exit code and prints
 * what happened, why, and what to type next. Wire errors (`-ERR ...`) live with the commands, not here.
 */

/** Exit codes of every `kv` command; documented in README. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  unhealthy: 3,
  notFound: 4,
  cannotConnect: 5,
  refused: 6,
  partial: 7,
  violation: 8,
  timeout: 124,
  unknownCommand: 127,
  interrupted: 130,
} as const

export interface ErrorKind {
  readonly exitCode: number
  /** When it is given, one sentence. */
  readonly when: string
}

/** Every error code that `kv` can print. A test compares this table with the docs, both ways. */
export const ERROR_KINDS = {
  E_USAGE: {exitCode: EXIT.usage, when: 'A flag or an argument is missing, unknown or malformed.'},
  E_PORT_IN_USE: {exitCode: EXIT.failed, when: 'Another process listens on the port.'},
  E_JOIN: {
    exitCode: EXIT.cannotConnect,
    when: 'No node of those named with --join answers as a kv node, or the cluster does not let this node in.',
  },
  E_ADDRESS: {exitCode: EXIT.failed, when: 'The host to listen on is not an address of this machine.'},
  E_DATA_DIR: {exitCode: EXIT.failed, when: 'The data dir cannot be made, read or written.'},
  E_DATA_DIR_IN_USE: {exitCode: EXIT.failed, when: 'A running node uses the data dir.'},
  E_SAVEFILE: {exitCode: EXIT.failed, when: 'The savefile is cut, damaged, foreign, or of a newer version.'},
  E_RAFT_STORE: {
    exitCode: EXIT.failed,
    when: 'What Raft keeps in the data dir is damaged, or cannot be read or written.',
  },
  E_LOG: {exitCode: EXIT.failed, when: 'There is no data log in the folder, or it cannot be read or written.'},
  E_LOG_IN_USE: {exitCode: EXIT.failed, when: 'A running process writes the data log.'},
  E_LOG_FOREIGN: {exitCode: EXIT.failed, when: 'The data log, or one of its segments, is of another cluster.'},
  E_LOG_FORMAT: {
    exitCode: EXIT.failed,
    when: 'The data log was written by another version of kv, in a format unknown here.',
  },
  E_LOG_MISSING: {exitCode: EXIT.failed, when: 'A segment of the data log is not there.'},
  E_LOG_DAMAGED: {exitCode: EXIT.failed, when: 'The data log is damaged.'},
  E_CONNECT: {exitCode: EXIT.cannotConnect, when: 'Nothing answers at the address.'},
  E_CLOSED_UNSENT: {
    exitCode: EXIT.cannotConnect,
    when: 'The connection was closed before the request was sent: it was surely not carried out.',
  },
  E_CLOSED_MAYBE: {
    exitCode: EXIT.failed,
    when: 'The connection was closed while the request was under way: it may or may not have been carried out.',
  },
  E_TIMEOUT: {exitCode: EXIT.timeout, when: 'An answer did not come in time.'},
  E_REPLY: {exitCode: EXIT.failed, when: 'The node answered with an error.'},
  E_PROTOCOL: {exitCode: EXIT.failed, when: 'What answers does not speak RESP, or broke its rules.'},
  E_AUTH: {exitCode: EXIT.failed, when: 'The node wants a password, or another one.'},
  E_PARTIAL: {exitCode: EXIT.partial, when: 'Some of it was done and some of it failed.'},
  E_CONFLICT: {
    exitCode: EXIT.failed,
    when: 'Other clients changed the keys of a transaction each time that it was tried; nothing of it was applied.',
  },
  E_INTERRUPTED: {exitCode: EXIT.interrupted, when: 'Ctrl-C, or the caller gave up.'},
  E_UNKNOWN_COMMAND: {exitCode: EXIT.unknownCommand, when: 'There is no such `kv` command.'},
  E_INTERNAL: {exitCode: EXIT.failed, when: 'A bug in `kv`; the message says where.'},
  E_NOT_FOUND: {exitCode: EXIT.notFound, when: 'There is no such node in the cluster, or no such context.'},
  E_CONTEXT: {exitCode: EXIT.failed, when: 'The file of the contexts is damaged, or cannot be read or written.'},
  E_REFUSED: {exitCode: EXIT.refused, when: 'The action needs --yes.'},
  E_TARGET: {
    exitCode: EXIT.failed,
    when: 'The target of a replay is not empty, or cannot take the data; nothing was written.',
  },
  E_REPLAY_STATE: {
    exitCode: EXIT.failed,
    when: 'The file that keeps how far a replay has come cannot be used.',
  },
  E_REPORT: {
    exitCode: EXIT.failed,
    when: 'The folder for the report of `kv chaos` cannot be written, or its disk is full.',
  },
  E_TEMP_FILE: {exitCode: EXIT.failed, when: 'Temporary files cannot be written or read.'},
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof ERROR_KINDS

/** An operating error: a value with a code, a cause in words, and a cure. */
export class KvError extends Error {
  override readonly name = 'KvError'
  readonly code: ErrorCode
  /** What to type or do next, if we know. */
  readonly hint: string | undefined

  constructor(code: ErrorCode, message: string, hint?: string) {
    super(message)
    this.code = code
    this.hint = hint
  }

  get exitCode(): number {
    return ERROR_KINDS[this.code].exitCode
  }
}
