/**
 * The thread in which the checker of a run works, so that it takes no time from the clients. It answers each batch of operations with what is known then; what was
 * found in it is in that answer, so nobody has to ask. checker-client.ts is the other end. An exception ends the thread: a run whose checker is gone is void.
 */
import {getHeapStatistics} from 'node:v8'
import {parentPort} from 'node:worker_threads'
import {assert} from '../base/assert.ts'
import {OnlineChecker} from '../checker/online-checker.ts'
import type {CheckerTotals, Finding, Operation} from '../checker/history.ts'

export interface CheckerRequest {
  readonly operations: readonly Operation[]
  readonly floor: number
  /** Nothing comes after this. */
  readonly isLast: boolean
}

export interface CheckerAnswer {
  /** Operations of the batch. */
  readonly taken: number
  readonly totals: CheckerTotals
  /** Those that are new. */
  readonly findings: readonly Finding[]
  /** Of this thread. */
  readonly heapBytes: number
  readonly isLast: boolean
}

const port = parentPort
assert(port !== null, 'this file is the main file of a worker thread')
const checker = new OnlineChecker()
let told = 0

port.on('message', ({operations, floor, isLast}: CheckerRequest) => {
  for (const operation of operations) checker.take(operation)
  if (isLast) checker.finish()
  else checker.advance(floor)
  const findings = checker.findings.slice(told)
  told += findings.length
  const heapBytes = getHeapStatistics().used_heap_size
  const answer: CheckerAnswer = {taken: operations.length, totals: checker.totals, findings, heapBytes, isLast}
  port.postMessage(answer)
})
