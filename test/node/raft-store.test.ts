/** What Raft was told is done survives death at any byte and at any call; what is damaged is refused; one sync serves many. */
import {existsSync, readdirSync, readFileSync, statSync, unlinkSync, writeFileSync} from 'node:fs'
import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {setImmediate as nextTurn} from 'node:timers/promises'
import {describe, expect, onTestFinished, test} from 'vitest'
import {RAFT_LOG_SUPERSEDED_BYTES_MAX} from '../../src/constants.ts'
import type {RaftEntry, RaftSnapshot, RaftState, RaftWrite} from '../../src/core/consensus/types.ts'
import {readLog, type LogContent} from '../../src/node/raft-store-format.ts'
import {
  MemoryRaftStore,
  nodeRaftFileSystem,
  RaftStore,
  type RaftFileSystem,
  type RaftStorage,
} from '../../src/node/raft-store.ts'
import {runSeed, seededRandom, type Random} from '../support/random.ts'
import {waitFor} from '../support/wait.ts'
import {makeFolder} from './folder.ts'
import {errno, watchedFileSystem, type FsCall} from './watched-fs.ts'

const CONFIG = {voters: ['a', 'b'], learners: []}

function makeWrite(id: number, write: Partial<RaftWrite> = {}): RaftWrite {
  return {id, term: 1, vote: null, entries: [], truncateFrom: null, snapshot: null, ...write}
}

function makeEntries(from: number, to: number, term = 1): RaftEntry[] {
  return Array.from({length: to - from + 1}, (_, i) => ({index: from + i, term, kind: 'data', data: `e${from + i}ü`}))
}

function makeSnapshot(index: number, term = 1): RaftSnapshot {
  return {index, term, config: CONFIG, data: `state as of ${index}`}
}

/** Resolves when it is done. */
function put(store: RaftStorage, write: RaftWrite): Promise<number> {
  return new Promise((resolve, reject) => store.write(write, resolve, reject))
}

function fail(error: Error): void {
  throw error
}

async function openAt(dir: string, fs?: RaftFileSystem): Promise<Awaited<ReturnType<typeof RaftStore.open>>> {
  const opened = await RaftStore.open(dir, fs)
  onTestFinished(() => opened.store.close())
  return opened
}

async function stateAt(dir: string): Promise<RaftState | null> {
  const {store, state} = await RaftStore.open(dir)
  await store.close()
  return state
}

/** The plain rule of what a write does. */
function applyTo(state: RaftState | null, write: RaftWrite): RaftState {
  const floor = write.snapshot?.index ?? state?.snapshot?.index ?? 0
  const kept = (state?.entries ?? []).filter(({index}) => index < (write.truncateFrom ?? Infinity) && index > floor)
  const snapshot = write.snapshot ?? state?.snapshot ?? null
  return {term: write.term, vote: write.vote, snapshot, entries: [...kept, ...write.entries]}
}

/** A write that Raft could do in this state. */
function randomWrite(random: Random, id: number, state: RaftState | null, snapshots = 0.1): RaftWrite {
  const floor = state?.snapshot?.index ?? 0
  let last = state?.entries.at(-1)?.index ?? floor
  const term = (state?.term ?? 0) + random.below(2)
  const truncateFrom = random.chance(0.2) ? floor + 1 + random.below(last - floor + 1) : null
  if (truncateFrom !== null) last = truncateFrom - 1
  // Compaction of what is there, or a snapshot that a leader sent.
  const isInstalled = random.chance(0.3)
  const at = isInstalled ? last + 1 + random.below(20) : floor + random.below(last - floor + 1)
  const snapshot = random.chance(snapshots) && at > 0 ? makeSnapshot(at, term) : null
  if (snapshot) last = Math.max(last, at)
  const entries = makeEntries(last + 1, last + random.below(5), term)
  return makeWrite(id, {term, vote: random.pick([null, 'a', 'b']), entries, truncateFrom, snapshot})
}

/** A store with one frame per write, and the state after each. */
async function makeStored(dir: string): Promise<(RaftState | null)[]> {
  const {store} = await RaftStore.open(dir)
  const states: (RaftState | null)[] = [null]
  const writes = [
    makeWrite(1, {vote: 'a'}),
    makeWrite(2, {entries: makeEntries(1, 4)}),
    makeWrite(3, {term: 2, entries: makeEntries(3, 5, 2), truncateFrom: 3}),
    makeWrite(4, {term: 2, vote: 'b', entries: [{index: 6, term: 2, kind: 'config', data: 'x'.repeat(1500)}]}),
  ]
  for (const write of writes) {
    await put(store, write)
    states.push(applyTo(states.at(-1)!, write))
  }
  await store.close()
  return states
}

