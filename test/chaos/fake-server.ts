/**
 * Servers in this process that share one map and know the commands of the workload; buckets are dealt out by their number, and the others answer MOVED. Faults are
 * switches: a write is acknowledged and lost, a read is answered with the value before the last.
 */
import {createServer, type Server, type Socket} from 'node:net'
import {keyBucket} from '../../src/base/crc16.ts'
import {ReplyDecoder} from '../../src/client/decoder.ts'
import {BUCKET_COUNT} from '../../src/constants.ts'
import type {Address} from '../../src/base/address.ts'
import type {Reply} from '../../src/client/reply.ts'

const HOST = '127.0.0.1'

type Value = string | Map<string, string>

interface Entry {
  readonly value: Value
  readonly dueMs: number
}

export interface Switches {
  /** One SET in so many is acknowledged and not done; 0: none. */
  loseEvery: number
  /** One GET in so many gets the value before the last; 0: none. */
  staleEvery: number
}

interface Session {
  queue: string[][] | null
  isSpoilt: boolean
  readonly watched: Map<string, Entry | undefined>
}

export class FakeCluster {
  readonly switches: Switches = {loseEvery: 0, staleEvery: 0}
  readonly addresses: Address[] = []
  readonly #servers: Server[] = []
  readonly #sockets = new Set<Socket>()
  readonly #entries = new Map<string, Entry>()
  readonly #before = new Map<string, Entry | undefined>()
  /** Nodes whose connections are cut and refused. */
  readonly #down = new Set<number>()
  #sets = 0
  #gets = 0

  async start(nodes: number): Promise<void> {
    for (let i = 0; i < nodes; i++) {
      const server = createServer((socket) => this.#serve(i, socket))
      await new Promise<void>((resolve) => server.listen(0, HOST, resolve))
      this.#servers.push(server)
      this.addresses.push({host: HOST, port: (server.address() as {port: number}).port})
    }
  }

  setDown(i: number, isDown: boolean): void {
    if (isDown) this.#down.add(i)
    else this.#down.delete(i)
    for (const socket of this.#sockets) if (socket.localPort === this.addresses[i]!.port) socket.destroy()
  }

  stop(): void {
    for (const socket of this.#sockets) socket.destroy()
    for (const server of this.#servers) server.close()
  }

  #serve(i: number, socket: Socket): void {
    if (this.#down.has(i)) return void socket.destroy()
    this.#sockets.add(socket)
    socket.on('error', () => undefined).on('close', () => this.#sockets.delete(socket))
    const session: Session = {queue: null, isSpoilt: false, watched: new Map()}
    const decoder = new ReplyDecoder({
      onReply: (request) => void socket.write(this.#answer(i, session, (request as Reply[]).map(String))),
      onPush: () => undefined,
    })
    socket.on('data', (chunk) => decoder.write(chunk))
  }

  #answer(i: number, session: Session, words: string[]): string {
    const name = words[0]!.toUpperCase()
    if (name === 'CLUSTER') return this.#slots()
    if (name === 'READONLY') return '+OK\r\n'
    if (name === 'MULTI') {
      session.queue = []
      session.isSpoilt = false
      return '+OK\r\n'
    }
    if (name === 'EXEC') return this.#exec(session)
    const bucket = keyBucket(Buffer.from(words[1]!), 0, words[1]!.length)
    if (bucket % this.addresses.length !== i) {
      session.isSpoilt = true
      return `-MOVED ${bucket} ${HOST}:${this.addresses[bucket % this.addresses.length]!.port}\r\n`
    }
    if (name === 'WATCH') {
      session.watched.set(words[1]!, this.#entries.get(words[1]!))
      return '+OK\r\n'
    }
    if (!session.queue) return this.#run(name, words)
    session.queue.push(words)
    return '+QUEUED\r\n'
  }

  #exec(session: Session): string {
    const queue = session.queue ?? []
    session.queue = null
    const isStale = [...session.watched].some(([key, entry]) => this.#entries.get(key) !== entry)
    session.watched.clear()
    if (session.isSpoilt) return '-EXECABORT Transaction discarded because of previous errors.\r\n'
    if (isStale) return '*-1\r\n'
    return `*${queue.length}\r\n${queue.map((words) => this.#run(words[0]!.toUpperCase(), words)).join('')}`
  }

  #run(name: string, words: readonly string[]): string {
    const key = words[1]!
    switch (name) {
      case 'GET': {
        const isOld = this.switches.staleEvery > 0 && ++this.#gets % this.switches.staleEvery === 0
        const entry = isOld && this.#before.has(key) ? this.#before.get(key) : this.#find(key)
        return bulk(entry ? (entry.value as string) : null)
      }
      case 'SET':
        return this.#set(key, words)
      case 'DEL':
        return `:${words.slice(1).filter((one) => this.#entries.delete(one)).length}\r\n`
      case 'INCR':
        return this.#add(key, 1)
      case 'INCRBY':
        return this.#add(key, Number(words[2]))
      case 'DECRBY':
        return this.#add(key, -Number(words[2]))
      case 'TYPE':
        return this.#find(key)?.value instanceof Map ? '+hash\r\n' : '+string\r\n'
      default:
        return this.#hash(name, key, words)
    }
  }

  #set(key: string, words: readonly string[]): string {
    if (this.switches.loseEvery > 0 && ++this.#sets % this.switches.loseEvery === 0) return '+OK\r\n'
    const dueMs = words[3]?.toUpperCase() === 'PX' ? Date.now() + Number(words[4]) : Infinity
    this.#put(key, words[2]!, dueMs)
    return '+OK\r\n'
  }

  #hash(name: string, key: string, words: readonly string[]): string {
    const fields = (this.#find(key)?.value ?? new Map()) as Map<string, string>
    if (name === 'HSET') {
      this.#put(key, new Map(fields).set(words[2]!, words[3]!), Infinity)
      return ':1\r\n'
    }
    if (name === 'HGET') return bulk(fields.get(words[2]!) ?? null)
    if (name === 'HGETALL') return `*${2 * fields.size}\r\n${[...fields].flat().map(bulk).join('')}`
    return `-ERR unknown command '${name}'\r\n`
  }

  #add(key: string, amount: number): string {
    const sum = Number(this.#find(key)?.value ?? 0) + amount
    this.#put(key, String(sum), Infinity)
    return `:${sum}\r\n`
  }

  #put(key: string, value: Value, dueMs: number): void {
    this.#before.set(key, this.#entries.get(key))
    this.#entries.set(key, {value, dueMs})
  }

  #find(key: string): Entry | undefined {
    const entry = this.#entries.get(key)
    return entry && entry.dueMs > Date.now() ? entry : undefined
  }

  /** Runs of one bucket would be a very long answer: all to the first, whose MOVED tells the rest. */
  #slots(): string {
    return `*1\r\n*3\r\n:0\r\n:${BUCKET_COUNT - 1}\r\n*2\r\n${bulk(HOST)}:${this.addresses[0]!.port}\r\n`
  }
}

function bulk(text: string | null): string {
  return text === null ? '$-1\r\n' : `$${Buffer.byteLength(text)}\r\n${text}\r\n`
}
