/**
 * Are registers linearizable? On line, in memory that does not grow with the run, for values that are written once.
 *
 * All operations with one value form a *cluster*. f is the end of its first completed operation, s the latest start among them (Gibbons and Korach, Testing Shared
 * Memories, 1997: the zone of the value is what lies between). A cluster must come before another if it ended, for somebody, before the other was begun by somebody:
 * f(a) < s(b). Linearizable iff no read ends before its write begins and no two clusters must each come before the other. That is the rule of zones in one line: two forward
 * zones that overlap, or a backward one inside a forward one, are exactly the pairs with f(a) < s(b) and f(b) < s(a).
 *
 * A *swap* (compare and set) ties the cluster that it found to the one that it made: nothing comes in between. Tied clusters form a chain, which is one cluster
 * to all others (the smallest f, the largest s); within it the order is fixed, so no f may lie before the s of an earlier one. No value is replaced by two swaps.
 * An unknown swap has happened as soon as somebody saw its value.
 *
 * *Forgetting.* Nothing that is still to come starts before the floor. If f(u) < floor and s(u) > f(v), then whoever sees v from now on contradicts u: v is forgotten, and
 * a later read of it is a read of what nobody wrote. All such v go at once: one that is gone can no more be the reason for another. An unknown write that nobody saw has no f:
 * it stays for ever, because it may show itself for ever.
 */
import {assert} from '../base/assert.ts'
import {CHECKER_TRAIL_LEDGER_MAX, CHECKER_TRAIL_MAX} from '../constants.ts'
import {by, saysNothing, show, Trail} from './trail.ts'
import type {Operation} from './history.ts'
import type {Report, RuleChecker} from './trail.ts'

type Value = Operation['value']

class Cluster {
  readonly value: Value
  /** Null: it was not taken yet; of the initial value: there is none. */
  write: Operation | null = null
  hasWrite = false
  /** The first to end and the last to start, and when. */
  first: Operation | null = null
  last: Operation | null = null
  f = Infinity
  s = -1
  /** Tied by swaps. */
  before: Cluster | null = null
  after: Cluster | null = null
  isTied = false
  /** Smallest f of those that were before it in the chain and are forgotten. */
  forgottenF = Infinity

  constructor(value: Value) {
    this.value = value
  }

  see(operation: Operation, end: number): void {
    if (end < this.f) {
      this.f = end
      this.first = operation
    }
    if (operation.start > this.s) {
      this.s = operation.start
      this.last = operation
    }
  }

  get evidence(): (Operation | null)[] {
    return [this.write, this.first, this.last]
  }
}

/** A chain of clusters, or a cluster alone, as others see it. */
interface Group {
  readonly members: readonly Cluster[]
  readonly f: number
  readonly s: number
}

/** Forgetting looks at all clusters of a key, so it waits until there are so many. */
const CLUSTERS_MIN = 4

class Register {
  readonly trail: Trail
  readonly clusters = new Map<Value, Cluster>()
  hasSwaps = false
  forgetAt = CLUSTERS_MIN

  constructor(trail: Trail) {
    this.trail = trail
    const initial = new Cluster(null)
    initial.hasWrite = true
    initial.f = -1
    this.clusters.set(null, initial)
  }
}

/** A value that was seen though its write was not taken yet. */
interface Awaited {
  readonly register: Register
  readonly cluster: Cluster
}

export class RegisterChecker implements RuleChecker {
  readonly #rule: 'register' | 'ledger'
  readonly #report: Report
  readonly #registers = new Map<string, Register>()
  #awaited: Awaited[] = []
  #floor = 0

  constructor(rule: 'register' | 'ledger', report: Report) {
    this.#rule = rule
    this.#report = report
  }

  take(operation: Operation): void {
    const register = this.#registerOf(operation.key)
    if (register.trail.isBroken) return
    register.trail.add(operation)
    if (operation.kind === 'read') {
      if (!saysNothing(operation)) this.#seen(register, this.#clusterOf(register, operation.value), operation)
    } else if (operation.hasFailed) {
      this.#failed(register, operation)
    } else {
      this.#written(register, operation)
    }
    if (register.trail.isBroken) register.clusters.clear()
    else if (register.clusters.size >= register.forgetAt) this.#forget(register)
  }

