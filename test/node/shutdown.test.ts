/** The shutdown event alone, on made-up parts that write down what is asked of them: the order is the contract. */
import {describe, expect, it} from 'vitest'
import {Shutdown, type ShutdownParts} from '../../src/node/shutdown.ts'
import {sleep} from '../support/wait.ts'

const OPTIONS = {mode: 'default', isNow: false, isForced: false} as const

interface Stage {
  readonly shutdown: Shutdown
  readonly log: string[]
  /** What the parts answer; tests change it. */
  readonly state: {busy: number; clients: number; keys: number; listens: boolean}
  /** Ends the save that is under way; with a text, it fails. */
  endSave(error?: string): void
}

function makeStage(hasSavefile = true): Stage {
  const log: string[] = []
  const state = {busy: 0, clients: 2, keys: 10, listens: true}
  let endSave: (error?: string) => void = () => undefined
  const say = (text: string): void => void log.push(text)
  const save = (): Promise<void> => {
    say('save')
    return new Promise((resolve, reject) => {
      endSave = (error) => (error === undefined ? resolve() : reject(new Error(error)))
    })
  }
  const parts: ShutdownParts = {
    log: {
      debug: () => undefined,
      info: (_, text) => say(`log: ${text}`),
      warn: (_, text) => say(`log: ${text}`),
      error: (_, text) => say(`log: ${text}`),
    },
    stopListening: () => say('stop listening'),
    listenAgain: () => (
      say('listen again'),
      state.listens ? Promise.resolve() : Promise.reject(new Error('port taken'))
    ),
    hold: () => say('hold'),
    release: (isStopping) => say(isStopping ? 'refuse' : 'release'),
    arrivalCount: () => 0,
    busyCount: () => state.busy,
    save: hasSavefile ? save : null,
    cancelSave: () => {
      say('cancel save')
      endSave('cancelled')
    },
    keyCount: () => state.keys,
    closeClients: (isNow) => {
      say(isNow ? 'cut clients' : 'end clients')
      if (isNow || state.clients <= 2) state.clients = 0
    },
    clientCount: () => state.clients,
    finish: () => {
      say(`finish with ${state.clients} clients`)
      return Promise.resolve()
    },
  }
  return {shutdown: new Shutdown(parts), log, state, endSave: (error) => endSave(error)}
}

const until = async (isTrue: () => boolean): Promise<void> => {
  while (!isTrue()) await sleep(1)
}
const BEGINNING = ['log: shutting down', 'stop listening', 'hold']
const END = ['refuse', 'end clients', 'cut clients', 'finish with 0 clients', 'log: stopped']

describe('the shutdown event', () => {
  it('ends the parts in order; statistics and lock are the last', async () => {
    const {shutdown, log, endSave} = makeStage()
    const end = shutdown.stop('signal')
    await until(() => log.includes('save'))
    expect(log).toEqual([...BEGINNING, 'save'])
    endSave()
    expect(await end).toEqual({exitCode: 0, reason: 'signal'})
    expect(log).toEqual([...BEGINNING, 'save', ...END])
    expect(await shutdown.stopped).toEqual(await end)
  })

  it('waits for requests under way before it saves, unless it is to be now', async () => {
    for (const isNow of [false, true]) {
      const {shutdown, log, state, endSave} = makeStage()
      state.busy = 1
      const end = shutdown.join('SHUTDOWN', {...OPTIONS, isNow})
      await sleep(70)
      expect(log.includes('save')).toBe(isNow)
      state.busy = 0
      await until(() => log.includes('save'))
      endSave()
      await end
    }
  })

  it('fires once: who comes later waits for the same end, and a signal after it is no haste', async () => {
    const {shutdown, log, endSave} = makeStage()
    const ends = [shutdown.join('one'), shutdown.join('two'), shutdown.join('three')]
    await until(() => log.includes('save'))
    endSave()
    expect(new Set(await Promise.all(ends)).size).toBe(1)
    expect((await shutdown.stop('later')).reason).toBe('one')
    expect(log.filter((text) => text === 'save' || text.includes('twice'))).toEqual(['save'])
  })

  it('cuts clients that do not go', async () => {
    const {shutdown, log, state, endSave} = makeStage()
    state.clients = 3
    const end = shutdown.join('SHUTDOWN', {...OPTIONS, mode: 'nosave', isNow: true})
    await until(() => log.includes('end clients'))
    expect(log).not.toContain('save')
    await sleep(50)
    expect(log).not.toContain('cut clients')
    // A second signal does not wait for them.
    void shutdown.stop('again')
    expect(await end).toEqual({exitCode: 0, reason: 'SHUTDOWN; 10 keys were not saved and are gone'})
    expect(log.at(-2)).toBe('finish with 0 clients')
    endSave()
  })
})

