/**
 * The engine: takes requests, answers them, and does a little background work when it is told to. The only file
 * that knows all parts. It is deterministic: time and randomness come in, effects go out through `Host`.
 *
 *   execute(session, request, out)   find the command -> check -> route to a bucket -> run -> reply bytes in `out`
 *   tick(now, unixMs)                expiry, room, what is due
 *   work(budget)                     freeing, defragmentation, jobs, in steps of about `budget` nodes
 *
 * Hot path: `execute`, measured by `npm run bench`.
 */
import {BUCKET_COUNT} from '../constants.ts'
import {keyBucket} from '../base/crc16.ts'
import {Prng} from '../base/prng.ts'
import {Context, DONE, ERR_OUT_OF_MEMORY, PARKED, WAITING} from './command/context.ts'
import {
  IS_ADMIN,
  IS_DENY_OOM,
  IS_FOR_SUBSCRIBERS,
  IS_NO_AUTH,
  IS_NO_MULTI,
  IS_READ_ONLY,
  IS_SKIP_MONITOR,
  IS_TRANSACTION_CONTROL,
  IS_WRITE,
} from './command/command.ts'
import {CommandTable} from './command/command-table.ts'
import {ALL_COMMANDS} from './command/all.ts'
import {Effects} from './effects.ts'
import {Eviction} from './eviction.ts'
import {Expiry} from './expiry.ts'
import {Keyspace} from './keyspace/keyspace.ts'
import {LookAhead} from './look-ahead.ts'
import {MapStore} from './keyspace/map-store.ts'
import {monitorLine} from './monitor.ts'
import {Parking} from './parking.ts'
import {Gate} from './replication/gate.ts'
import {ROLE_SERVING, Roles} from './replication/roles.ts'
import {ERR_NO_REPLICAS, lacksReplicas, movedError, readsReplica} from './cluster/route.ts'
import {PubSub} from './pubsub/pubsub.ts'
import {Tracking} from './tracking/tracking.ts'
import {Pause, REFUSE, RUN} from './pause.ts'
import {Waits} from './command/waits.ts'
import {Slowlog} from './slowlog.ts'
import {BucketStats} from './bucket-stats.ts'
import {LatencyMonitor} from './latency.ts'
import {abortTransaction, queueCommand} from './transaction.ts'
import {isFromBrowser, onlyForSubscribers, unknownCommand, unknownSubcommand} from './command/unknown.ts'
import {Defrag} from './keyspace/defrag.ts'
import type {Command} from './command/command.ts'
import type {Host} from './host.ts'
import type {Job} from './parking.ts'
import type {Request} from '../resp/request-decoder.ts'
import type {ReplyWriter} from '../resp/reply-writer.ts'
import {REPLY_OFF, REPLY_ON, REPLY_SKIP, REPLY_SKIP_NEXT} from './session.ts'
import type {Session} from './session.ts'
import type {Cluster} from './cluster/cluster.ts'
import type {GateHost} from './replication/gate.ts'
import type {ReplicaSets} from './replication/replica-sets.ts'

const FIRST_STEP_BUDGET = 1000
/** Random keys that are tried before one of a bucket of ours is looked for. */
const RANDOM_TRIES = 100
/** Of the budget that is left, what one kind of background work may take. */
const SHARE = 0.75
/** Of the budget for what is copied to peers, beside the rest: clients wait for no longer than that. */
const COPY_SHARE = 0.2

export interface EngineOptions {
  /** 40 hex digits. */
  readonly nodeId: string
  /** Seed of all randomness in the engine, 32 bits. */
  readonly seed: number
  /** Unix ms. */
  readonly now: number
}

/** Counters for INFO; they only grow (CONFIG RESETSTAT sets them to zero). */
export interface EngineStats {
  commandsProcessed: number
  keyspaceHits: number
  keyspaceMisses: number
  errorReplies: number
}

