/** What clients do to a node: too many, idle, slow, silent, paused, killed; and that one's trouble stays its own. */
import {connect, type Socket} from 'node:net'
import {once} from 'node:events'
import {describe, expect, it, onTestFinished} from 'vitest'
import {encodeCommand, rawConnection, type Arg, type RawConnection} from '../support/raw-connection.ts'
import {rssBytes} from '../support/process-memory.ts'
import {sleep, waitFor, within} from '../support/wait.ts'
import {connectTo, fill, HOST, liveNode, nodeChild, pipeline} from './live-node.ts'

const MB = 1024 * 1024

/** A client that does not read until it is told to. */
async function deaf(port: number): Promise<Socket> {
  const socket = connect({port, host: HOST})
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.pause()
  return socket
}

/** The field of a client in CLIENT LIST, or undefined if it is gone. */
async function listed(watcher: RawConnection, id: string): Promise<string | undefined> {
  const list = await watcher.call('CLIENT', 'LIST')
  return list.split('\n').find((line) => line.includes(`id=${id} `))
}

const idOf = async (client: RawConnection): Promise<string> => (await client.call('CLIENT', 'ID')).slice(1).trim()

describe('maxclients', () => {
  it('turns away who is too many, with a word, and forgets them', async () => {
    const node = await liveNode({maxClients: 3})
    const inside = await Promise.all([connectTo(node), connectTo(node), connectTo(node)])
    for (let i = 0; i < 20; i++) {
      const outside = await connectTo(node)
      // What it sends at once must not cost it the explanation.
      outside.write('PING\r\n')
      expect(String(await outside.untilClosed())).toBe('-ERR max number of clients reached\r\n')
    }
    expect(await inside[0].call('INFO', 'stats')).toContain('rejected_connections:20\r\n')
    expect(await inside[0].call('CONFIG', 'SET', 'maxclients', '4')).toBe('+OK\r\n')
    expect(await (await connectTo(node)).call('PING')).toBe('+PONG\r\n')
    inside[1].close()
    await waitFor('the place is free', async () =>
      (await inside[0].call('INFO', 'clients')).includes('connected_clients:3\r\n'),
    )
    expect(await (await connectTo(node)).call('PING')).toBe('+PONG\r\n')
  })

  it('does not keep those who are turned away and stay', async () => {
    const node = await liveNode({maxClients: 1})
    await connectTo(node)
    const before = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
    const stubborn = Array.from({length: 30}, () => connect({port: node.address.port, host: HOST, allowHalfOpen: true}))
    for (const socket of stubborn) socket.on('error', () => undefined).resume()
    onTestFinished(() => stubborn.forEach((socket) => void socket.destroy()))
    await waitFor('our ends are the only ones left', () => {
      const open = process.getActiveResourcesInfo().filter((name) => name === 'TCPSocketWrap').length
      return stubborn.every((socket) => socket.readableEnded) && open - before <= stubborn.length
    })
  })
})

describe('the idle timeout', () => {
  it('ends the silent, not the busy, the waiting, the watching or the slow to send', async () => {
    const node = await liveNode({clientIdleTimeoutS: 1})
    const [idle, half, busy, paused, monitor, slow] = await Promise.all(Array.from({length: 6}, () => connectTo(node)))
    await monitor!.call('MONITOR')
    await busy!.call('CLIENT', 'PAUSE', '2600', 'WRITE')
    paused!.write(encodeCommand(['SET', 'k', 'v']))
    half!.write('*2\r\n$3\r\nGET\r\n')
    const value = encodeCommand(['SET', 'slow', 'x'.repeat(30)])
    for (let i = 0; i < 26; i++) {
      await sleep(100)
      slow!.write(value.subarray(i, i + 1))
      if (i % 5 === 0) expect(await busy!.call('PING')).toBe('+PONG\r\n')
    }
    slow!.write(value.subarray(26))
    expect([idle!.closed, half!.closed, busy!.closed, paused!.closed, monitor!.closed, slow!.closed]).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ])
    expect([String(await paused!.reply()), String(await slow!.reply())]).toEqual(['+OK\r\n', '+OK\r\n'])
  })

  it('can be set while the node runs', async () => {
    const node = await liveNode()
    const [idle, admin] = [await connectTo(node), await connectTo(node)]
    expect(await admin.call('CONFIG', 'SET', 'timeout', '1')).toBe('+OK\r\n')
    expect(await admin.call('CONFIG', 'GET', 'timeout')).toBe('*2\r\n$7\r\ntimeout\r\n$1\r\n1\r\n')
    expect(await admin.call('CONFIG', 'SET', 'timeout', '-1')).toMatch(
      /argument must be between 0 and 2147483647 inclusive/,
    )
    await waitFor('the silent one is closed', async () => (await admin.call('PING')) === '+PONG\r\n' && idle.closed)
  })
})

