/** What CONFIG GET and SET know of a running node, by the names of Redis. Settings of the data are in src/core/command/config.ts. */
import {UNREAD_REPLY_BYTES_MAX} from '../constants.ts'
import {parseBytes} from '../core/command/info.ts'
import type {ClientServer} from './server.ts'
import type {NodeAddress, NodeOptions} from './options.ts'

interface Setting {
  readonly get: () => string
  /** Says what is wrong with the value, in Redis' words, or null; absent: it cannot be changed. */
  readonly set?: (value: string) => string | null
}

const CLASSES = ['normal', 'slave', 'replica', 'pubsub', 'master']

export class Settings {
  readonly #byName: ReadonlyMap<string, Setting>

  constructor(options: NodeOptions, server: ClientServer, saveFile: string, address: () => NodeAddress) {
    this.#byName = new Map<string, Setting>([
      [
        'maxclients',
        {
          get: () => String(server.maxClients),
          set: (value) => setInteger(value, 1, 4_294_967_295, (count) => (server.maxClients = count)),
        },
      ],
      [
        'timeout',
        {
          get: () => String(server.idleTimeoutS),
          set: (value) => setInteger(value, 0, 2_147_483_647, (seconds) => (server.idleTimeoutS = seconds)),
        },
      ],
      [
        'client-output-buffer-limit',
        {get: () => `normal ${server.unreadBytesMax} 0 0`, set: (value) => setOutputLimit(server, value)},
      ],
      ['port', {get: () => String(address().port)}],
      ['bind', {get: () => options.host}],
      ['dir', {get: () => options.dataDir ?? process.cwd()}],
      ['save-file', {get: () => saveFile}],
    ])
  }

  names(): readonly string[] {
    return [...this.#byName.keys()]
  }

  get(name: string): string | null {
    return this.#byName.get(name)?.get() ?? null
  }

  set(name: string, value: string): string | null {
    const setting = this.#byName.get(name)
    return setting?.set ? setting.set(value) : "can't set immutable config"
  }
}

/** Gives `set` the number that `value` is, or says why not. */
function setInteger(value: string, min: number, max: number, set: (number: number) => void): string | null {
  if (!/^(0|-?[1-9][0-9]{0,15})$/.test(value)) return "argument couldn't be parsed into an integer"
  const number = Number(value)
  if (number < min || number > max) return `argument must be between ${min} and ${max} inclusive`
  set(number)
  return null
}

/**
 * `<class> <hard limit> <soft limit> <soft seconds>`, one group or several. Of the classes only `normal` exists here, and
 * of its limits only the hard one; 0 is not "no limit" but ours.
 */
function setOutputLimit(server: ClientServer, value: string): string | null {
  const words = value.trim().split(/\s+/)
  if (words.length % 4 !== 0) return 'Wrong number of arguments in buffer limit configuration.'
  let normal: number | null = null
  for (let i = 0; i < words.length; i += 4) {
    const [name, hard, soft, seconds] = words.slice(i, i + 4) as [string, string, string, string]
    if (!CLASSES.includes(name.toLowerCase())) return 'Invalid client class specified in buffer limit configuration.'
    if (Number.isNaN(parseBytes(hard)) || Number.isNaN(parseBytes(soft)) || !/^[0-9]{1,9}$/.test(seconds)) {
      return 'Error in hard, soft or soft_seconds setting in buffer limit configuration.'
    }
    if (name.toLowerCase() === 'normal') normal = parseBytes(hard)
  }
  if (normal !== null) server.unreadBytesMax = normal === 0 ? UNREAD_REPLY_BYTES_MAX : normal
  return null
}