export class Engine {
  readonly nodeId: string
  readonly host: Host
  readonly keyspace: Keyspace
  readonly maps: MapStore
  readonly effects: Effects
  readonly eviction: Eviction
  readonly expiry: Expiry
  readonly defrag: Defrag
  readonly parking: Parking
  /** Requests that wait for the cluster to agree on something. */
  readonly waits: Waits
  /** What this node answers for each bucket: without a cluster, it is master of all. */
  readonly roles: Roles
  /** Holds replies back until they may be told; null without a cluster. */
  gate: Gate | null = null
  cluster: Cluster | null = null
  readonly pause = new Pause()
  readonly pubsub: PubSub
  readonly tracking: Tracking
  readonly slowlog = new Slowlog()
  readonly random: Prng
  readonly table = new CommandTable(ALL_COMMANDS)
  readonly stats: EngineStats = {commandsProcessed: 0, keyspaceHits: 0, keyspaceMisses: 0, errorReplies: 0}
  readonly bucketStats = new BucketStats()
  readonly latency = new LatencyMonitor()
  /** Sessions that sent MONITOR. */
  readonly monitors = new Set<Session>()
  /** Password that AUTH wants, or '' for none. */
  password = ''
  /** A write to a bucket with fewer in-sync copies beside the master's is refused; 0 = none is. */
  minReplicas = 0
  /** Nodes of work that a job does before its session must wait for the rest. */
  firstStepBudget = FIRST_STEP_BUDGET

  readonly lookAhead: LookAhead

  readonly #context: Context

  constructor(options: EngineOptions, host: Host) {
    this.nodeId = options.nodeId
    this.host = host
    this.random = new Prng(options.seed)
    this.keyspace = new Keyspace(this.random.next32(), options.now)
    this.lookAhead = new LookAhead(this.keyspace)
    this.maps = new MapStore(this.keyspace)
    this.effects = new Effects(this.keyspace, this.maps)
    this.parking = new Parking(host)
    this.waits = new Waits(host)
    this.roles = new Roles(this.parking)
    this.roles.onChanged = (bucket) => this.bucketStats.reset(bucket)
    this.parking.onReply = (bucket, bytes) => this.bucketStats.countReply(bucket, bytes)
    this.pubsub = new PubSub(host)
    this.roles.onForeign = (bucket) => this.pubsub.bucketLeft(bucket)
    this.effects.events.deliver = (channel, message) => this.pubsub.deliver(channel, message)
    this.tracking = new Tracking(host, this.effects.watches)
    this.roles.onLeft = (bucket) => this.effects.watches.bucketLeft(bucket)
    this.eviction = new Eviction(this.effects, this.random.fork(), this.roles)
    this.expiry = new Expiry(this.effects, this.roles)
    this.defrag = new Defrag(this.keyspace)
    this.#context = new Context(this, this.effects)
    this.setTime(options.now)
  }

  /** Replies are held back from now on until the copies have what they speak of. */
  openGate(sets: ReplicaSets, host: GateHost): Gate {
    const gate = new Gate(this.effects, sets, host)
    this.gate = gate
    this.parking.onAnswer = (job) => {
      if (job.bucket >= 0) gate.touch(job.bucket, !job.isReadOnly)
      else gate.touchAll(!job.isReadOnly)
    }
    return gate
  }

  /** Keys of the buckets of which this node is master. */
  servedKeys(): number {
    if (this.roles.servingCount === BUCKET_COUNT) return this.keyspace.keyCount
    let count = 0
    for (let bucket = this.keyspace.nextBucket(0); bucket >= 0; bucket = this.keyspace.nextBucket(bucket + 1)) {
      if (this.roles.isServing(bucket)) count += this.keyspace.bucketCount(bucket)
    }
    return count
  }

  /** A random key of those buckets, 0 if there is none. */
  randomServedKey(): number {
    const random = (): number => this.chance()
    for (let i = 0; i < RANDOM_TRIES; i++) {
      const node = this.keyspace.fairKey(random)
      if (node === 0 || this.roles.isServing(this.keyspace.bucketOf(node))) return node
    }
    for (let bucket = this.keyspace.nextBucket(0); bucket >= 0; bucket = this.keyspace.nextBucket(bucket + 1)) {
      if (this.roles.isServing(bucket)) return this.keyspace.fairNode(this.keyspace.table(bucket), random)
    }
    return 0
  }

  /** The command that was executed last; there must have been one. */
  get lastCommand(): Command {
    return this.#context.command
  }

  /** The driver calls this before each input. `unixMs`: wall clock, whole ms. */
  setTime(unixMs: number): void {
    this.#context.now = unixMs
    this.effects.time = unixMs
    this.keyspace.usedClock = Math.floor(unixMs / 1000)
  }

  /** Unix ms of the last input. */
  get now(): number {
    return this.#context.now
  }