describe('a store', () => {
  test('is empty at first, and gives back what it was given', async () => {
    const dir = makeFolder()
    const {store, state, facts} = await openAt(dir)
    expect([state, facts]).toEqual([null, null])
    await put(store, makeWrite(7, {term: 3, vote: 'me', entries: makeEntries(1, 2, 3)}))
    await store.saveFacts({clusterId: 'c', peers: {a: 'host:1'}})
    await store.close()
    const again = await openAt(dir)
    expect(again.state).toEqual({term: 3, vote: 'me', snapshot: null, entries: makeEntries(1, 2, 3)})
    expect(again.facts).toEqual({clusterId: 'c', peers: {a: 'host:1'}})
  })

  test('opened again and again equals a model, after any writes in any groups', async () => {
    const seed = runSeed()
    const random = seededRandom(seed)
    for (let round = 0; round < 6; round++) {
      const dir = makeFolder()
      let state: RaftState | null = null
      for (let life = 0; life < 4; life++) {
        const opened = await openAt(dir)
        expect(opened.state, `seed ${seed}`).toEqual(state)
        const done: number[] = []
        for (let id = 0; id < 60; id++) {
          const write = randomWrite(random, id, state)
          state = applyTo(state, write)
          opened.store.write(write, (of) => done.push(of), fail)
          if (random.chance(0.3)) await nextTurn()
        }
        await opened.store.close()
        expect(done).toEqual(Array.from({length: 60}, (_, id) => id))
      }
    }
  })

  test('keeps the last of the facts that were saved at once', async () => {
    const dir = makeFolder()
    const {store} = await openAt(dir)
    await Promise.all([1, 2, 3].map((version) => store.saveFacts({clusterId: 'c', version})))
    expect((await openAt(dir)).facts).toEqual({clusterId: 'c', version: 3})
  })

  test('takes no entry out of order', async () => {
    const {store} = await openAt(makeFolder())
    const write = (entries: RaftEntry[]) => () => store.write(makeWrite(1, {entries}), () => undefined, fail)
    write(makeEntries(1, 3))()
    expect(write(makeEntries(5, 5))).toThrow(/entries follow each other/)
  })
})

describe('death', () => {
  test('at any byte of the log leaves what was synced before', async () => {
    const dir = makeFolder()
    const states = await makeStored(dir)
    const log = readFileSync(join(dir, 'raft/log'))
    const {groups} = readLog(log) as LogContent
    const ends = [...groups.slice(1).map(({offset}) => offset), log.length]
    const around = ends.flatMap((end) => [end - 1, end, end + 1])
    const lengths = Array.from({length: log.length}, (_, length) => length).filter(
      (n) => n % 41 === 0 || around.includes(n),
    )
    for (const length of [...lengths, log.length]) {
      const copy = makeFolder()
      await mkdir(join(copy, 'raft'))
      await writeFile(join(copy, 'raft/log'), log.subarray(0, length))
      const whole = ends.filter((end) => end <= length).length
      expect(await stateAt(copy)).toEqual(states[whole])
      expect(statSync(join(copy, 'raft/log')).size).toBe(ends[whole - 1] ?? 0)
    }
  })

  test('at any call of the file system loses nothing that was done, and nothing is half there', async () => {
    let isFailed = true
    for (let number = 1; isFailed; number++) {
      const dir = makeFolder()
      const run = await writeUntilFailure(dir, number)
      isFailed = run.isFailed
      const found = await stateAt(dir)
      expect(run.possible, `call ${number}`).toContainEqual(found)
      const {store} = await RaftStore.open(dir)
      await put(store, makeWrite(99, {term: 99}))
      await store.close()
      expect(await stateAt(dir)).toEqual(applyTo(found, makeWrite(99, {term: 99})))
      if (!isFailed) expect(number).toBeGreaterThan(50)
    }
  })
})

