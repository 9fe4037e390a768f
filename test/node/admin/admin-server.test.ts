/** The admin port: what it answers, whom it cuts off, and that it goes with the node. */
import {createServer, connect, type Socket} from 'node:net'
import {once} from 'node:events'
import {describe, expect, onTestFinished, test} from 'vitest'
import {ADMIN_HEADER_BYTES_MAX} from '../../../src/constants.ts'
import {checksText, readiness, verdictText} from '../../../src/node/admin/health.ts'
import {loseCopies} from '../../cli/cluster-server.ts'
import {ClusterStage} from '../../core/server-cluster-support.ts'
import {liveNode, refusalOf} from '../live-node.ts'
import {waitFor} from '../../support/wait.ts'
import type {RunningNode} from '../../../src/node/options.ts'

const url = (node: RunningNode, path: string): string => `http://127.0.0.1:${node.admin!.port}${path}`

/** Sends bytes and resolves with everything that comes until the other side closes. */
async function raw(node: RunningNode, text: string): Promise<string> {
  const socket = dial(node)
  let received = ''
  socket.setEncoding('latin1').on('data', (data: string) => (received += data))
  socket.write(text)
  await once(socket, 'close')
  return received
}

function dial(node: RunningNode): Socket {
  const socket = connect(node.admin!.port, '127.0.0.1')
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return socket
}

describe('what it answers', () => {
  test('alive and ready, each check a line; the cluster as JSON', async () => {
    const node = await liveNode({adminPort: 0})
    expect(await (await fetch(url(node, '/livez'))).text()).toBe('alive\n')
    const ready = await fetch(url(node, '/readyz'))
    expect({status: ready.status, text: await ready.text()}).toEqual({status: 200, text: 'ready\n'})
    expect(await (await fetch(url(node, '/readyz?verbose'))).text()).toBe(
      '[+] serving: clients are served\n[+] not-stopping: no stop was asked for\n[+] joined: it is a member\n' +
        '[+] lease: the leader lets it answer\n[+] buckets: all have a master\nready\n',
    )
    const cluster = await fetch(url(node, '/cluster'))
    expect(cluster.headers.get('content-type')).toBe('application/json')
    expect(await cluster.json()).toMatchObject({self: node.nodeId, version: 1, members: [{id: node.nodeId}]})
  })

  test('404 for a path that is none, 405 for a method, HEAD without a body', async () => {
    const node = await liveNode({adminPort: 0})
    for (const path of ['/', '/metrics/', '/constructor', '//livez', '/livez%00']) {
      const lost = await fetch(url(node, path))
      expect(lost.status, path).toBe(404)
      expect(await lost.text()).toContain('/metrics, /livez')
    }
    const wrong = await fetch(url(node, '/metrics'), {method: 'POST', body: 'x'.repeat(1000)})
    expect(wrong.status).toBe(405)
    expect(wrong.headers.get('allow')).toBe('GET, HEAD')
    expect(await raw(node, 'HEAD /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')).toMatch(
      /^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/,
    )
  })

  test('no admin port unless it is asked for', async () => {
    expect((await liveNode()).admin).toBeUndefined()
  })
})

describe('whom it cuts off', () => {
  test('headers that are too long, what is no HTTP, and bodies without end', async () => {
    const node = await liveNode({adminPort: 0})
    const long = `GET /livez HTTP/1.1\r\nHost: x\r\nA: ${'y'.repeat(ADMIN_HEADER_BYTES_MAX)}\r\n\r\n`
    expect(await raw(node, long)).toMatch(/^HTTP\/1\.1 431 /)
    expect(await raw(node, '*1\r\n$4\r\nPING\r\n')).toMatch(/^HTTP\/1\.1 400 /)
    const endless = 'GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n'
    expect(await raw(node, endless)).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('who begins a request and does not end it, and who is silent', async () => {
    const node = await liveNode({adminPort: 0})
    const [slow, silent] = await Promise.all([raw(node, 'GET /livez HTTP/1.1\r\nHo'), raw(node, '')])
    expect(slow).toMatch(/^(HTTP\/1\.1 408 |$)/)
    expect(silent).toMatch(/^(HTTP\/1\.1 408 |$)/)
    expect((await fetch(url(node, '/livez'))).status).toBe(200)
  }, 30_000)
})

describe('with the node', () => {
  test('a port that is taken, an address that is none: the node does not start, and says which flag', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    onTestFinished(() => void other.close())
    const {port} = other.address() as {port: number}
    const taken = await refusalOf({adminPort: port})
    expect(taken).toMatchObject({code: 'E_PORT_IN_USE', message: `admin port ${port} is in use on 127.0.0.1`})
    expect(taken.hint).toContain('--admin-port')
    const wrong = await refusalOf({adminPort: 0, adminHost: '203.0.113.7'})
    expect(wrong).toMatchObject({code: 'E_ADDRESS'})
    expect(wrong.hint).toContain('--admin-host')
  })

  test('it is not ready while it stops, and gone when it has', async () => {
    const node = await liveNode({adminPort: 0})
    // A client that stays keeps the node from being gone at once.
    const agent = dial(node)
    await once(agent, 'connect')
    await node.stop('test')
    await waitFor('nobody listens', () =>
      fetch(url(node, '/livez')).then(
        () => false,
        () => true,
      ),
    )
    await waitFor('the old connection is closed', () => agent.destroyed || agent.readableEnded)
  })
})

describe('readiness', () => {
  const phase = {isServing: true, isStopping: false}
  const failing = (stage: ClusterStage, of = phase): string[] =>
    readiness(stage.stage.engine, of)
      .filter(({isOk}) => !isOk)
      .map(({name}) => name)

  test('names each thing that is in the way', () => {
    const stage = new ClusterStage()
    expect(failing(stage)).toEqual([])
    expect(failing(stage, {isServing: false, isStopping: true})).toEqual(['serving', 'not-stopping'])
    expect(failing(new ClusterStage({isFounder: false}))).toEqual(['joined', 'lease', 'buckets'])
    stage.join(1)
    loseCopies({stage}, '5-9')
    const checks = readiness(stage.stage.engine, phase)
    expect(checks.at(-1)).toMatchObject({name: 'buckets', isOk: false})
    expect(verdictText(checks)).toMatch(/^not ready \(buckets: 5 have no master that lives\)\n$/)
    expect(checksText(checks)).toMatch(/\[-\] buckets: .*\nnot ready\n$/)
  })
})
