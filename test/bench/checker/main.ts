/**
 * `npm run bench:checker -- --operations N`: how many operations the on-line checker judges in a second, over 10,000 keys and 20 clients, and whether its memory
 * stays flat. Only the checker is timed, in seconds of CPU; its input is made between the batches. The last line is what it costs the clients' thread to hand over to
 * the checker's, as a run does.
 */
import {parseArgs} from 'node:util'
import {CheckerClient} from '../../../src/chaos/checker-client.ts'
import {OnlineChecker} from '../../../src/checker/online-checker.ts'
import {MadeUpClients} from './clients.ts'
import type {HistorySink, Operation} from '../../../src/checker/history.ts'

const {values} = parseArgs({
  options: {
    operations: {type: 'string', default: '20000000'},
    keys: {type: 'string', default: '10000'},
    clients: {type: 'string', default: '20'},
  },
})
const OPERATIONS = Number(values.operations)
const BATCH = 10_000
const BAR_PER_SECOND = 100_000
/** Findings, or less than the bar: the bench says so by its exit code. */
let isBad = false

/** Milliseconds of CPU that this thread has had: others use the machine too. */
function cpuMs(): number {
  const {user, system} = process.threadCpuUsage()
  return (user + system) / 1000
}

/** MB in use after a collection. */
function heapMb(): number {
  globalThis.gc?.()
  return process.memoryUsage().heapUsed / 2 ** 20
}

function row(...cells: string[]): void {
  console.log(cells.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(16))).join(''))
}

/** Hands over so many operations; returns the milliseconds that the sink took. */
function feed(clients: MadeUpClients, sink: HistorySink, count: number): number {
  let spentMs = 0
  for (let done = 0; done < count; done += BATCH) {
    const batch: {operation: Operation; floor: number}[] = []
    for (let i = 0; i < BATCH; i++) batch.push({operation: clients.next(), floor: clients.floor})
    const began = cpuMs()
    for (const {operation, floor} of batch) {
      sink.take(operation)
      sink.advance(floor)
    }
    spentMs += cpuMs() - began
  }
  return spentMs
}

function alone(): void {
  const clients = new MadeUpClients(Number(values.clients), Number(values.keys), 1)
  const checker = new OnlineChecker()
  row('operations', 'checked/s', 'heap MB', 'undecided', 'findings')
  const steps = 10
  const heaps: number[] = []
  for (let step = 1; step <= steps; step++) {
    const count = OPERATIONS / steps
    const spentMs = feed(clients, checker, count)
    const perSecond = Math.round((count / spentMs) * 1000)
    heaps.push(heapMb())
    const {undecided, findings} = checker.totals
    isBad ||= perSecond < BAR_PER_SECOND || findings > 0
    const done = (count * step).toLocaleString('en')
    row(done, perSecond.toLocaleString('en'), heaps.at(-1)!.toFixed(1), String(undecided), String(findings))
  }
  checker.finish()
  const [second, last] = [heaps[1]!, heaps.at(-1)!]
  row('heap since the second line', `${((last / second - 1) * 100).toFixed(1)} %`)
}

async function throughItsThread(): Promise<void> {
  const clients = new MadeUpClients(Number(values.clients), Number(values.keys), 2)
  const client = new CheckerClient()
  const count = OPERATIONS / 20
  const spentMs = feed(clients, client, count)
  const {totals} = await client.finish()
  isBad ||= totals.findings > 0
  row('handed to its thread', `${((spentMs / count) * 1000).toFixed(2)} us each`)
}

alone()
await throughItsThread()
if (isBad) process.exitCode = 1