/** Writes to a file system whose call of this number fails, and says what may be found then: what was done, or a part of the next write. */
async function writeUntilFailure(
  dir: string,
  number: number,
): Promise<{isFailed: boolean; possible: (RaftState | null)[]}> {
  const random = seededRandom(23)
  let isFailed = false
  const isFatal = (call: FsCall): boolean => call.number === number && (isFailed = true)
  let possible: (RaftState | null)[] = [null]
  const {store} = await RaftStore.open(dir, failing(isFatal)).catch(() => ({store: null}))
  for (let id = 0; store && id < 15 && !isFailed; id++) {
    const state = possible.at(-1) ?? null
    const write = randomWrite(random, id, state, 0.3)
    // A snapshot may be there without the entries that came with it.
    const part = write.snapshot ? applyTo(state, {...write, entries: []}) : state
    const whole = applyTo(state, write)
    possible = await put(store, write).then(
      () => [whole],
      () => [state, part, whole],
    )
  }
  await store?.close()
  return {isFailed, possible}
}

/** Calls fail if `isFatal` says so; those of the log file are counted with the others. */
function failing(isFatal: (call: FsCall) => boolean): RaftFileSystem {
  let number = 0
  const check = (name: string): void => {
    if (isFatal({name, number: ++number})) throw errno('EIO', -5)
  }
  const watched = watchedFileSystem(nodeRaftFileSystem, ({name}) => {
    if (name !== 'close') check(name)
  })
  return {
    ...watched,
    async openLog(path) {
      check('openLog')
      const log = await nodeRaftFileSystem.openLog(path)
      const append = async (bytes: Buffer): Promise<void> => {
        // Half of it reaches the disk.
        if (isFatal({name: 'append', number: ++number})) {
          await log.append(bytes.subarray(0, bytes.length / 2))
          throw errno('ENOSPC', -28)
        }
        await log.append(bytes)
      }
      return {...log, append, sync: async () => (check('datasync'), log.sync())}
    },
  }
}

describe('damage', () => {
  test('is refused with the file, the byte and the cure, and nothing is changed', async () => {
    const dir = makeFolder()
    await makeStored(dir)
    const path = join(dir, 'raft/log')
    const good = readFileSync(path)
    for (const bit of [0, 30, 100, 200, good.length * 8 - 1]) {
      writeFileSync(path, flipped(good, bit))
      const error = await stateAt(dir).catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        code: 'E_RAFT_STORE',
        message: expect.stringMatching(/raft\/log is damaged at byte \d+: /) as string,
        hint: expect.stringMatching(/^move the folder away .* --join/) as string,
      })
      expect(readFileSync(path)).toEqual(flipped(good, bit))
    }
  })

  test.each(['log', 'snapshot'])('is also a missing %s', async (name) => {
    const dir = makeFolder()
    await makeStored(dir)
    const {store} = await openAt(dir)
    await put(store, makeWrite(5, {term: 2, snapshot: makeSnapshot(4, 2)}))
    await store.close()
    unlinkSync(join(dir, 'raft', name))
    await expect(stateAt(dir)).rejects.toMatchObject({
      code: 'E_RAFT_STORE',
      message: expect.stringContaining('missing') as string,
    })
  })
})

function flipped(bytes: Buffer, bit: number): Buffer {
  const copy = Buffer.from(bytes)
  copy[bit >> 3]! ^= 1 << (bit & 7)
  return copy
}

describe('one sync', () => {
  test('serves all writes that gathered during the one before, in order', async () => {
    const calls: string[] = []
    let release = (): void => undefined
    const {store} = await openAt(makeFolder(), {
      ...nodeRaftFileSystem,
      async openLog(path) {
        const log = await nodeRaftFileSystem.openLog(path)
        const sync = async (): Promise<void> => {
          calls.push('sync')
          await new Promise<void>((resolve) => (release = resolve))
          await log.sync()
        }
        return {...log, append: (bytes) => (calls.push('append'), log.append(bytes)), sync}
      },
    })
    const done: number[] = []
    const write = (id: number): void =>
      store.write(makeWrite(id, {entries: makeEntries(id, id)}), (of) => done.push(of), fail)
    for (let id = 1; id <= 3; id++) write(id)
    await waitFor('the first group is being synced', () => calls.length === 2)
    for (let id = 4; id <= 50; id++) write(id)
    expect(done).toEqual([])
    release()
    await waitFor('the second one is', () => calls.length === 4)
    expect(done).toEqual([1, 2, 3])
    release()
    await waitFor('all are done', () => done.length === 50)
    expect(done).toEqual(Array.from({length: 50}, (_, i) => i + 1))
    expect(calls).toEqual(['append', 'sync', 'append', 'sync'])
  })

  test('that fails is the last one', async () => {
    const dir = makeFolder()
    let isBroken = false
    const {store} = await openAt(
      dir,
      failing(({name}) => isBroken && name === 'datasync'),
    )
    await put(store, makeWrite(1, {vote: 'a'}))
    isBroken = true
    const failed = [put(store, makeWrite(2)), nextTurn().then(() => put(store, makeWrite(3)))]
    for (const write of failed)
      await expect(write).rejects.toMatchObject({
        code: 'E_RAFT_STORE',
        message: expect.stringContaining('EIO') as string,
      })
    isBroken = false
    await expect(put(store, makeWrite(4))).rejects.toMatchObject({code: 'E_RAFT_STORE'})
  })
})

