/** Who may talk to whom, and that a proof is worth something. */
import fc from 'fast-check'
import {expect, test} from 'vitest'
import {PEER_NAME_BYTES_MAX} from '../../../src/constants.ts'
import {
  decodeHello,
  encodeHello,
  judgeHello,
  judgeProof,
  makeProof,
  type Hello,
} from '../../../src/node/peer/peer-hello.ts'

const ID_A = 'a'.repeat(40)
const ID_B = 'b'.repeat(40)
const a: Hello = {nodeId: ID_A, incarnation: 'one', clusterId: 'c1'}
const b: Hello = {...a, nodeId: ID_B}

test('a hello is read as it was written', () => {
  for (const hello of [a, {...a, clusterId: ''}, {...b, incarnation: 'ü'.repeat(PEER_NAME_BYTES_MAX / 2)}]) {
    expect(decodeHello(encodeHello(hello))).toEqual(hello)
  }
})

test('no two hellos are alike', () => {
  expect(encodeHello(a).equals(encodeHello(a))).toBe(false)
})

test('names that do not fit are a bug of ours', () => {
  expect(() => encodeHello({...a, clusterId: 'x'.repeat(PEER_NAME_BYTES_MAX + 1)})).toThrow(/names in a hello/)
  expect(() => encodeHello({...a, nodeId: ID_A.toUpperCase()})).toThrow(/40 hex/)
})

test('a cut hello is none, nor is one with something behind it', () => {
  const good = encodeHello(a)
  for (let length = 0; length < good.length; length++) {
    expect(decodeHello(good.subarray(0, length))).toMatch(/does not say hello|malformed/)
  }
  expect(decodeHello(Buffer.concat([good, Buffer.from([0])]))).toBe('its hello is malformed')
})

test('a hello of another version is told from one of another program', () => {
  const bytes = encodeHello(a)
  bytes[7] = 2
  expect(decodeHello(bytes)).toBe('one speaks version 2 of the peer protocol, the other version 1')
  expect(decodeHello(Buffer.from('GET / HTTP/1.1\r\n\r\n'))).toBe('it does not say hello as a node does')
})

test('a name that could disturb a log is none', () => {
  const bytes = encodeHello({...a, incarnation: 'x\u001b[31m'})
  expect(decodeHello(bytes)).toBe('its hello is malformed')
})

test('mutated hellos are read or refused, never thrown over', () => {
  const good = encodeHello(a)
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(good.length - 1), fc.nat(255))), fc.nat(good.length), (changes, length) => {
      const bytes = Buffer.from(good)
      for (const [at, value] of changes) bytes[at] = value
      const hello = decodeHello(bytes.subarray(0, length))
      if (typeof hello !== 'string') expect(decodeHello(encodeHello(hello))).toEqual(hello)
    }),
  )
})

test('nodes of one cluster, or of none yet, may talk', () => {
  expect(judgeHello(a, b)).toBeNull()
  expect(judgeHello(a, {...b, clusterId: ''})).toBeNull()
  expect(judgeHello({...a, clusterId: ''}, b)).toBeNull()
  expect(judgeHello(a, {...b, clusterId: 'c2'})).toBe('they belong to two clusters, c1 and c2')
})

test('a node does not talk to itself, nor to a copy of itself', () => {
  expect(judgeHello(a, a)).toBe('the address leads a node to itself')
  expect(judgeHello(a, {...a, incarnation: 'two'})).toMatch(/was a data dir copied/)
})

test('a proof holds for its secret, role and both hellos only', () => {
  const [mine, yours] = [encodeHello(a), encodeHello(b)]
  const good = makeProof('s', 'dialler', mine, yours)
  expect(judgeProof(good, makeProof('s', 'dialler', mine, yours))).toBeNull()
  const others = [
    makeProof('t', 'dialler', mine, yours),
    makeProof('s', 'acceptor', mine, yours),
    makeProof('s', 'dialler', yours, mine),
    makeProof('s', 'dialler', encodeHello(a), yours),
    makeProof('s', 'dialler', mine, encodeHello(b)),
    good.subarray(1),
  ]
  for (const proof of others) expect(judgeProof(proof, good)).toBe('their cluster secrets differ')
})

test('a node with a secret does not talk to one without', () => {
  const proof = makeProof('s', 'dialler', encodeHello(a), encodeHello(b))
  const none = makeProof(null, 'dialler', encodeHello(a), encodeHello(b))
  expect(judgeProof(none, none)).toBeNull()
  expect(judgeProof(proof, none)).toBe('only one of them has a cluster secret')
  expect(judgeProof(none, proof)).toBe('only one of them has a cluster secret')
})
