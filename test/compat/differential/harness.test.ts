/** Does the differential test see what it must see? Here it meets a liar, stale lists and wrong expectations. */
import {afterAll, beforeAll, describe, expect, it} from 'vitest'
import {startRedis} from '../../support/redis.ts'
import type {TestServer} from '../../support/server.ts'
import {compareExpected, compareServers} from './compare.ts'
import {expectedText} from './expectation.ts'
import {judge} from './known-differences.ts'
import {startLyingProxy} from './lying-proxy.ts'
import type {RunMode} from './run.ts'
import {parseScript, tokenise} from './script.ts'

const MODE: RunMode = {protocol: 2, delivery: 'whole', seed: 1, replyTimeoutMs: 500}
const script = (source: string) => parseScript('t', source, Date.now())

let redis: TestServer
beforeAll(async () => {
  redis = await startRedis()
})
afterAll(() => redis.stop())

describe('the differential harness', () => {
  it('finds one wrong byte, and names its step', async () => {
    const liar = await startLyingProxy(redis, 'falsify', 'falsity')
    const source = '== s\nSET a v\nGET a\nSET k falsify\nGET k\nSET k true\nGET k'
    // The two runs take turns: both sides are the same server.
    const honest = await compareServers(redis, redis, script('== s\nPING'), MODE)
    const got = await compareExpected(liar, script(source.replace('GET k\nSET', 'GET k\n= falsify\nSET')), MODE)
    await liar.stop()
    expect(honest).toEqual([])
    expect(got.map((d) => [d.line, d.step, d.got])).toEqual([[5, 'GET k', '$7\r\nfalsity\r\n']])
  })

  it('compares two servers, and finds a lie in either protocol', async () => {
    const other = await startRedis()
    const liar = await startLyingProxy(other, 'falsify', 'falsity')
    for (const protocol of [2, 3] as const) {
      const source = '== s\nHSET h a falsify\nHGETALL h\n[length] HGETALL h\nGET none'
      const differences = await compareServers(redis, liar, script(source), {...MODE, protocol})
      expect(differences.map((d) => d.step)).toEqual(['HGETALL h'])
    }
    await Promise.all([liar.stop(), other.stop()])
  })

  it('reports a missing reply, a closed connection and bytes that nobody asked for', async () => {
    const source =
      '== s\nQUIT\nPING\n= +PONG\n== t\n.raw 1 "PING\\r\\nPING\\r\\n"\n== u\n[silent] PING\n== v\nPING\n= +PONG'
    const differences = await compareExpected(redis, script(source), MODE)
    expect(differences.map((d) => [d.section, d.step, d.got])).toEqual([
      ['s', 'PING', '(no reply: closed)'],
      ['t', '(bytes that nobody asked for)', '+PONG\r\n'],
      ['u', '(bytes that nobody asked for)', '+PONG\r\n'],
    ])
  })

  it('does not accept a script that the reference cannot follow', async () => {
    const differences = await compareServers(
      redis,
      redis,
      script('== s\n.raw 2 "PING\\r\\n"\n.sleep 1\n[match ^x$] PING\n[match P] PING'),
      MODE,
    )
    expect(differences.map((d) => d.step)).toEqual(['.raw 2 "PING\\r\\n"', '[match ^x$] PING'])
  })

  it('judges: what is listed may differ, and must', async () => {
    const found = await compareExpected(redis, script('== s\nPING\n= +PING\nECHO a\n= b'), MODE)
    const entry = {family: 't', section: 's', step: 'PING', reason: 'to see it'}
    expect(judge(found, 't', 2, [entry]).surprises.map((d) => d.step)).toEqual(['ECHO a'])
    expect(judge(found, 't', 2, [{...entry, step: 'ECHO b'}]).stale).toHaveLength(1)
    expect(judge(found, 't', 2, [{...entry, step: 'ECHO b', protocol: 3}]).stale).toEqual([])
  })

  it('holds hand-written replies against what redis-server says', async () => {
    const source = [
      '== s',
      'HSET h a 1 "\\xff" ""',
      '= :2',
      'HGETALL h',
      '= {a 1 "\\xff" ""}',
      'GET none',
      '= nil',
      'HMGET h a none',
      '= [1 nil]',
      'GET h',
      '= -WRONGTYPE Operation against a key holding the wrong kind of value',
      '[type] HGETALL h',
      '= ~*',
      '= ~%',
      'COMMAND GETKEYS MSET a 1 b 2',
      '= [a b]',
    ].join('\n')
    for (const protocol of [2, 3] as const)
      expect(await compareExpected(redis, script(source), {...MODE, protocol})).toEqual([])
    const wrong = await compareExpected(redis, script('== s\nGET none\n= [nil]\nPING\n= PONG'), MODE)
    expect(wrong.map((d) => d.step)).toEqual(['GET none', 'PING'])
  })
})

describe('the script language', () => {
  it('reads words, quotes and escapes as bytes', () => {
    const words = tokenise('SET  "a b" "\\x00\\xff\\r\\n\\"" x"y').map((token) => token.bytes.toString('latin1'))
    expect(words).toEqual(['SET', 'a b', '\x00\xff\r\n"', 'x"y'])
  })

  it('expands repeats, ranges and times', () => {
    const [section] = parseScript('t', '== s\nX <ab*3> <2..3:f#,v#> <now+10> <nowms-5> "<a*2>" <x>', 5_000).sections
    const step = section!.steps[0]!
    expect(step.kind === 'command' ? step.args.map(String) : []).toEqual([
      ...['X', 'ababab', 'f2', 'v2', 'f3', 'v3', '15', '4995', '<a*2>', '<x>'],
    ])
  })

  it('refuses what it does not understand', () => {
    for (const bad of ['PING', '== s\n.nosuch', '== s\nGET "a', '== s\nGET "\\q"', '== s\n= :1'])
      expect(() => parseScript('t', bad, 0), bad).toThrow()
    expect(() => expectedText('[a', 2)).toThrow()
    expect(() => expectedText('a b', 2)).toThrow()
  })
})
