/**
 * A plain model of the data commands: JavaScript maps, no memory of its own, no steps. It knows as much of Redis as the
 * random commands of commands.ts ask for. Expired keys are gone at once; expired fields stay until a command comes
 * across them or the clock is moved with background work, as in the engine.
 */
import {error} from './support.ts'
import type {Plain} from './support.ts'
import type {PlainField, PlainKey} from './keyspace-check.ts'

type Fields = Map<string, {value: string; at: number}>
interface Entry {
  value: string | Fields
  at: number
}

const WRONG_TYPE = error('WRONGTYPE Operation against a key holding the wrong kind of value')
const NOT_INTEGER = error('ERR value is not an integer or out of range')
const OK = 'OK'

export class Model {
  now: number
  readonly keys = new Map<string, Entry>()

  constructor(now: number) {
    this.now = now
  }

  run(name: string, ...args: string[]): Plain {
    const method = this.#commands[name]
    if (!method) throw new Error(`the model does not know ${name}`)
    return method(...args)
  }

  /** What background work does: everything whose time has come goes. */
  expire(): void {
    for (const key of [...this.keys.keys()]) {
      const entry = this.#get(key)
      if (!entry || typeof entry.value === 'string') continue
      for (const field of [...entry.value.keys()]) this.#field(key, field)
    }
  }

  contents(): Record<string, PlainKey> {
    const all: Record<string, PlainKey> = {}
    for (const [key, {value, at}] of this.keys) {
      if (typeof value === 'string') all[key] = {at, value}
      else {
        const fields: Record<string, PlainField> = {}
        for (const [name, field] of value) fields[name] = {...field}
        all[key] = {at, value: fields}
      }
    }
    return all
  }

