/** The drivers of kv chaos with real processes: what they say that they do happens, what they must not do they refuse, and nothing survives them. */
import {chmodSync, existsSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterEach, expect, test} from 'vitest'
import {Prng} from '../../src/base/prng.ts'
import {createDriver, type CreateDriverOptions} from '../../src/chaos/drivers/create.ts'
import {findLeftovers} from '../../src/chaos/drivers/leftovers.ts'
import {ClusterClient} from '../../src/client/cluster-client.ts'
import {replyText} from '../../src/client/reply.ts'
import {BUCKET_COUNT} from '../../src/constants.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import type {Driver, FaultKind, FaultRecord} from '../../src/chaos/driver.ts'

const TIMEOUT_MS = 90_000

const drivers: {driver: Driver; folder: string}[] = []
afterEach(async () => {
  for (const {driver, folder} of drivers.splice(0)) {
    const pids = driver.places.map(({pid}) => pid).filter((pid) => pid !== null)
    await driver.end()
    expect(pids.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([])
    expect(findLeftovers(folder)).toEqual([])
  }
})

const events: string[] = []

function options(change: Partial<CreateDriverOptions> = {}): CreateDriverOptions {
  const {path} = tempDir('driver')
  return {
    ...{nodes: 3, replicas: 1, hasLogNode: false, faults: [], folder: path, plants: []},
    now: () => performance.now(),
    event: (text) => events.push(text),
    ...change,
  }
}

function watched<D extends Driver>(driver: D, {folder}: CreateDriverOptions): D {
  drivers.push({driver, folder})
  return driver
}

async function healthy(driver: Driver): Promise<void> {
  let said: string[] = []
  const look = async (): Promise<boolean> => (said = await driver.ailments()).length === 0
  await waitFor('the cluster is healthy', look, {timeoutMs: 60_000, intervalMs: 100}).catch((error: unknown) => {
    throw new Error(`${String(error)}: ${said.join(' ')}`)
  })
}

/** Waits until the budget allows it. */
async function injected(driver: Driver, kind: FaultKind, seed = 1): Promise<FaultRecord> {
  const record = await waitFor(`${kind} begins`, async () => (await driver.inject(kind, new Prng(seed))) ?? undefined, {
    ...{timeoutMs: 30_000, intervalMs: 100},
  })
  expect(record.error).toBe('')
  return record
}

async function withClient<T>(driver: Driver, work: (client: ClusterClient) => Promise<T>): Promise<T> {
  const client = await ClusterClient.connect(driver.addresses())
  try {
    return await work(client)
  } finally {
    await client.close()
  }
}

/** What each place that runs says. */
async function states(driver: Driver): Promise<{self: string; leader: string | null}[]> {
  const said = (await driver.describe()) as {says: {self: string; leader: string | null} | null}[]
  return said.map(({says}) => says).filter((says) => says !== null)
}

const KEYS = Array.from({length: 200}, (_, i) => `key:${i}`)

async function writeAll(driver: Driver): Promise<void> {
  await withClient(driver, async (client) => {
    for (const key of KEYS) expect(await client.send(['SET', key, `of ${key}`], key)).toBe('OK')
  })
}

async function readAll(driver: Driver): Promise<void> {
  await withClient(driver, async (client) => {
    for (const key of KEYS) expect(replyText(await client.send(['GET', key], key))).toBe(`of ${key}`)
  })
}

test(
  'a kv cluster survives what the budget allows, and its copies, log and savefile hold the same',
  async () => {
    const settings = options({hasLogNode: true})
    const driver = watched(createDriver('kv', settings), settings)
    await driver.start()
    await writeAll(driver)
    const killed = await injected(driver, 'kill')
    // The other copy of what it had must not be taken as well.
    expect(await driver.inject('kill', new Prng(2))).toBeNull()
    expect(await driver.inject('wipe', new Prng(2))).toBeNull()
    await driver.heal()
    expect(killed).toMatchObject({error: '', endedMs: expect.any(Number)})
    await healthy(driver)
    const wiped = await injected(driver, 'wipe')
    const cut = await injected(driver, 'log-cut')
    expect(cut.places).toEqual(['log'])
    await driver.heal()
    expect([wiped.error, cut.error]).toEqual(['', ''])
    await healthy(driver)
    await readAll(driver)
    const hashes = (await driver.hashes())!
    expect(hashes).toHaveLength(2 * BUCKET_COUNT)
    const contents = new Map<number, Set<string>>()
    for (const {bucket, epoch, seq, hash} of hashes) {
      contents.set(bucket, (contents.get(bucket) ?? new Set()).add(`${epoch} ${seq} ${hash}`))
    }
    expect([...contents.values()].filter((all) => all.size > 1)).toEqual([])
    expect(new Set(hashes.map(({hash}) => hash)).size).toBeGreaterThan(KEYS.length / 2)
    const last = await driver.stopAll()
    await driver.startLast(last)
    await readAll(driver)
    expect(driver.crashes).toEqual([])
  },
  TIMEOUT_MS,
)

test(
  'a node that is cut off loses its buckets, and nothing is left of a cluster that was frozen',
  async () => {
    const settings = options()
    const driver = watched(createDriver('kv', settings), settings)
    await driver.start()
    const record = await injected(driver, 'isolate-leader')
    const [leader] = record.places
    const others = driver.places.filter(({name, state}) => name !== leader && state === 'up')
    const isWithout = async (): Promise<boolean> => {
      const said = (await driver.describe()) as {name: string; says: {leader: string | null; self: string} | null}[]
      const former = said.find(({name}) => name === leader)!.says!.self
      const heirs = said.filter(({name}) => others.some((other) => other.name === name))
      return heirs.every(({says}) => says && says.leader !== null && says.leader !== former)
    }
    await waitFor('the others have another leader', isWithout)
    expect(driver.places.filter(({state}) => state === 'up')).toHaveLength(3)
    await driver.heal()
    await healthy(driver)
    const former = new Set((await states(driver)).map(({self}) => self))
    const [left, joined] = [await injected(driver, 'leave'), await injected(driver, 'join')]
    await driver.heal()
    await healthy(driver)
    expect([left.error, joined.error]).toEqual(['', ''])
    // One was replaced by a new node; the one that joined has gone again. Both ended in good order.
    const after = await states(driver)
    expect([after.length, after.filter(({self}) => !former.has(self)).length]).toEqual([3, 1])
    expect(events.filter((text) => text.includes('ended its stop'))).toEqual([])
    driver.freeze()
  },
  TIMEOUT_MS,
)

test(
  'planted bugs reach the nodes, loudly',
  async () => {
    const settings = options({nodes: 1, replicas: 0, plants: ['ack-before-replica']})
    const driver = watched(createDriver('kv', settings), settings)
    await driver.start()
    expect(readFileSync(join(settings.folder, 'n1.log'), 'utf8')).toContain('*** KV_PLANT=ack-before-replica')
  },
  TIMEOUT_MS,
)

test(
  'a Redis cluster is made, disturbed and mended with the same faults',
  async () => {
    const settings = options({faults: ['wipe', 'one-way'], nodeTimeoutMs: 1_000})
    const driver = watched(createDriver('redis', settings), settings)
    expect(driver.version).toMatch(/^redis-server \d/)
    await driver.start()
    expect(driver.addresses()).toHaveLength(6)
    await writeAll(driver)
    const wiped = await injected(driver, 'wipe')
    await waitFor('the new node has its part', () => wiped.endedMs !== null, {timeoutMs: 60_000})
    expect(wiped.error).toBe('')
    await injected(driver, 'one-way')
    await driver.heal()
    await healthy(driver)
    expect(await driver.inject('isolate-leader', new Prng(1))).toBeNull()
    await withClient(driver, async (client) => {
      expect(await client.send(['SET', 'a', 'b'], 'a')).toBe('OK')
    })
  },
  TIMEOUT_MS,
)

test(
  "an attached cluster is disturbed by the user's command, whose failures are told",
  async () => {
    const settings = options()
    const inner = watched(createDriver('kv', settings), settings)
    await inner.start()
    const pids = inner.places.filter(({pid}) => pid !== null).map(({address, pid}) => `${address.port}) pid=${pid} ;;`)
    const script = join(settings.folder, 'on-fault.sh')
    const cases = `case "\${3##*:}" in\n${pids.join('\n')}\nesac`
    writeFileSync(
      script,
      `#!/bin/sh\n${cases}\n[ "$1" = pause ] || exit 9\n[ "$2" = begin ] && kill -STOP $pid || kill -CONT $pid\n`,
    )
    chmodSync(script, 0o755)
    const [attach] = inner.addresses()
    const outer = options({attach: attach!, onFault: script})
    const driver = watched(createDriver('attached', outer), outer)
    await driver.start()
    expect(driver.version).toMatch(/^kv /)
    expect(driver.addresses()).toHaveLength(3)
    // Not before it is calm.
    const paused = await injected(driver, 'pause')
    const pid = inner.places.find(({address}) => driver.places.find(({name}) => name === paused.places[0])?.address.port === address.port)!.pid! // prettier-ignore
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).toMatch(/^\d+ \(.*\) T/)
    await driver.heal()
    expect(readFileSync(`/proc/${pid}/stat`, 'utf8')).not.toMatch(/^\d+ \(.*\) T/)
    await healthy(driver)
    const refused = await waitFor('a kill is tried', () =>
      driver.inject('kill', new Prng(1)).then((r) => r ?? undefined),
    )
    expect(refused.error).toContain('exit code 9')
  },
  TIMEOUT_MS,
)

test('what is missing for a driver is said at once', () => {
  expect(() => createDriver('attached', options())).toThrow('no cluster to attach to')
  const attach = {host: '127.0.0.1', port: 1}
  expect(() => createDriver('attached', options({attach}))).toThrow('Nobody could stop and start')
  expect(() => createDriver('redis', options({server: '/nowhere/redis-server'}))).toThrow('There is no program')
})