  /**
   * Executes one request and writes its reply to `out`. DONE: answered. PARKED: not touched, give it again after
   * `Host.wake`. WAITING: taken, answered later by `Host.complete`; nothing else of this session until then.
   */
  execute(session: Session, request: Request, out: ReplyWriter): number {
    if (request.argc === 0) return DONE
    const context = this.#context
    const start = out.pos
    out.proto = session.proto
    context.session = session
    context.request = request
    context.out = out
    context.verdict = DONE
    context.hasFailed = false
    context.isConfirmed = false
    if (session.tracking !== null) this.tracking.current = session
    const command = this.table.find(request)
    if (command === null) this.#rejectUnknown(context)
    else this.#dispatch(context, command)
    if (session.tracking !== null) this.#endTracked(session, command)
    if (context.verdict === PARKED) {
      out.rewind(start)
      return PARKED
    }
    session.activeAt = context.now
    if (session.replyMode !== REPLY_ON) this.#muteReply(context, start)
    return context.verdict
  }

  /** The session's connection is gone. */
  disconnect(session: Session): void {
    this.effects.watches.unwatch(session)
    this.gate?.forget(session)
    this.monitors.delete(session)
    this.pubsub.forget(session)
    this.tracking.stop(session)
    session.isGone = true
    this.parking.forget(session)
    this.waits.forget(session)
  }

  /** Runs a queued command of a transaction, whose checks were made when it was queued. */
  runQueued(command: Command, request: Request): void {
    const context = this.#context
    const outer = context.request
    const outerCommand = context.command
    context.request = request
    context.bucket =
      command.firstKey === 0 || request.argc <= command.firstKey
        ? -1
        : keyBucket(request.buf, request.off[command.firstKey]!, request.len[command.firstKey]!)
    this.#run(context, command)
    context.request = outer
    context.command = outerCommand
  }

  /** Periodic: what the clock makes due. The driver calls it about ten times a second. */
  tick(unixMs: number): void {
    this.setTime(unixMs)
    if (this.pause.tick(unixMs)) this.parking.wakePaused()
    if (this.eviction.isOver) this.eviction.makeRoom()
    this.defrag.plan()
    this.waits.tick()
    if (this.hasWork) this.host.requestWork()
  }

  /** A random number, 0 <= x < 1. */
  chance(): number {
    return this.random.next32() / 2 ** 32
  }

  get hasWork(): boolean {
    return this.#isBusy || this.eviction.isOver || this.keyspace.wheel.size > 0
  }

