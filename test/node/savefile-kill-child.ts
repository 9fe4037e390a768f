/**
 * Saves, and is killed with SIGKILL on the way. Run by savefile-kill.test.ts:
 *
 *   node savefile-kill-child.ts <path> <records> call <number> before|middle|after   kills itself at that file system call
 *   node savefile-kill-child.ts <path> <records> loop                                saves again and again until it is killed
 */
import type {NodeId} from '../../src/base/brand.ts'
import {nodeFileSystem, type FileSystem} from '../../src/disk/durable-file.ts'
import {SavefileWriter} from '../../src/node/savefile.ts'
import {NO_EXPIRY, RecordWriter} from '../../src/record/codec.ts'
import {watchedFileSystem, type FsCall} from './watched-fs.ts'

const [path, records, mode, number, moment] = process.argv.slice(2) as [string, string, string, string, string]

/** Nothing runs after it: the signal is there before the call returns. */
function die(): void {
  process.kill(process.pid, 'SIGKILL')
}

/** Every write takes half of the bytes it is given, so that a process can die between the halves. */
function halvingFileSystem(): FileSystem {
  return {
    ...nodeFileSystem,
    async open(name, flags, fileMode) {
      const file = await nodeFileSystem.open(name, flags, fileMode)
      const write = (bytes: Buffer): Promise<number> => file.write(bytes.subarray(0, Math.ceil(bytes.length / 2)))
      return {...file, write}
    },
  }
}

async function save(fs: FileSystem): Promise<void> {
  const nodeId = 'a'.repeat(40) as NodeId
  const file = await SavefileWriter.open(path, {kind: 'snapshot', nodeId, createdUnixMs: Date.now()}, fs)
  const writer = new RecordWriter()
  writer.chain(file.previous)
  const key = Buffer.from('key')
  const value = Buffer.alloc(1000, 'v')
  for (let seq = 0; seq < Number(records); seq++) {
    writer.set(1, 1, seq, 1, key, 0, 3, value, 0, 1000, NO_EXPIRY)
    if (seq % 200 === 199) await file.append(writer.frame())
  }
  await file.append(writer.frame())
  await file.commit(Number(records))
}

if (mode === 'call') {
  const at = (when: string) => (call: FsCall) => {
    if (call.number === Number(number) && moment === when) die()
  }
  await save(watchedFileSystem(moment === 'middle' ? halvingFileSystem() : nodeFileSystem, at('before'), at(moment)))
} else {
  process.stdout.write('saving\n')
  for (;;) await save(nodeFileSystem)
}