describe('CLIENT PAUSE', () => {
  it('pipelines that wait keep their order and lose nothing, however they are cut', async () => {
    const node = await liveNode()
    const admin = await connectTo(node)
    await admin.call('CLIENT', 'PAUSE', '100000')
    const clients = await Promise.all(Array.from({length: 8}, () => connectTo(node)))
    const requests = Array.from({length: 400}, (_, i): Arg[] => (i % 3 === 2 ? ['PING', String(i)] : ['INCR', 'n{x}']))
    const bytes = Buffer.concat(requests.map(encodeCommand))
    await Promise.all(clients.map((client, i) => client.writeChunked(bytes, () => 1 + ((i * 977) % 4000))))
    await sleep(50)
    for (const client of clients) expect(client.receivedBytes).toBe(0)
    await admin.call('CLIENT', 'UNPAUSE')
    for (const client of clients) {
      let last = 0
      for (const [i, reply] of (await client.replies(requests.length)).map(String).entries()) {
        if (i % 3 === 2) expect(reply).toBe(`$${String(i).length}\r\n${i}\r\n`)
        else {
          const count = Number(reply.slice(1))
          expect(count).toBeGreaterThan(last)
          last = count
        }
      }
    }
    const increments = requests.filter((request) => request[0] === 'INCR').length
    expect(await admin.call('GET', 'n{x}')).toBe(`$4\r\n${8 * increments}\r\n`)
  })

  it('a client that waits is not read from: what it goes on sending stays in its hands', async () => {
    const child = await nodeChild()
    const admin = await connectTo(child.port)
    await admin.call('CLIENT', 'PAUSE', '100000')
    const before = rssBytes(child.pid)
    const socket = await deaf(child.port)
    const request = encodeCommand(['SET', 'k', Buffer.alloc(10_000, 'v')])
    const all = Buffer.concat(Array<Buffer>(10_000).fill(request))
    socket.write(all)
    await sleep(400)
    // 100 MB were sent; the kernel's buffers and one chunk are all that left us.
    expect(socket.bytesWritten - socket.writableLength).toBeLessThan(all.length)
    expect(rssBytes(child.pid) - before).toBeLessThan(20 * MB)
    expect(await admin.call('CLIENT', 'UNPAUSE')).toBe('+OK\r\n')
    socket.resume()
    let replies = 0
    socket.on('data', (bytes: Buffer) => (replies += bytes.length))
    await waitFor('all are answered', () => replies === 10_000 * '+OK\r\n'.length)
  })

  it('a connection that ends while it waits is forgotten; what it had sent is still done', async () => {
    const node = await liveNode()
    const admin = await connectTo(node)
    await admin.call('CLIENT', 'PAUSE', '200')
    const [cut, ended, killed] = [await connectTo(node), await connectTo(node), await connectTo(node)]
    const killedId = await idOf(killed)
    for (const [name, client] of Object.entries({cut, ended, killed})) client.write(encodeCommand(['SET', name, 'v']))
    await waitFor('all wait', async () => (await admin.call('INFO', 'clients')).includes('blocked_clients:3\r\n'))
    cut.socket.resetAndDestroy()
    ended.end()
    await admin.call('CLIENT', 'KILL', 'ID', killedId)
    expect(String(await killed.untilClosed())).toBe('')
    // Half-closed: it sends no more, and reads its reply.
    expect(String(await ended.untilClosed())).toBe('+OK\r\n')
    expect(await admin.call('EXISTS', 'ended')).toBe(':1\r\n')
    expect(await admin.call('EXISTS', 'killed')).toBe(':0\r\n')
    expect(await admin.call('INFO', 'clients')).toContain('blocked_clients:0\r\n')
  })
})