  get #isBusy(): boolean {
    return this.#isBusyHere || (this.cluster?.master.copier.isBusy ?? false)
  }

  get #isBusyHere(): boolean {
    return this.keyspace.hasGarbage || this.parking.hasJobs || this.defrag.isBusy || this.expiry.isBehind
  }

  /** Does at most about `budget` nodes' worth of background work; true if there is more to do now. */
  work(budget: number): boolean {
    // Each leaves something to those behind it: how much there is for it to do is up to the clients.
    let left = budget
    left -= left * SHARE - this.parking.work(left * SHARE)
    left -= left * SHARE - this.expiry.work(this.now, left * SHARE)
    left -= left * SHARE - this.keyspace.collect(left * SHARE)
    const room = this.eviction.work(left)
    const isEvicting = room >= 0 && this.eviction.isOver
    if (room >= 0) left = room
    const {cluster} = this
    const isCopying = cluster?.work(budget * COPY_SHARE) ?? false
    // Buckets that are on their way out leave whole pages behind: moving their keys about first would be for nothing.
    if (!cluster?.master.copier.isBusy) this.defrag.work(left)
    return this.#isBusyHere || isCopying || isEvicting
  }

  /**
   * Runs a job: its first step at once, which for most is the only one, the others in the background while the session
   * waits for its reply. Within a transaction it runs to its end at once.
   */
  startJob(context: Context, job: Job): void {
    const {session} = context
    let left = session.inTransaction ? Infinity : this.firstStepBudget
    while (!job.isDone && left > 0) left = job.step(left)
    if (job.isDone) return job.reply(context.out)
    context.verdict = WAITING
    this.parking.start(session, job)
    this.host.requestWork()
  }

  /** For a command that changes every bucket: true if it must wait, because a bucket is parked. */
  parkForAll(context: Context): boolean {
    const bucket = this.parking.parkedBucket
    if (bucket < 0 || context.session.inTransaction) return false
    this.parking.wait(context.session, bucket)
    context.verdict = PARKED
    return true
  }

  /** For EXEC: true if the transaction must wait for a parked bucket. */
  parkTransaction(context: Context): boolean {
    const {session} = context
    const isForAll = session.queue.some(({command}) => command.firstKey === 0 && (command.bits & IS_WRITE) !== 0)
    const bucket = isForAll ? this.parking.parkedBucket : session.transactionBucket
    if (bucket < 0 || !this.parking.isParked(bucket)) return false
    this.parking.wait(session, bucket)
    context.verdict = PARKED
    return true
  }

  /** For EXEC: why the transaction cannot run here, or null. */
  transactionProblem(session: Session): string | null {
    const bucket = session.transactionBucket
    if (bucket >= 0 && this.roles.role[bucket] !== ROLE_SERVING) return movedError(this, bucket)
    const isWrite = session.queue.some(({command}) => (command.bits & IS_WRITE) !== 0)
    return isWrite && lacksReplicas(this, bucket) ? ERR_NO_REPLICAS : null
  }

  /** Bucket of the key that is argument `i`. */
  bucketOfArgument(request: Request, i: number): number {
    return keyBucket(request.buf, request.off[i]!, request.len[i]!)
  }

  /** CLIENT UNPAUSE: what waits runs, unless a stop holds it. */
  unpause(): void {
    this.pause.end()
    this.parking.wakePaused()
  }

  /** Writes are not held any more: the node goes on (`isStopping` false), or they are refused, since it is about to be gone. */
  release(isStopping: boolean): void {
    if (isStopping) this.pause.refuse()
    else this.pause.release()
    this.parking.wakePaused()
  }

  #dispatch(context: Context, found: Command): void {
    let command = found
    const {session, request} = context
    if (command.subcommands !== null && (request.argc > 1 || command.run === null)) {
      const resolved = request.argc > 1 ? command.subcommands.get(context.text(1).toLowerCase()) : undefined
      if (resolved) command = resolved
      else if (request.argc > 1) return this.#reject(context, unknownSubcommand(context, command))
    }
    context.command = command
    if (!command.acceptsArity(request.argc) || command.run === null) {
      command.rejectedCalls++
      const error = `ERR wrong number of arguments for '${command.fullName}' command`
      return command.fullName === 'exec' ? abortTransaction(context, error) : this.#reject(context, error)
    }
    if (!session.isAuthenticated && (command.bits & IS_NO_AUTH) === 0) {
      return this.#reject(context, 'NOAUTH Authentication required.')
    }
    if (command.firstKey !== 0 && command.firstKey < request.argc) {
      if (!this.#route(context, command)) return
    } else {
      context.bucket = -1
      if (this.pause.isOn && this.#isPaused(context, command)) return
    }
    if (this.eviction.isOver && this.#needsMemory(command, session) && !this.eviction.makeRoom()) {
      command.rejectedCalls++
      return this.#reject(context, ERR_OUT_OF_MEMORY)
    }
    if (this.minReplicas > 0 && (command.bits & IS_WRITE) !== 0 && lacksReplicas(this, context.bucket)) {
      command.rejectedCalls++
      return this.#reject(context, ERR_NO_REPLICAS)
    }
    if (session.subscriptions !== null && session.proto === 2 && (command.bits & IS_FOR_SUBSCRIBERS) === 0) {
      command.rejectedCalls++
      const error = onlyForSubscribers(command)
      return command.fullName === 'exec' ? abortTransaction(context, error) : this.#reject(context, error)
    }
    if (session.inTransaction && (command.bits & IS_TRANSACTION_CONTROL) === 0) {
      if ((command.bits & IS_NO_MULTI) !== 0)
        return this.#reject(context, 'ERR Command not allowed inside a transaction')
      return queueCommand(context, command)
    }
    this.#run(context, command)
  }

  /** Commands that are marked so, and those that are only queued: a queue takes memory, too. */
  #needsMemory({bits}: Command, session: Session): boolean {
    return (bits & IS_DENY_OOM) !== 0 || (session.inTransaction && (bits & IS_TRANSACTION_CONTROL) === 0)
  }

  /** Finds the bucket of the command's keys; false if it was answered or parked instead. */
  #route(context: Context, command: Command): boolean {
    const request = context.request
    const first = command.firstKey
    const bucket =
      first === 1 && request.bucket >= 0
        ? request.bucket
        : keyBucket(request.buf, request.off[first]!, request.len[first]!)
    if (command.lastKey !== first) {
      const last = command.lastKey < 0 ? request.argc + command.lastKey : command.lastKey
      for (let i = first + command.keyStep; i <= last; i += command.keyStep) {
        if (keyBucket(request.buf, request.off[i]!, request.len[i]!) !== bucket) {
          this.#reject(context, "CROSSSLOT Keys in request don't hash to the same slot")
          return false
        }
      }
    }
    context.bucket = bucket
    if (this.roles.role[bucket] !== ROLE_SERVING && !this.#admits(context, command)) return false
    if (this.parking.isParked(bucket) && !context.session.inTransaction) {
      this.parking.wait(context.session, bucket)
      context.verdict = PARKED
      return false
    }
    return !this.pause.isOn || !this.#isPaused(context, command)
  }

  /** Another node's bucket: true if it may be read here all the same, or is parked; else MOVED or CLUSTERDOWN was answered. */
  #admits(context: Context, command: Command): boolean {
    const {bucket} = context
    // A command of a transaction is queued; it is EXEC that waits.
    if (this.parking.isParked(bucket)) return true
    if (readsReplica(this, context, command)) return true
    command.rejectedCalls++
    this.#reject(context, movedError(this, bucket))
    return false
  }

  /** True if the command waits for the end of a pause, or was refused instead. */
  #isPaused(context: Context, command: Command): boolean {
    // Its time may have come since the last tick.
    if (this.pause.tick(context.now)) this.parking.wakePaused()
    const verdict = this.pause.isOn ? this.pause.verdict(command, context.session) : RUN
    if (verdict === RUN) return false
    if (verdict === REFUSE) this.#reject(context, 'CLUSTERDOWN The cluster is down')
    else {
      this.parking.waitForUnpause(context.session)
      context.verdict = PARKED
    }
    return true
  }

  #run(context: Context, command: Command): void {
    context.command = command
    context.hasFailed = false
    context.session.lastCommand = command.fullName
    command.calls++
    this.stats.commandsProcessed++
    const replyStart = context.out.pos
    command.run!(context)
    if (context.session.tracking?.remembers && context.bucket >= 0) this.#remember(context, command)
    if (this.gate !== null) this.#touch(this.gate, context, command)
    if (context.verdict === PARKED) {
      // It waits for a parked bucket, and comes again.
      command.calls--
      this.stats.commandsProcessed--
      return
    }
    if (command.firstKey !== 0) this.#countInBucket(context, replyStart)
    if (context.hasFailed) {
      command.failedCalls++
      this.stats.errorReplies++
    }
    if (this.monitors.size > 0 && (command.bits & (IS_SKIP_MONITOR | IS_ADMIN)) === 0) this.#feedMonitors(context)
  }

  #countInBucket({bucket, request, session, out}: Context, replyStart: number): void {
    this.bucketStats.count(bucket, request, session.replyMode === REPLY_ON ? out.pos - replyStart : 0)
  }

  /** The client may keep what it was just told; of what is not told yet (PARKED) that is decided later. */
  #remember({session, request, bucket, verdict}: Context, command: Command): void {
    if ((command.bits & IS_READ_ONLY) === 0 || command.firstKey === 0 || verdict === PARKED) return
    this.tracking.remember(session, command, request, bucket)
  }

  /** CLIENT CACHING holds for the next command, or transaction. */
  #endTracked(session: Session, command: Command | null): void {
    this.tracking.current = null
    if (!session.inTransaction && command?.spec.name !== 'client') session.tracking!.isExcepted = false
  }

  /** The reply speaks of the command's bucket, or of all. */
  #touch(gate: Gate, context: Context, command: Command): void {
    const isWrite = (command.bits & IS_WRITE) !== 0
    if (command.firstKey !== 0 && context.bucket >= 0) gate.touch(context.bucket, isWrite)
    else if ((command.bits & (IS_WRITE | IS_READ_ONLY)) !== 0) gate.touchAll(isWrite)
  }

  /** Answers with an error before anything was applied; a transaction that was being queued is spoilt. */
  #reject(context: Context, error: string): void {
    context.session.isTransactionBad ||= context.session.inTransaction
    this.stats.errorReplies++
    context.out.error(error)
  }

  #rejectUnknown(context: Context): void {
    this.#reject(context, unknownCommand(context))
    if (isFromBrowser(context)) context.session.closesAfterReply = true
  }

  #muteReply({session, out, verdict, isConfirmed}: Context, start: number): void {
    const isMuted = !isConfirmed && (session.replyMode === REPLY_OFF || session.replyMode === REPLY_SKIP)
    session.isAnswerMuted = isMuted && verdict === WAITING
    if (isMuted) out.rewind(start)
    if (session.replyMode === REPLY_SKIP) session.replyMode = REPLY_ON
    else if (session.replyMode === REPLY_SKIP_NEXT) {
      out.rewind(start)
      session.replyMode = REPLY_SKIP
    }
  }

  #feedMonitors(context: Context): void {
    const line = monitorLine(context.now, context.session.address, context.request)
    for (const monitor of this.monitors) this.host.push(monitor, (out) => out.simple(line))
  }
}
