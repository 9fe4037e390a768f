/**
 * Random small histories, judged by the on-line checkers and by trying every order. A history is made by letting a few clients use a real object, so that most of it is in order,
 * and is then spoiled here and there: an answer is another one, a write that was acknowledged or refused did the opposite, an answer is lost. Some are not made by any object at all.
 */
import {Prng} from '../../src/base/prng.ts'
import {CellChecker} from '../../src/checker/online-cells.ts'
import {CounterChecker} from '../../src/checker/online-counters.ts'
import {RegisterChecker} from '../../src/checker/online-registers.ts'
import {canHaveHappened} from './histories.ts'
import type {Finding, Operation} from '../../src/checker/history.ts'
import type {Report, RuleChecker} from '../../src/checker/trail.ts'

/** `swap`: registers that are also swapped. */
export type Subject = 'register' | 'swap' | 'counter' | 'cell'
export const SUBJECTS: readonly Subject[] = ['register', 'swap', 'counter', 'cell']

export interface FuzzResult {
  good: number
  bad: number
  /** Histories about which the two disagree, smallest first. */
  readonly disagreements: {readonly history: readonly Operation[]; readonly expected: boolean}[]
}

type Draft = {-readonly [Field in keyof Operation]: Operation[Field]}

const MAKERS: Readonly<Record<Subject, (report: Report) => RuleChecker>> = {
  register: (report) => new RegisterChecker('register', report),
  swap: (report) => new RegisterChecker('register', report),
  counter: (report) => new CounterChecker(report),
  cell: (report) => new CellChecker(report),
}

const hasty = (report: Report): RuleChecker => new CellChecker(report, 2)

/** Judges so many histories; the seed decides them. */
export function fuzz(subject: Subject, count: number, seed: number): FuzzResult {
  const random = new Prng(seed)
  const result: FuzzResult = {good: 0, bad: 0, disagreements: []}
  for (let i = 0; i < count; i++) {
    const history = makeHistory(subject, random)
    const expected = canHaveHappened(history)
    result[expected ? 'good' : 'bad']++
    if (isAccepted(MAKERS[subject], history, random) !== expected) result.disagreements.push({history, expected})
    // A search that gives up early may miss what is wrong, but never calls wrong what is right.
    else if (subject === 'cell' && expected && !isAccepted(hasty, history, random)) {
      result.disagreements.push({history, expected})
    }
  }
  result.disagreements.sort((a, b) => a.history.length - b.history.length)
  return result
}

/** What a checker says of a history of one key that it is given piece by piece, with a floor that rises as far as it may. */
function isAccepted(make: (report: Report) => RuleChecker, history: readonly Operation[], random: Prng): boolean {
  const findings: Finding[] = []
  const checker = make((finding) => findings.push(finding))
  const left = [...history]
  // In any order in which those that ended earlier are mostly first; unknown ones come when somebody gave them up.
  const due = new Map(left.map((operation) => [operation, dueAt(operation, random)]))
  left.sort((a, b) => due.get(a)! - due.get(b)!)
  while (left.length > 0) {
    checker.take(left.shift()!)
    if (random.below(4) > 0) checker.sweep(Math.min(...left.map(({start}) => start)))
  }
  checker.sweep(Infinity)
  return findings.length === 0
}

function dueAt({start, end}: Operation, random: Prng): number {
  return (end === Infinity ? start + random.below(30) : end) + (random.below(8) === 0 ? random.below(10) : 0)
}

/** 2 to 9 operations with distinct stamps. */
function makeHistory(subject: Subject, random: Prng): Operation[] {
  const count = 2 + random.below(8)
  const isWild = random.below(4) === 0
  const spread = 4 + random.below(20)
  const drafts = Array.from({length: count}, () => makeSpan(spread, random))
  const points = new Map(
    drafts.map((draft) => [draft, draft.start + (random.below(1000) / 1000) * (draft.end - draft.start)]),
  )
  const inOrder = [...drafts].sort((a, b) => points.get(a)! - points.get(b)!)
  const writer = new Writer(subject, random)
  for (const draft of inOrder) writer.fill(draft)
  if (isWild) for (const draft of drafts) if (draft.kind === 'read') draft.value = writer.anything()
  if (random.below(3) === 0) spoil(drafts, writer, random)
  return stamp(drafts)
}