describe('haste', () => {
  it.each(['quiet', 'busy', 'save'])('while it waits for: %s', async (stage) => {
    const {shutdown, log, state} = makeStage()
    if (stage === 'busy') state.busy = 1
    const end = shutdown.stop('first')
    if (stage === 'busy') await until(() => log.includes('hold'))
    if (stage === 'save') await until(() => log.includes('save'))
    const asked = performance.now()
    void shutdown.stop('second')
    void shutdown.stop('third')
    expect(await end).toEqual({exitCode: 1, reason: 'first; 10 keys were not saved and are gone'})
    expect(performance.now() - asked).toBeLessThan(500)
    expect(log.filter((text) => text === 'log: asked twice: stopping at once')).toHaveLength(1)
    expect(log.includes('save')).toBe(stage === 'save')
    expect(log.at(-2)).toBe('finish with 0 clients')
  })

  it('that comes when the file is as good as written loses nothing', async () => {
    const {shutdown, log, endSave} = makeStage()
    const end = shutdown.stop('first')
    await until(() => log.includes('save'))
    endSave()
    void shutdown.stop('second')
    expect(await end).toEqual({exitCode: 0, reason: 'first'})
  })

  it('of a node that has nothing to lose is no failure', async () => {
    const {shutdown, state} = makeStage()
    state.keys = 0
    const end = shutdown.stop('first')
    void shutdown.stop('second')
    expect(await end).toEqual({exitCode: 0, reason: 'first'})
  })
})

describe('a save that fails', () => {
  it('calls the stop off; the next one begins anew', async () => {
    const {shutdown, log, endSave} = makeStage()
    const end = shutdown.stop('first')
    const other = shutdown.join('SHUTDOWN')
    await until(() => log.includes('save'))
    endSave('disk full')
    await expect(end).rejects.toMatchObject({
      code: 'E_SAVEFILE',
      message: 'not stopped, because the savefile was not written: disk full',
    })
    await expect(other).rejects.toMatchObject({code: 'E_SAVEFILE'})
    expect(log.slice(-3)).toEqual(['log: the savefile was not written', 'release', 'listen again'])
    const again = shutdown.stop('second')
    await until(() => log.filter((text) => text === 'save').length === 2)
    endSave()
    expect(await again).toEqual({exitCode: 0, reason: 'second'})
  })

  it('lets writes go on even if the port is gone meanwhile', async () => {
    const {shutdown, log, state, endSave} = makeStage()
    state.listens = false
    const end = shutdown.stop('first')
    await until(() => log.includes('save'))
    endSave('disk full')
    await expect(end).rejects.toMatchObject({code: 'E_SAVEFILE'})
    expect(log.slice(-3)).toEqual(['release', 'listen again', 'log: new clients cannot connect any more'])
  })

  it('is passed over if it was forced', async () => {
    const {shutdown, log, endSave} = makeStage()
    const end = shutdown.join('SHUTDOWN', {...OPTIONS, isForced: true})
    await until(() => log.includes('save'))
    endSave('disk full')
    expect(await end).toEqual({exitCode: 1, reason: 'SHUTDOWN; 10 keys were not saved and are gone'})
  })
})

it('without a savefile nothing is saved, and that is told', async () => {
  const {shutdown, log} = makeStage(false)
  expect(await shutdown.stop('signal')).toEqual({exitCode: 0, reason: 'signal; 10 keys were not saved and are gone'})
  expect(log).toEqual([...BEGINNING, ...END])
})