describe('the log', () => {
  test('is written anew when most of it counts no more, and not before', async () => {
    const dir = makeFolder()
    const path = join(dir, 'raft/log')
    const {store} = await openAt(dir)
    const data = 'd'.repeat(RAFT_LOG_SUPERSEDED_BYTES_MAX / 10)
    let largest = 0
    let [size, shrinks] = [0, 0]
    for (let round = 1; round <= 25; round++) {
      const entries: RaftEntry[] = [{index: 1, term: round, kind: 'data', data}]
      await put(store, makeWrite(round, {term: round, entries, truncateFrom: round > 1 ? 1 : null}))
      if (statSync(path).size < size) shrinks++
      size = statSync(path).size
      largest = Math.max(largest, size)
    }
    await store.close()
    expect(largest).toBeGreaterThan(RAFT_LOG_SUPERSEDED_BYTES_MAX)
    expect(shrinks).toBe(2)
    expect(largest).toBeLessThan(1.5 * RAFT_LOG_SUPERSEDED_BYTES_MAX)
    expect(await stateAt(dir)).toMatchObject({term: 25, entries: [{index: 1, term: 25, data}]})
  })

  test('is not written anew as long as it counts', async () => {
    const dir = makeFolder()
    const {store} = await openAt(dir)
    const inode = statSync(join(dir, 'raft/log')).ino
    const data = 'd'.repeat(RAFT_LOG_SUPERSEDED_BYTES_MAX / 5)
    for (let index = 1; index <= 9; index++)
      await put(store, makeWrite(index, {entries: [{index, term: 1, kind: 'data', data}]}))
    expect(statSync(join(dir, 'raft/log')).ino).toBe(inode)
  })
})

describe('the end', () => {
  test('waits for what was given, and takes no more', async () => {
    const dir = makeFolder()
    const {store} = await openAt(dir)
    const writes = [1, 2, 3].map((term) => put(store, makeWrite(term, {term})))
    await store.close()
    expect(await Promise.all(writes)).toEqual([1, 2, 3])
    await expect(put(store, makeWrite(4))).rejects.toMatchObject({code: 'E_RAFT_STORE'})
    await expect(store.saveFacts({clusterId: ''})).rejects.toMatchObject({code: 'E_RAFT_STORE'})
    expect((await stateAt(dir))?.term).toBe(3)
  })

  test('for good leaves nothing, also if death came in the middle of it', async () => {
    const dir = makeFolder()
    await makeStored(dir)
    const {store} = await openAt(dir)
    await store.saveFacts({clusterId: 'c'})
    await store.wipe()
    expect(readdirSync(dir)).toEqual([])
    await mkdir(join(dir, 'raft.wiped'))
    const again = await openAt(dir)
    expect([again.state, again.facts]).toEqual([null, null])
    expect(existsSync(join(dir, 'raft.wiped'))).toBe(false)
  })
})

test('a store in memory does the same without a disk', async () => {
  const store = new MemoryRaftStore()
  const done: number[] = []
  for (let id = 0; id < 3; id++) store.write(makeWrite(id), (of) => done.push(of), fail)
  expect(done).toEqual([])
  await store.close()
  expect(done).toEqual([0, 1, 2])
  await expect(put(store, makeWrite(4))).rejects.toMatchObject({code: 'E_RAFT_STORE'})
  await store.wipe()
})
