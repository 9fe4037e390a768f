/**
 * A running node: joins the engine with sockets, clock, disk. Nothing is decided here; this file says who knows whom and
 * in which order parts start.
 *
 *   data dir (lock, id) -> engine -> savefile injected -> port taken -> savefile marked used -> clients served, heartbeat
 *
 * The savefile is marked only when the port is ours: a start that fails must leave it for the next.
 */
import {randomBytes} from 'node:crypto'
import {join} from 'node:path'
import {Engine} from '../core/engine.ts'
import {Admin} from './admin/admin.ts'
import {Collector} from './collector.ts'
import {DataDir, newNodeId} from './data-dir.ts'
import {EngineHost} from './engine-host.ts'
import {ClusterDriver} from './cluster-driver.ts'
import {DataLog} from './data-log.ts'
import {KvError} from '../errors.ts'
import {loadContent} from './load-content.ts'
import {PEER_PORT_OFFSET} from '../constants.ts'
import {SILENT_LOG} from './log.ts'
import {MemoryRaftStore, RaftStore} from './raft-store.ts'
import type {ClusterDriverOptions, Stored} from './cluster-driver.ts'
import {Saver} from './saver.ts'
import type {LoadResult} from './saver.ts'
import type {ContentLoaded} from './load-content.ts'
import {ClientServer} from './server.ts'
import {Shutdown} from './shutdown.ts'
import {Ticker} from './ticker.ts'
import type {ShutdownOptions} from '../core/host.ts'
import type {NodeLog} from './log.ts'
import type {NodeOptions, RunningNode} from './options.ts'

/** In the folder of a data log: the data dir of the node that writes it. */
const LOG_NODE_DIR = 'node'
const LOOPBACK = '127.0.0.1'

/** Starts a node; resolves when it serves. Errors: KvError of the data dir, the savefile, the port. */
export async function startNode(options: NodeOptions, log: NodeLog = SILENT_LOG): Promise<RunningNode> {
  const {dataLog} = options
  // A data-log node keeps its id beside the log.
  const path = dataLog ? join(dataLog.dir, LOG_NODE_DIR) : options.dataDir
  const dataDir = path === undefined ? null : await DataDir.open(path, dataLog ? '--dir' : '--data-dir')
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
  const engine = makeEngine(options, nodeId, host)
  const saver = options.saveFile === undefined ? null : new Saver(engine, nodeId, options.saveFile)
  const dataLog = options.dataLog ? new DataLog(options.dataLog, nodeId, log) : null
  const failed = (error: Error): void => void shutdown.fail(error.message)
  const driverOptions = {...driverOptionsOf(options, nodeId, dataDir), dataLog, failed}
  const driver = new ClusterDriver(engine, driverOptions, await openStore(dataDir), log)
  const content = await loadContent(engine, options, driver.isFounder).catch(async (error: unknown) => {
    await driver.end(false)
    throw error
  })
  if (content) noteContent(log, content)
  // The data of a cluster that is joined is there already.
  const loaded = (options.join?.length ?? 0) > 0 ? null : ((await saver?.load()) ?? null)
  const server = new ClientServer(engine, options.maxClients, options.clientIdleTimeoutS)
  const ticker = new Ticker(engine, new Collector([engine.keyspace.memory, server]))
  const phase = {isServing: false}
  const watched = {engine, phase: () => ({...phase, isStopping: shutdown.isStopping}), clients: server.connections}
  const admin = options.adminPort === undefined ? null : new Admin(watched)
  const shutdown = makeShutdown(options, log, {engine, server, ticker, saver, dataDir, host, driver, admin})
  host.connect({
    server,
    ticker,
    saver,
    meet: (address) => driver.meet(address),
    dataLog,
    shutdown: (wanted) => shutDownFor(shutdown, wanted),
  })
  const port = await server.listen(options.host, options.port)
  try {
    await admin?.listen(options.adminHost ?? LOOPBACK, options.adminPort!)
    await driver.openLog()
    const peerPort = await listenForPeers(driver, options, port)
    host.address = announced(options.announce ?? options.host, port)
    host.peerPort = peerPort
    server.flushSoon = () => driver.flushSoon()
    ticker.start()
    await driver.begin(server, host.address, peerPort, loaded !== null)
    if (loaded) noteLoaded(log, loaded, await saver!.markUsed())
  } catch (error) {
    server.stopListening()
    ticker.stop()
    admin?.stop()
    await driver.end(false)
    throw error
  }
  server.open()
  phase.isServing = true
  log.info({nodeId, host: options.host, port, keys: engine.keyspace.keyCount}, 'serving')
  return {
    nodeId,
    address: {host: options.host, port},
    keysLoaded: loaded?.keys ?? content?.keys ?? 0,
    ...(admin && {admin: admin.address}),
    stop: (cause) => shutdown.stop(cause),
    stopped: shutdown.stopped,
  }
}

/** For a client that sent SHUTDOWN: an error text if the node goes on. */
async function shutDownFor(shutdown: Shutdown, options: ShutdownOptions): Promise<string | null> {
  try {
    await shutdown.join('SHUTDOWN', options)
    return null
  } catch (error) {
    return `ERR Errors trying to SHUTDOWN: ${error instanceof Error ? error.message : String(error)}`
  }
}

