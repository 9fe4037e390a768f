/** A node in the foreground, with the node and the process made up. */
import {EventEmitter} from 'node:events'
import {describe, expect, test} from 'vitest'
import {runNode, type NodeEvent} from '../../src/cli/run-node.ts'
import {SILENT_LOG} from '../../src/node/log.ts'
import type {NodeExit, NodeOptions, RunningNode} from '../../src/node/options.ts'

const OPTIONS: NodeOptions = {
  host: '127.0.0.1',
  port: 0,
  maxMemoryBytes: 0,
  maxMemoryPolicy: 'noeviction',
  maxClients: 10,
  clientIdleTimeoutS: 0,
}

interface Stage {
  readonly source: EventEmitter
  readonly events: NodeEvent[]
  readonly stops: string[]
  readonly exit: Promise<NodeExit>
  /** Ends the made-up node. */
  end(exit: NodeExit): void
}

/** Starts it; `stop` is what the node answers to a request to stop. */
async function play(
  isBoundToParent: boolean,
  stop: () => Promise<NodeExit> = () => new Promise(() => {}),
): Promise<Stage> {
  const source = new EventEmitter()
  const events: NodeEvent[] = []
  const stops: string[] = []
  let end: (exit: NodeExit) => void = () => {}
  const node: RunningNode = {
    nodeId: 'ab'.repeat(20),
    address: {host: '127.0.0.1', port: 4321},
    keysLoaded: 3,
    stop: (cause) => {
      stops.push(cause)
      return stop()
    },
    stopped: new Promise((resolve) => (end = resolve)),
  }
  const ui = {banner: () => {}, event: (event: NodeEvent) => void events.push(event), log: SILENT_LOG}
  const exit = runNode({start: () => Promise.resolve(node), node: OPTIONS, ui, source, isBoundToParent})
  await expect.poll(() => events.length).toBe(1)
  return {source, events, stops, exit, end}
}

describe('a node in the foreground', () => {
  test('says where it is, passes signals on, and ends as the node ends', async () => {
    const {source, events, stops, exit, end} = await play(false)
    expect(events).toEqual([
      {
        event: 'started',
        host: '127.0.0.1',
        port: 4321,
        nodeId: 'ab'.repeat(20),
        keysLoaded: 3,
        adminPort: null,
        pid: process.pid,
      },
    ])
    source.emit('SIGTERM')
    source.emit('SIGINT')
    expect(stops).toEqual(['SIGTERM', 'SIGINT'])
    end({exitCode: 1, reason: 'haste'})
    expect(await exit).toEqual({exitCode: 1, reason: 'haste'})
    expect(events.at(-1)).toEqual({event: 'stopped', exitCode: 1, reason: 'haste'})
    expect(source.eventNames()).toEqual([])
  })

  test('ends by itself when somebody else stopped the node', async () => {
    const {stops, exit, end} = await play(false)
    end({exitCode: 0, reason: 'SHUTDOWN'})
    expect(await exit).toEqual({exitCode: 0, reason: 'SHUTDOWN'})
    expect(stops).toEqual([])
  })

  test('stops with its parent only if it is bound to it', async () => {
    const free = await play(false)
    free.source.emit('disconnect')
    expect(free.stops).toEqual([])
    const bound = await play(true)
    bound.source.emit('disconnect')
    expect(bound.stops).toEqual(['the parent process ended', 'the parent process ended'])
  })

  test('a stop that failed is told, and the node goes on', async () => {
    const {source, events, stops} = await play(false, () => Promise.reject(new Error('disk full')))
    source.emit('SIGINT')
    await expect.poll(() => events.at(-1)).toEqual({event: 'notStopped', message: 'disk full'})
    source.emit('SIGINT')
    expect(stops).toHaveLength(2)
  })

  test('a node that cannot start is the error of the start', async () => {
    const ui = {banner: () => {}, event: () => {}, log: SILENT_LOG}
    const start = (): Promise<RunningNode> => Promise.reject(new Error('port taken'))
    await expect(
      runNode({start, node: OPTIONS, ui, source: new EventEmitter(), isBoundToParent: false}),
    ).rejects.toThrow('port taken')
  })
})