  get held(): number {
    let held = this.#awaited.length
    for (const {clusters} of this.#registers.values()) held += clusters.size
    return held
  }

  sweep(floor: number): void {
    this.#floor = floor
    if (this.#awaited.length === 0) return
    this.#awaited = this.#awaited.filter((awaited) => this.#isAwaited(awaited))
  }

  /** Reports it if its write cannot come any more: it would begin after the value was seen. */
  #isAwaited({register, cluster}: Awaited): boolean {
    if (register.trail.isBroken || cluster.hasWrite) return false
    if (cluster.f >= this.#floor) return true
    const {value, last} = cluster
    const failed = register.trail.findLast((other) => other.value === value && other.kind !== 'read')
    const why = failed ? 'whose write had failed' : 'which nobody wrote, or which had been replaced long before'
    register.trail.report(`saw ${show(value)}${by(last!)}, ${why}`, [failed, ...cluster.evidence])
    register.clusters.clear()
    return false
  }

  #registerOf(key: string): Register {
    let register = this.#registers.get(key)
    if (register === undefined) {
      const limit = this.#rule === 'ledger' ? CHECKER_TRAIL_LEDGER_MAX : CHECKER_TRAIL_MAX
      register = new Register(new Trail(this.#rule, key, limit, this.#report))
      this.#registers.set(key, register)
    }
    return register
  }

  #clusterOf(register: Register, value: Value): Cluster {
    let cluster = register.clusters.get(value)
    if (cluster === undefined) {
      cluster = new Cluster(value)
      register.clusters.set(value, cluster)
    }
    return cluster
  }

  #failed(register: Register, operation: Operation): void {
    const cluster = register.clusters.get(operation.value)
    if (cluster === undefined) return
    register.trail.report(`saw ${show(operation.value)}${by(cluster.last!)}, whose write failed`, [
      operation,
      ...cluster.evidence,
    ])
  }

  #written(register: Register, operation: Operation): void {
    const cluster = this.#clusterOf(register, operation.value)
    assert(!cluster.hasWrite, `values are unique: ${operation.key} ${show(operation.value)}`)
    const wasSeen = cluster.last !== null
    if (cluster.f < operation.start) return this.#tooEarly(register, cluster, operation)
    cluster.write = operation
    cluster.hasWrite = true
    cluster.see(operation, operation.end)
    if (operation.kind === 'swap') {
      register.hasSwaps = true
      if ((wasSeen || operation.end !== Infinity) && !this.#tie(register, cluster)) return
    }
    this.#check(register, cluster)
  }

  /** Somebody found this value there: by a read, or by a swap that replaced it. */
  #seen(register: Register, cluster: Cluster, operation: Operation, end = operation.end): void {
    const {write} = cluster
    if (!cluster.hasWrite && cluster.last === null) this.#awaited.push({register, cluster})
    if (write !== null && end < write.start) return this.#tooEarly(register, cluster, write, operation)
    cluster.see(operation, end)
    if (write?.kind === 'swap' && !cluster.isTied && !this.#tie(register, cluster)) return
    this.#check(register, cluster)
  }

  #tooEarly(register: Register, cluster: Cluster, write: Operation, reader = cluster.first): void {
    const {value} = cluster
    register.trail.report(`saw ${show(value)}${by(reader!)} before its write began`, [write, reader, cluster.first])
  }

