/** Speed of the savefile: `node_modules/.bin/node test/node/savefile-bench.ts [folder]`. Two million keys of 64 bytes. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'
import {performance} from 'node:perf_hooks'
import type {NodeId} from '../../src/base/brand.ts'
import {RECORD_BATCH_BYTES_MAX} from '../../src/constants.ts'
import {readSavefile, SavefileWriter, verifySavefile} from '../../src/node/savefile.ts'
import {NO_EXPIRY, RecordCursor, RecordWriter} from '../../src/record/codec.ts'

const RECORDS = 2_000_000
const folder = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'kv-savefile-bench-'))
const path = join(folder, 'data.kvs')
const source = Buffer.alloc(4096, 'kv')
let bytes = 0
let stallMs = 0

async function timed(name: string, work: () => Promise<unknown>): Promise<void> {
  const start = performance.now()
  await work()
  const ms = performance.now() - start
  const rate = bytes / 1e6 / (ms / 1000)
  console.log(`${name.padEnd(10)} ${ms.toFixed(0).padStart(6)} ms  ${rate.toFixed(0).padStart(5)} MB/s`)
}

async function save(): Promise<void> {
  const file = await SavefileWriter.open(path, {kind: 'snapshot', nodeId: 'a'.repeat(40) as NodeId, createdUnixMs: 0})
  const writer = new RecordWriter()
  writer.chain(file.previous)
  let start = performance.now()
  for (let seq = 0; seq < RECORDS; seq++) {
    writer.set(seq & 16383, 1, seq, 1.8e12, source, seq & 1023, 16, source, seq & 511, 64, NO_EXPIRY)
    if (writer.pendingBytes < RECORD_BATCH_BYTES_MAX) continue
    const appended = file.append(writer.frame())
    stallMs = Math.max(stallMs, performance.now() - start)
    await appended
    start = performance.now()
  }
  await file.append(writer.frame())
  bytes = (await file.commit(RECORDS)).bytes
}

try {
  await timed('save', save)
  console.log(`longest stretch without a pause: ${stallMs.toFixed(1)} ms`)
  await timed('save', save)
  await timed('verify', () => verifySavefile(path))
  const cursor = new RecordCursor()
  await timed('read', () =>
    readSavefile(path, (buf, frame) => {
      cursor.openFrame(buf, frame)
      while (cursor.next());
    }),
  )
} finally {
  rmSync(folder, {recursive: true})
}
