/**
 * Writes a log and says on stdout how far it is durable, until it is killed. Run by log-process.test.ts:
 *
 *   node log-writer-child.ts <dir>
 *
 * Entry n of the log is the note {"n": n}. It goes on after what the log has.
 */
import {LOG_NOTE} from '../../src/record/log-entry.ts'
import {openLogReader} from '../../src/datalog/log-reader.ts'
import {openLogWriter} from '../../src/datalog/log-writer.ts'

const dir = process.argv[2]!
const identity = {clusterId: 'c'.repeat(40), nodeId: 'd'.repeat(40)}
let base = 0
const writer = await openLogWriter(dir, {
  identity,
  segmentBytes: 20_000,
  isCompressing: true,
  onDurable: (number) => process.stdout.write(`${base + number}\n`),
})
for await (const {body} of (await openLogReader(dir)).entries()) base = (JSON.parse(body.toString()) as {n: number}).n
process.stdout.write(`${base}\n`)
for (let n = base + 1; ; n++) {
  writer.append(LOG_NOTE, Buffer.from(JSON.stringify({n, pad: 'p'.repeat(n % 300)})), Date.now())
  if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  if (writer.pendingBytes > 100_000) await new Promise((resolve) => setTimeout(resolve, 1))
}