function makeSpan(spread: number, random: Prng): Draft {
  const start = random.below(spread * 1000) / 1000
  const end = start + 0.001 + random.below(random.below(3) === 0 ? 12_000 : 3_000) / 1000
  return {rule: 'register', key: 'k', kind: 'read', value: null, start, end, hasFailed: false}
}

/** The object that is used; fills in what each operation does, and what it is told. */
class Writer {
  readonly #subject: Subject
  readonly #random: Prng
  readonly #isChainOnly: boolean
  /** Of 20 operations so many are answered to nobody. */
  readonly #unknownRate: number
  #state: Operation['value']
  #made = 0
  readonly #expired = new Set<Operation['value']>()

  constructor(subject: Subject, random: Prng) {
    this.#subject = subject
    this.#random = random
    this.#state = subject === 'counter' ? 0 : null
    this.#isChainOnly = random.below(2) === 0
    this.#unknownRate = random.below(9)
  }

  fill(draft: Draft): void {
    draft.rule = this.#subject === 'swap' ? 'register' : this.#subject
    const fate = this.#random.below(20)
    const isUnknown = fate < this.#unknownRate
    if (this.#random.below(5) < 2) {
      draft.value = this.#state
      if (isUnknown) draft.end = Infinity
      return
    }
    const hasFailed = fate === 19
    this.#change(draft, !hasFailed && !(isUnknown && this.#random.below(2) === 0))
    draft.hasFailed = hasFailed
    if (isUnknown) draft.end = Infinity
    if (draft.kind === 'increment' && draft.end === Infinity) draft.value = null
  }

  /** A value that may or may not have been there. */
  anything(): Operation['value'] {
    const choice = this.#random.below(this.#made + 2)
    if (this.#subject === 'counter') return choice
    return choice === 0 ? null : `v${choice}`
  }

  #change(draft: Draft, happens: boolean): void {
    this.#made++
    const value = `v${this.#made}`
    let next: Operation['value'] = value
    switch (this.#subject) {
      case 'register':
        Object.assign(draft, {kind: 'write', value})
        break
      case 'swap':
        if (this.#random.below(this.#isChainOnly ? 20 : 4) === 0 || this.#state === null)
          Object.assign(draft, {kind: 'write', value})
        else Object.assign(draft, {kind: 'swap', value, expected: this.#state})
        break
      case 'counter':
        next = Number(this.#state) + 1
        Object.assign(draft, {kind: 'increment', value: next})
        break
      case 'cell':
        next = this.#changeCell(draft, value)
    }
    if (happens) this.#state = next
  }

  #changeCell(draft: Draft, value: string): Operation['value'] {
    const choice = this.#random.below(5)
    if (choice < 3) {
      Object.assign(draft, {kind: 'write', value})
      return value
    }
    if (choice === 3) {
      Object.assign(draft, {kind: 'delete', value: null})
      return null
    }
    const mortal = this.#random.below(2) === 0 ? this.#state : `v${1 + this.#random.below(this.#made)}`
    // No value has two expiries.
    if (mortal === null || this.#expired.has(mortal)) {
      Object.assign(draft, {kind: 'delete', value: null})
      return null
    }
    this.#expired.add(mortal)
    Object.assign(draft, {kind: 'expire', value: mortal})
    return this.#state === mortal ? null : this.#state
  }
}

/** One answer becomes another: a corrupted or stale read, a write that is lost or was refused and happened, two that are told the same. */
function spoil(drafts: readonly Draft[], writer: Writer, random: Prng): void {
  const draft = drafts[random.below(drafts.length)]!
  const choice = random.below(3)
  if (draft.kind === 'read') draft.value = writer.anything()
  else if (choice === 0) draft.hasFailed = !draft.hasFailed
  else if (draft.kind === 'swap') draft.expected = writer.anything() as string | null
  else if (draft.kind === 'increment' && draft.end !== Infinity) draft.value = 1 + Number(writer.anything())
}

/** Whole numbers in the order of time, no two the same. */
function stamp(drafts: readonly Draft[]): Operation[] {
  const moments = drafts.flatMap((draft) => [
    {draft, at: draft.start, isStart: true},
    {draft, at: draft.end, isStart: false},
  ])
  moments.sort((a, b) => (a.at === b.at ? 0 : a.at - b.at))
  moments.forEach(({draft, isStart}, i) => {
    if (isStart) draft.start = i
    else if (draft.end !== Infinity) draft.end = i
  })
  return drafts.map((draft) => ({...draft}))
}
