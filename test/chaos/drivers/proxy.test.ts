/** The tester's network: what is laid on a link happens to its bytes, and to nothing else. */
import {once} from 'node:events'
import {connect, createServer, type AddressInfo, type Socket} from 'node:net'
import {expect, onTestFinished, test} from 'vitest'
import {Network, PIPE_BYTES_MAX} from '../../../src/chaos/drivers/proxy.ts'
import {sleep, waitFor} from '../../support/wait.ts'

const HOST = '127.0.0.1'

interface End {
  readonly socket: Socket
  /** What it has received. */
  text: string
  bytes: number
  isEnded: boolean
  isClosed: boolean
}

function watch(socket: Socket): End {
  const end: End = {socket, text: '', bytes: 0, isEnded: false, isClosed: false}
  socket.on('data', (chunk) => {
    end.bytes += chunk.length
    if (chunk.length < 1_000) end.text += chunk.toString()
  })
  socket.on('end', () => (end.isEnded = true))
  socket.on('close', () => (end.isClosed = true))
  socket.on('error', () => undefined)
  onTestFinished(() => void socket.destroy())
  return end
}

/** Two nodes, a and b; a dials b. */
async function makePair(): Promise<{network: Network; dial(): Promise<End>; accepted: End[]; stopListening(): void}> {
  const network = new Network()
  const accepted: End[] = []
  const server = createServer({allowHalfOpen: true}, (socket) => accepted.push(watch(socket)))
  server.listen(0, HOST)
  await once(server, 'listening')
  const port = await network.open('a', 'b', {host: HOST, port: (server.address() as AddressInfo).port})
  onTestFinished(() => {
    network.close()
    server.close()
  })
  const dial = async (): Promise<End> => {
    const socket = connect({host: HOST, port, allowHalfOpen: true})
    await once(socket, 'connect')
    return watch(socket)
  }
  return {network, dial, accepted, stopListening: () => server.close()}
}

async function makeCall(): Promise<{network: Network; dialler: End; callee: End}> {
  const {network, dial, accepted} = await makePair()
  const dialler = await dial()
  const callee = await waitFor('the call is put through', () => accepted[0])
  return {network, dialler, callee}
}

test('bytes pass both ways, and so does an orderly end', async () => {
  const {network, dialler, callee} = await makeCall()
  dialler.socket.write('hello')
  await waitFor('it arrives', () => callee.text === 'hello')
  callee.socket.end('bye')
  await waitFor('the answer and the end arrive', () => dialler.text === 'bye' && dialler.isEnded)
  dialler.socket.end('last')
  await waitFor('the other half is still open', () => callee.text === 'hellolast' && callee.isEnded)
  await waitFor('nothing is left', () => network.callCount === 0)
})

test('a link that is cut one way lets bytes through the other way, and its connections break when it heals', async () => {
  const {network, dialler, callee} = await makeCall()
  const heal = network.lay({kind: 'cut'}, [['a', 'b']])
  dialler.socket.write('lost')
  callee.socket.write('heard')
  await waitFor('the open direction works', () => dialler.text === 'heard')
  await sleep(50)
  expect(callee.text).toBe('')
  expect(dialler.isClosed).toBe(false)
  heal()
  await waitFor('both are cut off', () => dialler.isClosed && callee.isClosed)
  expect(callee.text).toBe('')
})

test('what a late link held is delivered in order when it heals', async () => {
  const {network, dialler, callee} = await makeCall()
  const heal = network.lay({kind: 'late'}, [['a', 'b']])
  dialler.socket.write('one ')
  await sleep(20)
  dialler.socket.end('two')
  await sleep(50)
  expect(callee.text).toBe('')
  expect(callee.isEnded).toBe(false)
  heal()
  await waitFor('all of it arrives', () => callee.text === 'one two' && callee.isEnded)
})

test('nobody hears over a held link that the other one died', async () => {
  const {network, dialler, callee} = await makeCall()
  const heal = network.lay({kind: 'late'}, [['a', 'b']])
  dialler.socket.resetAndDestroy()
  await sleep(50)
  expect(callee.isEnded || callee.isClosed).toBe(false)
  heal()
  await waitFor('now it hears', () => callee.isEnded || callee.isClosed)
})

test('two effects on one link: the first that ends does not open it', async () => {
  const {network, dialler, callee} = await makeCall()
  const first = network.lay({kind: 'late'}, [['a', 'b']])
  const second = network.lay({kind: 'late'}, [['a', 'b']])
  dialler.socket.write('x')
  first()
  first()
  await sleep(50)
  expect(callee.text).toBe('')
  second()
  await waitFor('it is open', () => callee.text === 'x')
})

test('a call over a held link is put through when it heals', async () => {
  const {network, dial, accepted} = await makePair()
  const heal = network.lay({kind: 'cut'}, [['b', 'a']])
  const dialler = await dial()
  dialler.socket.write('hello')
  await sleep(50)
  expect(accepted).toEqual([])
  heal()
  await waitFor('it is there', () => accepted[0]?.text === 'hello')
})

test('a sender over a held link can send no more than a bounded number of bytes', async () => {
  const {network, dialler, callee} = await makeCall()
  const heal = network.lay({kind: 'late'}, [['a', 'b']])
  const block = Buffer.alloc(64 * 1024)
  // The kernel's buffers take some as well.
  const total = 40 * 1024 * 1024
  for (let sent = 0; sent < total; sent += block.length) dialler.socket.write(block)
  await sleep(200)
  expect(dialler.socket.writableLength).toBeGreaterThan(total / 2 - PIPE_BYTES_MAX)
  heal()
  await waitFor('all of it arrives', () => callee.bytes === total)
})

test('a slow link keeps the order, a dribbling one cuts into pieces', async () => {
  const {network, dialler, callee} = await makeCall()
  const pieces: number[] = []
  callee.socket.on('data', (chunk) => pieces.push(chunk.length))
  const end = network.lay({kind: 'slow', delayMs: 30}, [['a', 'b']])
  const endDribble = network.lay({kind: 'dribble', bytes: 3, everyMs: 2}, [['a', 'b']])
  dialler.socket.write('abcdefgh')
  dialler.socket.write('ij')
  await waitFor('all of it arrives', () => callee.text === 'abcdefghij')
  expect(pieces.length).toBeGreaterThan(1)
  endDribble()
  end()
  dialler.socket.write('k')
  await waitFor('it goes on', () => callee.text === 'abcdefghijk')
})

test('who dials one that does not listen is turned away', async () => {
  const {network, dial, stopListening} = await makePair()
  stopListening()
  const dialler = await dial()
  await waitFor('it is turned away', () => dialler.isClosed)
  await waitFor('nothing is left', () => network.callCount === 0)
})