function makeEngine(options: NodeOptions, nodeId: string, host: EngineHost): Engine {
  const engine = new Engine({nodeId, seed: randomBytes(4).readUInt32LE(), now: Date.now()}, host)
  engine.eviction.maxBytes = options.maxMemoryBytes
  engine.eviction.policy = options.maxMemoryPolicy
  engine.password = options.password ?? ''
  engine.minReplicas = options.minReplicas ?? 0
  return engine
}

function noteLoaded(log: NodeLog, {keys, expired, summary}: LoadResult, usedPath: string): void {
  log.info({keys, expired, kind: summary.kind, usedPath}, 'savefile injected')
  if (summary.kind !== 'snapshot') return
  const created = new Date(summary.createdUnixMs).toISOString()
  log.warn({created}, 'this savefile was taken while the node served: later changes are not in it')
}

function noteContent(log: NodeLog, {path, keys, expired, lastTime, unknown, unfinished}: ContentLoaded): void {
  const asOf = new Date(lastTime).toISOString()
  log.info({path, keys, expired, asOf}, 'content loaded')
  if (unknown > 0) log.warn({unknown}, 'the log knew nothing of these buckets: they begin empty')
  if (unfinished > 0)
    log.warn({unfinished}, 'newer images of these buckets were never finished: they are older than the rest')
}

interface Parts {
  readonly engine: Engine
  readonly server: ClientServer
  readonly ticker: Ticker
  readonly saver: Saver | null
  readonly dataDir: DataDir | null
  readonly host: EngineHost
  readonly driver: ClusterDriver
  readonly admin: Admin | null
}

function makeShutdown(options: NodeOptions, log: NodeLog, parts: Parts): Shutdown {
  const {engine, server, ticker, saver, dataDir, host, driver, admin} = parts
  return new Shutdown({
    log,
    stopListening: () => server.stopListening(),
    listenAgain: async () => {
      await server.listen(options.host, host.address.port)
    },
    leave: (isHasty) => driver.leave(isHasty),
    stay: () => driver.stay(),
    hold: () => engine.pause.hold(),
    release: (isStopping) => engine.release(isStopping),
    arrivalCount: () => server.received + server.bytesIn,
    busyCount: () => server.busyCount(),
    save: saver === null ? null : () => saveWhenFree(saver),
    cancelSave: () => saver?.cancel(),
    keyCount: () => engine.servedKeys(),
    closeClients: (isNow) => server.closeAll(isNow),
    clientCount: () => server.connections.size,
    finish: async (isOver) => {
      server.stopIdleTimer()
      ticker.stop()
      admin?.stop()
      await driver.end(isOver && !engine.cluster?.isGone)
      await dataDir?.release()
    },
  })
}

const PORT_MAX = 65_535

/** The client port + 10,000, unless another was asked for; if that one is taken or is none, any other: peers are told which. */
async function listenForPeers(driver: ClusterDriver, options: NodeOptions, port: number): Promise<number> {
  const usual = port + PEER_PORT_OFFSET
  const isUsual = options.peerPort === undefined && options.port !== 0 && usual <= PORT_MAX
  try {
    return await driver.listen(options.peerPort ?? (isUsual ? usual : 0))
  } catch (error) {
    if (!isUsual || !(error instanceof KvError) || error.code !== 'E_PORT_IN_USE') throw error
    return driver.listen(0)
  }
}

/** What the node's last life knew of its cluster. */
async function openStore(dataDir: DataDir | null): Promise<Stored> {
  if (dataDir === null) return {storage: new MemoryRaftStore(), state: null, facts: null}
  const {store, state, facts} = await RaftStore.open(dataDir.path)
  return {storage: store, state, facts}
}

function driverOptionsOf(
  options: NodeOptions,
  nodeId: string,
  dataDir: DataDir | null,
): Omit<ClusterDriverOptions, 'dataLog' | 'failed'> {
  return {
    nodeId,
    host: options.host,
    secret: options.secret ?? null,
    replicas: options.replicas ?? 1,
    isVoterOnly: options.isVoterOnly ?? false,
    join: options.join ?? [],
    acceptsLoss: options.acceptsLoss ?? false,
    plants: options.plants ?? new Set(),
    peerVia: options.peerVia ?? new Map(),
    openStore: () => openStore(dataDir),
  }
}

/** A background save may be under way: its file would be older than the end. */
async function saveWhenFree(saver: Saver): Promise<void> {
  await saver.idle()
  await saver.save('final')
}

/** What clients are told: `host`, `host:port`, `[::1]:port`, or an IPv6 address as it is. */
function announced(text: string, port: number): {host: string; port: number} {
  const match = /^(?:\[(.+)\]|([^:]*)):(\d+)$/.exec(text)
  const host = match ? (match[1] ?? match[2]!) : text
  return {host: isWildcard(host) ? '127.0.0.1' : host, port: match ? Number(match[3]) : port}
}

function isWildcard(host: string): boolean {
  return host === '0.0.0.0' || host === '::' || host === ''
}