  #get(key: string): Entry | undefined {
    const entry = this.keys.get(key)
    if (entry && entry.at <= this.now) {
      this.keys.delete(key)
      return undefined
    }
    return entry
  }

  /** The field, after the key was found to be a map; an expired one goes, and the map with its last field. */
  #field(key: string, name: string): {value: string; at: number} | undefined {
    const fields = this.keys.get(key)?.value as Fields | undefined
    const field = fields?.get(name)
    if (!field || field.at > this.now) return field
    this.#drop(key, name)
    return undefined
  }

  #drop(key: string, name: string): void {
    const fields = this.keys.get(key)!.value as Fields
    fields.delete(name)
    if (fields.size === 0) this.keys.delete(key)
  }

  #put(key: string, name: string, value: string, at: number): boolean {
    const isNew = this.#field(key, name) === undefined
    if (!this.keys.has(key)) this.keys.set(key, {value: new Map(), at: Infinity})
    const fields = this.keys.get(key)!.value as Fields
    fields.set(name, {value, at})
    return isNew
  }

  #string(key: string, change: (entry: Entry | undefined) => Plain): Plain {
    const entry = this.#get(key)
    return entry && typeof entry.value !== 'string' ? WRONG_TYPE : change(entry)
  }

  #map(key: string, change: (fields: Fields | undefined) => Plain): Plain {
    const entry = this.#get(key)
    if (entry && typeof entry.value === 'string') return WRONG_TYPE
    return change(entry?.value as Fields | undefined)
  }

  #live(key: string): [string, {value: string; at: number}][] {
    const fields = this.keys.get(key)?.value as Fields | undefined
    const live = [...(fields ?? [])].filter(([, field]) => field.at > this.now)
    if (fields && live.length === 0) this.keys.delete(key)
    return live
  }

  #expireAt(key: string, at: number, condition: string | undefined): number {
    const entry = this.#get(key)
    if (!entry || !isMet(condition, entry.at, at)) return 0
    if (at <= this.now) this.keys.delete(key)
    else entry.at = at
    return 1
  }

  #setFieldAt(key: string, name: string, at: number): number {
    if (at <= this.now) {
      this.#drop(key, name)
      return 2
    }
    this.#field(key, name)!.at = at
    return 1
  }

  #number(text: string | undefined): bigint | null {
    if (text === undefined) return 0n
    if (!/^(0|-?[1-9]\d{0,18})$/.test(text)) return null
    return BigInt.asIntN(64, BigInt(text)) === BigInt(text) ? BigInt(text) : null
  }

  readonly #commands: Record<string, (...args: string[]) => Plain> = {
    get: (key) => this.#string(key, (entry) => (entry?.value as string | undefined) ?? null),
    set: (key, value, option, ms) => {
      const entry = this.#get(key)
      if (option === 'NX' && entry) return null
      if (option === 'XX' && !entry) return null
      const kept = option === 'KEEPTTL' && entry ? entry.at : Infinity
      this.keys.set(key, {value: value, at: option === 'PX' ? this.now + Number(ms) : kept})
      return OK
    },
    append: (key, value) =>
      this.#string(key, (entry) => {
        const text = ((entry?.value as string | undefined) ?? '') + value
        this.keys.set(key, {value: text, at: entry?.at ?? Infinity})
        return text.length
      }),
    setrange: (key, offset, value) =>
      this.#string(key, (entry) => {
        const old = (entry?.value as string | undefined) ?? ''
        if (value === '') return old.length
        const text = old.padEnd(Number(offset), '\0')
        const whole = text.slice(0, Number(offset)) + value + text.slice(Number(offset) + value.length)
        this.keys.set(key, {value: whole, at: entry?.at ?? Infinity})
        return whole.length
      }),
    incrby: (key, by) =>
      this.#string(key, (entry) => {
        const old = this.#number(entry?.value as string | undefined)
        if (old === null) return NOT_INTEGER
        const sum = old + BigInt(by)
        if (BigInt.asIntN(64, sum) !== sum) return error('ERR increment or decrement would overflow')
        this.keys.set(key, {value: String(sum), at: entry?.at ?? Infinity})
        return Number.isSafeInteger(Number(sum)) ? Number(sum) : sum
      }),
    del: (...keys) => keys.filter((key) => this.#get(key) && this.keys.delete(key)).length,
    exists: (...keys) => keys.filter((key) => this.#get(key)).length,
    type: (key) => {
      const entry = this.#get(key)
      return entry ? (typeof entry.value === 'string' ? 'string' : 'hash') : 'none'
    },
    pexpire: (key, ms, condition) => this.#expireAt(key, this.now + Number(ms), condition),
    pexpireat: (key, at, condition) => this.#expireAt(key, Number(at), condition),
    persist: (key) => {
      const entry = this.#get(key)
      if (!entry || entry.at === Infinity) return 0
      entry.at = Infinity
      return 1
    },
    pttl: (key) => {
      const entry = this.#get(key)
      return entry ? (entry.at === Infinity ? -1 : entry.at - this.now) : -2
    },
    rename: (key, target) => {
      const entry = this.#get(key)
      if (!entry) return error('ERR no such key')
      this.keys.delete(key)
      this.keys.set(target, entry)
      return OK
    },
    renamenx: (key, target) => {
      const entry = this.#get(key)
      if (!entry) return error('ERR no such key')
      if (this.#get(target)) return 0
      this.keys.delete(key)
      this.keys.set(target, entry)
      return 1
    },
    copy: (key, target, option) => {
      if (key === target) return error('ERR source and destination objects are the same')
      const entry = this.#get(key)
      if (!entry || (this.#get(target) && option !== 'REPLACE')) return 0
      const value = typeof entry.value === 'string' ? entry.value : cloneFields(entry.value, () => true)
      this.keys.set(target, {value, at: entry.at})
      return 1
    },
    // DUMP a value and RESTORE it under another name, with REPLACE.
    transfer: (key, target, ms) => {
      const entry = this.#get(key)
      if (!entry || (typeof entry.value !== 'string' && this.#live(key).length === 0)) return null
      const value =
        typeof entry.value === 'string' ? entry.value : cloneFields(entry.value, (field) => field.at > this.now)
      this.#get(target)
      this.keys.delete(target)
      this.keys.set(target, {value, at: ms === '0' ? Infinity : this.now + Number(ms)})
      return OK
    },
    keys: () => [...this.keys.keys()].filter((key) => this.keys.get(key)!.at > this.now),
    dbsize: () => this.keys.size,
    flushall: () => {
      this.keys.clear()
      return OK
    },
    hset: (key, ...pairs) =>
      this.#map(key, () => {
        let added = 0
        for (let i = 0; i < pairs.length; i += 2) if (this.#put(key, pairs[i]!, pairs[i + 1]!, Infinity)) added++
        return added
      }),
    hsetnx: (key, name, value) =>
      this.#map(key, () => {
        if (this.#field(key, name)) return 0
        this.#put(key, name, value, Infinity)
        return 1
      }),
    hget: (key, name) => this.#map(key, () => this.#field(key, name)?.value ?? null),
    hmget: (key, ...names) => this.#map(key, () => names.map((name) => this.#field(key, name)?.value ?? null)),
    hexists: (key, name) => this.#map(key, () => (this.#field(key, name) ? 1 : 0)),
    hstrlen: (key, name) => this.#map(key, () => this.#field(key, name)?.value.length ?? 0),
    hlen: (key) => this.#map(key, (fields) => fields?.size ?? 0),
    hdel: (key, ...names) =>
      this.#map(key, () => {
        let deleted = 0
        for (const name of names) {
          if (!this.#field(key, name)) continue
          this.#drop(key, name)
          deleted++
        }
        return deleted
      }),
    hgetall: (key) => this.#map(key, () => this.#live(key).flatMap(([name, field]) => [name, field.value])),
    hkeys: (key) => this.#map(key, () => this.#live(key).map(([name]) => name)),
    hvals: (key) => this.#map(key, () => this.#live(key).map(([, field]) => field.value)),
    hincrby: (key, name, by) =>
      this.#map(key, () => {
        const field = this.#field(key, name)
        const old = this.#number(field?.value)
        if (old === null) return error('ERR hash value is not an integer')
        const sum = old + BigInt(by)
        if (BigInt.asIntN(64, sum) !== sum) return error('ERR increment or decrement would overflow')
        this.#put(key, name, String(sum), field?.at ?? Infinity)
        return Number.isSafeInteger(Number(sum)) ? Number(sum) : sum
      }),
    hpexpire: (key, ms, condition, _fields, _n, ...names) =>
      this.#map(key, () =>
        names.map((name) => {
          const field = this.#field(key, name)
          if (!field) return -2
          const at = this.now + Number(ms)
          return isMet(condition, field.at, at) ? this.#setFieldAt(key, name, at) : 0
        }),
      ),
    hpttl: (key, _fields, _n, ...names) =>
      this.#map(key, () =>
        names.map((name) => {
          const field = this.#field(key, name)
          return field ? (field.at === Infinity ? -1 : field.at - this.now) : -2
        }),
      ),
    hpersist: (key, _fields, _n, ...names) =>
      this.#map(key, () =>
        names.map((name) => {
          const field = this.#field(key, name)
          return field ? (field.at === Infinity ? -1 : this.#setFieldAt(key, name, Infinity)) : -2
        }),
      ),
    hgetex: (key, option, ms, _fields, _n, ...names) =>
      this.#map(key, () =>
        names.map((name) => {
          const field = this.#field(key, name)
          if (!field) return null
          const {value} = field
          this.#setFieldAt(key, name, option === 'PX' ? this.now + Number(ms) : Number(ms))
          return value
        }),
      ),
    hgetdel: (key, _fields, _n, ...names) =>
      this.#map(key, () =>
        names.map((name) => {
          const value = this.#field(key, name)?.value ?? null
          if (value !== null) this.#drop(key, name)
          return value
        }),
      ),
    hsetex: (key, condition, option, ms, _fields, _n, ...pairs) =>
      this.#map(key, () => {
        const names = pairs.filter((_, i) => i % 2 === 0)
        for (const name of names) if ((this.#field(key, name) !== undefined) !== (condition === 'FXX')) return 0
        const at = option === 'PX' ? this.now + Number(ms) : Number(ms)
        for (let i = 0; i < pairs.length; i += 2) {
          if (at > this.now) this.#put(key, pairs[i]!, pairs[i + 1]!, at)
          else if (this.#field(key, pairs[i]!)) this.#drop(key, pairs[i]!)
        }
        return 1
      }),
  }
}

function cloneFields(fields: Fields, isKept: (field: {value: string; at: number}) => boolean): Fields {
  return new Map([...fields].filter(([, field]) => isKept(field)).map(([name, field]) => [name, {...field}]))
}

function isMet(condition: string | undefined, was: number, at: number): boolean {
  if (condition === 'NX') return was === Infinity
  if (condition === 'XX') return was !== Infinity
  if (condition === 'GT') return at > was
  return condition !== 'LT' || at < was
}