describe('a client that does not read', () => {
  it('PING by PING costs what it is owed, not a buffer for each', async () => {
    const child = await nodeChild()
    const watcher = await connectTo(child.port)
    const before = rssBytes(child.pid)
    const socket = await deaf(child.port)
    const chunk = Buffer.from('PING\r\n'.repeat(100))
    // Each chunk in a packet of its own: the kernel takes some 2 MB of replies, what follows is ours to keep.
    for (let i = 0; i < 12_000; i++) {
      socket.write(chunk)
      if (i % 20 === 0) await sleep(0)
    }
    await waitFor('all were executed', async () => {
      const stats = await watcher.call('INFO', 'stats')
      return Number(/total_commands_processed:(\d+)/.exec(stats)![1]) > 1_200_000
    })
    expect(rssBytes(child.pid) - before).toBeLessThan(60 * MB)
    let received = 0
    socket.on('data', (bytes: Buffer) => (received += bytes.length))
    socket.resume()
    await waitFor('it gets every reply', () => received === 1_200_000 * '+PONG\r\n'.length)
  })

  it('gets large replies whole and in order when it reads at last', async () => {
    const node = await liveNode()
    const client = await connectTo(node)
    await client.call('SET', 'large', Buffer.alloc(3 * MB, 'l'))
    const requests: Arg[][] = Array.from({length: 60}, (_, i) =>
      i % 2 === 0 ? ['GET', 'large'] : ['ECHO', `between ${i}`],
    )
    client.socket.pause()
    client.write(Buffer.concat(requests.map(encodeCommand)))
    await sleep(100)
    client.socket.resume()
    for (const [i, reply] of (await client.replies(60, 20_000)).entries()) {
      if (i % 2 === 0)
        expect([reply.length, reply[reply.length - 3]]).toEqual([3 * MB + '$3145728\r\n\r\n'.length, 108])
      else expect(String(reply)).toContain(`between ${i}`)
    }
  })

  it('past the limit is cut off when it asks for more, not for one large reply', async () => {
    const node = await liveNode()
    const watcher = await connectTo(node)
    const limit = (value: string): Promise<string> => watcher.call('CONFIG', 'SET', 'client-output-buffer-limit', value)
    expect(await limit('normal 10mb 0 0 replica 1gb 1gb 60')).toBe('+OK\r\n')
    for (const wrong of ['normal 1mb 0', 'nobody 1mb 0 0', 'normal x 0 0', 'normal 1 0 -1']) {
      expect(await limit(wrong)).toMatch(
        /^-ERR CONFIG SET failed \(possibly related to argument 'client-output-buffer-limit'\)/,
      )
    }
    expect(await watcher.call('CONFIG', 'GET', 'client-output-buffer-limit')).toContain('normal 10485760 0 0')
    await watcher.call('SET', 'large', Buffer.alloc(30 * MB))
    const socket = await deaf(node.address.port)
    socket.write(encodeCommand(['CLIENT', 'SETNAME', 'deaf']))
    socket.write(encodeCommand(['GET', 'large']))
    const id = await waitFor(
      'it is served',
      async () => /id=(\d+) .* name=deaf .* cmd=get/.exec(await watcher.call('CLIENT', 'LIST'))?.[1],
    )
    await sleep(50)
    expect(await listed(watcher, id)).toBeDefined()
    socket.write(encodeCommand(['PING']))
    await waitFor('it is cut off', async () => (await listed(watcher, id)) === undefined)
  })

  it('as a monitor is cut off like any other', async () => {
    const child = await nodeChild()
    const watcher = await connectTo(child.port)
    const monitor = await deaf(child.port)
    monitor.write('MONITOR\r\n')
    await waitFor('it watches', async () => (await watcher.call('CLIENT', 'LIST')).includes('flags=O'))
    const before = rssBytes(child.pid)
    await watcher.call('CONFIG', 'SET', 'client-output-buffer-limit', 'normal 20mb 0 0')
    const requests = Array.from({length: 700}, (): Arg[] => ['ECHO', 'x'.repeat(60_000)])
    await pipeline(watcher, requests)
    expect(rssBytes(child.pid) - before).toBeLessThan(200 * MB)
    expect((await watcher.call('CLIENT', 'LIST')).includes('flags=O')).toBe(false)
  })
})