  /** A swap has happened: its value follows directly on what it expected. False: that contradicts something. */
  #tie(register: Register, cluster: Cluster): boolean {
    const write = cluster.write!
    const found = this.#clusterOf(register, write.expected ?? null)
    cluster.isTied = true
    if (found.after !== null) {
      const other = found.after
      const reason = `${show(found.value)} was replaced twice, by ${show(other.value)} and by ${show(cluster.value)}`
      register.trail.report(reason, [other.write, other.first, write, cluster.first])
      return false
    }
    for (let earlier: Cluster | null = found; earlier !== null; earlier = earlier.before) {
      if (earlier !== cluster) continue
      register.trail.report(`${show(cluster.value)} came after what had replaced it`, [found.write, write])
      return false
    }
    found.after = cluster
    cluster.before = found
    this.#seen(register, found, write, Math.min(write.end, cluster.f))
    return !register.trail.isBroken
  }

  #check(register: Register, cluster: Cluster): void {
    if (register.hasSwaps) return this.#checkChains(register, cluster)
    for (const other of register.clusters.values()) {
      if (other.f < cluster.s && cluster.f < other.s && other !== cluster) {
        return this.#contradict(register, [other], [cluster])
      }
    }
  }

  #checkChains(register: Register, cluster: Cluster): void {
    const group = groupOf(cluster)
    let latest = group.members[0]!
    for (const member of group.members) {
      if (member.f < latest.s && member !== latest) return this.#contradict(register, [latest], [member])
      if (member.s > latest.s) latest = member
    }
    for (const head of register.clusters.values()) {
      if (head.before !== null || head === group.members[0]) continue
      const other = groupOf(head)
      if (other.f < group.s && group.f < other.s) {
        return this.#contradict(register, outermost(other), outermost(group))
      }
    }
  }

  /** Each must come before the other; the sentence takes the one that was written first as the one that should be gone. */
  #contradict(register: Register, one: readonly Cluster[], other: readonly Cluster[]): void {
    const [older, newer] = writtenAt(one) <= writtenAt(other) ? [one, other] : [other, one]
    const late = older.reduce((a, b) => (b.s > a.s ? b : a))
    const early = newer.reduce((a, b) => (b.f < a.f ? b : a))
    const who = late.last === null ? '' : by(late.last)
    const reason = `${show(late.value)} was seen${who} after ${show(early.value)} had taken its place`
    const evidence = [...older, ...newer].flatMap((cluster) => cluster.evidence)
    register.trail.report(reason, evidence)
  }

  /** Every value that nobody may see any more. */
  #forget(register: Register): void {
    const {clusters} = register
    const groups: Group[] = []
    for (const cluster of clusters.values()) {
      if (cluster.before !== null) continue
      groups.push(register.hasSwaps ? groupOf(cluster) : {members: [cluster], f: cluster.f, s: cluster.s})
    }
    // The latest start among what surely happened before the floor; and the second, which rules for the latest itself.
    let latest: Group | null = null
    let second = -1
    for (const group of groups) {
      if (group.f >= this.#floor) continue
      if (latest === null || group.s > latest.s) {
        second = latest?.s ?? -1
        latest = group
      } else if (group.s > second) second = group.s
    }
    for (const group of groups) {
      const limit = group === latest ? second : (latest?.s ?? -1)
      if (group.f < limit && group.members.every(({hasWrite}) => hasWrite)) {
        for (const {value} of group.members) clusters.delete(value)
      } else if (group.members.length > 1) this.#forgetReplaced(clusters, group.members)
    }
    register.forgetAt = Math.max(CLUSTERS_MIN, 2 * clusters.size)
  }

  /** Members of a chain before one that was surely there before the floor. */
  #forgetReplaced(clusters: Map<Value, Cluster>, members: readonly Cluster[]): void {
    const reached = members.findLastIndex(({f}) => f < this.#floor)
    for (let i = 0; i < reached && members[i]!.hasWrite; i++) {
      const [head, next] = [members[i]!, members[i + 1]!]
      clusters.delete(head.value)
      next.before = null
      next.forgottenF = Math.min(head.forgottenF, head.f)
    }
  }
}

function groupOf(cluster: Cluster): Group {
  let head = cluster
  while (head.before !== null) head = head.before
  const members: Cluster[] = []
  let f = head.forgottenF
  let s = -1
  for (let member: Cluster | null = head; member !== null; member = member.after) {
    members.push(member)
    f = Math.min(f, member.f)
    s = Math.max(s, member.s)
  }
  return {members, f, s}
}

/** The members that give a group its f and its s, as far as they are still there. */
function outermost({members, f, s}: Group): Cluster[] {
  const found = members.filter((member) => member.f === f || member.s === s)
  return found.length === 0 ? [...members] : found
}

/** When the first of them was begun to be written; one whose write is still under way comes last. */
function writtenAt(clusters: readonly Cluster[]): number {
  return Math.min(...clusters.map(({hasWrite, write}) => (hasWrite ? (write?.start ?? -1) : Infinity)))
}
