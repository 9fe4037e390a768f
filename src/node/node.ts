/**
 * A running node: joins the engine with sockets, clock, disk. Nothing is decided here; this file says who knows whom and
 * in which order parts start.
 *
 *   data dir (lock, id) -> engine -> savefile injected -> listen -> heartbeat
 */
import {randomBytes} from 'node:crypto'
import {Engine} from '../core/engine.ts'
import {Collector} from './collector.ts'
import {DataDir, newNodeId} from './data-dir.ts'
import {EngineHost} from './engine-host.ts'
import {SILENT_LOG} from './log.ts'
import {Saver} from './saver.ts'
import {ClientServer} from './server.ts'
import {Shutdown} from './shutdown.ts'
import {Ticker} from './ticker.ts'
import type {NodeLog} from './log.ts'
import type {NodeOptions, RunningNode} from './options.ts'

/** Starts a node; resolves when it serves. Errors: KvError of the data dir, the savefile, the port. */
export async function startNode(options: NodeOptions, log: NodeLog = SILENT_LOG): Promise<RunningNode> {
  const dataDir = options.dataDir === undefined ? null : await DataDir.open(options.dataDir)
  try {
    return await startWith(options, log, dataDir)
  } catch (error) {
    await dataDir?.release()
    throw error
  }
}

async function startWith(options: NodeOptions, log: NodeLog, dataDir: DataDir | null): Promise<RunningNode> {
  const nodeId = dataDir?.nodeId ?? newNodeId()
  const host = new EngineHost(options, log)
  const engine = new Engine({nodeId, seed: randomBytes(4).readUInt32LE(), now: Date.now()}, host)
  engine.eviction.maxBytes = options.maxMemoryBytes
  engine.eviction.policy = options.maxMemoryPolicy
  engine.password = options.password ?? ''
  const saver = options.saveFile === undefined ? null : new Saver(engine, nodeId, options.saveFile)
  const loaded = (await saver?.load()) ?? null
  if (loaded) {
    log.info(
      {keys: loaded.keys, expired: loaded.expired, kind: loaded.summary.kind, usedPath: loaded.usedPath},
      'savefile injected',
    )
    if (loaded.summary.kind === 'snapshot') {
      log.warn(
        {created: new Date(loaded.summary.createdUnixMs).toISOString()},
        'this savefile was taken while the node served: later changes are not in it',
      )
    }
  }
  const server = new ClientServer(engine, options.maxClients)
  const ticker = new Ticker(engine, new Collector(engine.keyspace.memory))
  const shutdown = makeShutdown(options, log, {engine, server, ticker, saver, dataDir, host})
  host.connect({
    server,
    ticker,
    saver,
    shutdown: async (wanted) => {
      try {
        await shutdown.stop('SHUTDOWN', wanted)
        return null
      } catch (error) {
        return `ERR Errors trying to SHUTDOWN: ${error instanceof Error ? error.message : String(error)}`
      }
    },
  })
  const port = await server.listen(options.host, options.port)
  host.address = announced(options, port)
  server.startIdleTimer(options.clientIdleTimeoutS)
  ticker.start()
  log.info({nodeId, host: options.host, port, keys: engine.keyspace.keyCount}, 'serving')
  return {
    nodeId,
    address: {host: options.host, port},
    keysLoaded: loaded?.keys ?? 0,
    stop: (cause) => shutdown.stop(cause),
    stopped: shutdown.stopped,
  }
}

interface Parts {
  readonly engine: Engine
  readonly server: ClientServer
  readonly ticker: Ticker
  readonly saver: Saver | null
  readonly dataDir: DataDir | null
  readonly host: EngineHost
}

function makeShutdown(options: NodeOptions, log: NodeLog, parts: Parts): Shutdown {
  const {engine, server, ticker, saver, dataDir, host} = parts
  return new Shutdown({
    log,
    stopListening: () => server.stopListening(),
    listenAgain: async () => {
      await server.listen(options.host, host.address.port)
    },
    hold: () => engine.pause(Number.MAX_SAFE_INTEGER, false),
    release: () => engine.unpause(),
    busyCount: () => server.busyCount(),
    save: saver === null ? null : () => saveWhenFree(saver),
    cancelSave: () => saver?.cancel(),
    keyCount: () => engine.keyspace.keyCount,
    closeClients: (isNow) => server.closeAll(isNow),
    clientCount: () => server.connections.size,
    finish: async () => {
      server.stopIdleTimer()
      ticker.stop()
      await dataDir?.release()
    },
  })
}

/** A background save may be under way: its file would be older than the end. */
async function saveWhenFree(saver: Saver): Promise<void> {
  await saver.idle()
  await saver.save('final')
}

function announced(options: NodeOptions, port: number): {host: string; port: number} {
  const announce = options.announce ?? (isWildcard(options.host) ? '127.0.0.1' : options.host)
  const match = /^(.*):(\d+)$/.exec(announce)
  return match ? {host: match[1]!, port: Number(match[2])} : {host: announce, port}
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === ''
}