describe('one that goes wrong', () => {
  it('half a request, then silence or a reset: nothing is applied, others are served', async () => {
    const node = await liveNode()
    const [silent, reset, other] = [await connectTo(node), await connectTo(node), await connectTo(node)]
    const request = encodeCommand(['SET', 'k', 'v'])
    silent.write(request.subarray(0, -1))
    reset.write(request.subarray(0, -1))
    await sleep(10)
    reset.socket.resetAndDestroy()
    expect(await other.call('GET', 'k')).toBe('$-1\r\n')
    silent.write(request.subarray(-1))
    expect(String(await silent.reply())).toBe('+OK\r\n')
  })

  it('resets in the middle of a large reply: the node is as before', async () => {
    const node = await liveNode()
    const other = await connectTo(node)
    await other.call('SET', 'large', Buffer.alloc(20 * MB))
    for (let i = 0; i < 20; i++) {
      const client = await connectTo(node)
      client.write(Buffer.concat(Array.from({length: 4}, () => encodeCommand(['GET', 'large']))))
      await waitFor('it comes', () => client.receivedBytes > 0)
      client.socket.resetAndDestroy()
    }
    expect(await other.call('PING')).toBe('+PONG\r\n')
    await waitFor('they are gone', async () =>
      (await other.call('INFO', 'clients')).includes('connected_clients:1\r\n'),
    )
  })

  it('asks for a reply that is too large: it loses its connection, nobody else anything', async () => {
    const child = await nodeChild()
    const [client, other] = [await connectTo(child.port), await connectTo(child.port)]
    await other.call('SET', '{x}large', Buffer.alloc(32 * MB))
    client.write(encodeCommand(['MGET', ...Array<string>(100).fill('{x}large')]))
    await within(client.untilClosed(20_000), 20_000, 'it is closed')
    expect(await other.call('PING')).toBe('+PONG\r\n')
    expect((await other.call('GET', '{x}large')).length).toBe(32 * MB + '$33554432\r\n\r\n'.length)
  })

  it('kills another in the middle of its own pipeline: everybody gets their own replies', async () => {
    const child = await nodeChild()
    for (let round = 0; round < 5; round++) {
      const [bystander, killer, victim] = [
        await connectTo(child.port),
        await connectTo(child.port),
        await connectTo(child.port),
      ]
      const id = await idOf(victim)
      // All of it lies there when the node comes back: it serves the three in one turn.
      child.process.kill('SIGSTOP')
      bystander.write(encodeCommand(['ECHO', 'for the bystander']))
      killer.write(
        Buffer.concat(
          [
            ['ECHO', 'first'],
            ['CLIENT', 'KILL', 'ID', id],
            ['ECHO', 'last'],
          ].map(encodeCommand),
        ),
      )
      victim.write(encodeCommand(['SET', `victim${round}`, 'v']))
      await sleep(20)
      child.process.kill('SIGCONT')
      expect((await killer.replies(3)).map(String)).toEqual(['$5\r\nfirst\r\n', ':1\r\n', '$4\r\nlast\r\n'])
      expect((await bystander.replies(1)).map(String)).toEqual(['$17\r\nfor the bystander\r\n'])
      await victim.untilClosed()
    }
  })

  it('kills itself: it is told, and nothing after that is executed', async () => {
    const node = await liveNode()
    const client = await connectTo(node)
    const id = await idOf(client)
    client.write(
      Buffer.concat(
        [
          ['CLIENT', 'KILL', 'ID', id, 'SKIPME', 'no'],
          ['SET', 'k', 'after'],
        ].map(encodeCommand),
      ),
    )
    expect(String(await client.untilClosed())).toBe(':1\r\n')
    expect(await (await connectTo(node)).call('GET', 'k')).toBe('$-1\r\n')
  })

  it('a killed client is gone even if it reads nothing and never closes', async () => {
    const node = await liveNode()
    const watcher = await connectTo(node)
    await watcher.call('SET', 'large', Buffer.alloc(20 * MB))
    const socket = await deaf(node.address.port)
    socket.write(encodeCommand(['CLIENT', 'SETNAME', 'deaf']))
    socket.write(encodeCommand(['GET', 'large']))
    const id = await waitFor(
      'it is there',
      async () => /id=(\d+) .* name=deaf .* cmd=get/.exec(await watcher.call('CLIENT', 'LIST'))?.[1],
    )
    expect(await watcher.call('CLIENT', 'KILL', 'ID', id)).toBe(':1\r\n')
    await waitFor('it is gone', async () => (await listed(watcher, id)) === undefined, {timeoutMs: 4000})
  })
})

describe('many at once', () => {
  it('five hundred connections come, work and go', async () => {
    const node = await liveNode()
    const clients = await Promise.all(Array.from({length: 500}, () => rawConnection(node.address.port)))
    const replies = await Promise.all(
      clients.map((client, i) =>
        pipeline(client, [
          ['SET', `k${i}`, i],
          ['GET', `k${i}`],
        ]),
      ),
    )
    for (const [i, [set, get]] of replies.entries())
      expect([set, get]).toEqual(['+OK\r\n', `$${String(i).length}\r\n${i}\r\n`])
    for (const client of clients) client.close()
    const watcher = await connectTo(node)
    await waitFor('they are gone', async () =>
      (await watcher.call('INFO', 'clients')).includes('connected_clients:1\r\n'),
    )
  })
})

describe('SLOWLOG', () => {
  it('has what took long, its arguments cut, its client named', async () => {
    const node = await liveNode()
    const client = await connectTo(node)
    await fill(client, 2000)
    await pipeline(client, [
      ['CLIENT', 'SETNAME', 'me'],
      ['CONFIG', 'SET', 'slowlog-log-slower-than', '1'],
      ['SLOWLOG', 'RESET'],
    ])
    const keys = Array.from({length: 2000}, (_, i) => `{t}${i}`)
    await client.call('DEL', ...keys)
    const text = await client.call('SLOWLOG', 'GET', '1')
    expect(text).toMatch(/^\*1\r\n\*6\r\n:\d+\r\n:\d{10}\r\n:\d+\r\n\*32\r\n\$3\r\nDEL\r\n/)
    expect(text).toContain('... (1970 more arguments)')
    expect(text).toContain(`${HOST}:`)
    expect(text.endsWith('$2\r\nme\r\n')).toBe(true)
    await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '-1')
    await client.call('SLOWLOG', 'RESET')
    await client.call('DEL', ...keys)
    expect(await client.call('SLOWLOG', 'LEN')).toBe(':0\r\n')
  })

  it('of a pipeline shows the last command, and a password never', async () => {
    const node = await liveNode({password: 'secret'})
    const client = await connectTo(node)
    await client.call('AUTH', 'secret')
    await client.call('CONFIG', 'SET', 'slowlog-log-slower-than', '0')
    await client.call('AUTH', 'secret')
    await pipeline(client, [
      ['GET', 'a'],
      ['GET', 'b'],
      ['ECHO', 'the last'],
    ])
    const text = await client.call('SLOWLOG', 'GET', '-1')
    expect(text).not.toContain('secret')
    expect(text).toContain('(redacted)')
    expect(text).toContain('the last')
  })
})
