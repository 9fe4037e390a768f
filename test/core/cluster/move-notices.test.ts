/** What clients are told of buckets that have another master. */
import {expect, test} from 'vitest'
import {MoveNotices} from '../../../src/core/cluster/move-notices.ts'
import {Session} from '../../../src/core/session.ts'
import {ReplyWriter} from '../../../src/resp/reply-writer.ts'
import {addCopies, makeMap, makeMember, moveMaster, mustApply} from './make.ts'

function makeClients(): {sessions: Session[]; pushes: string[]; notices: MoveNotices} {
  const sessions = [1, 2, 3].map((id) => new Session(id, 'client', 'here', 0, true))
  const pushes: string[] = []
  const notices = new MoveNotices({
    sessions: () => sessions,
    push: (session, write) => {
      const out = new ReplyWriter()
      out.proto = session.proto
      write(out)
      pushes.push(`${session.id} ${out.buf.toString('latin1', 0, out.pos)}`)
    },
  })
  // The first asked for it, the second speaks RESP2, the third did not ask.
  sessions[0]!.wantsMaintenance = true
  sessions[0]!.proto = 3
  sessions[1]!.wantsMaintenance = true
  sessions[2]!.proto = 3
  return {sessions, pushes, notices}
}

test('a client that asked is told once, in the form that node-redis reads; what was so at first is no news', () => {
  const {pushes, notices} = makeClients()
  const map = makeMap(2)
  addCopies(map, '0-9', 1)
  notices.note(map, null)
  notices.flush()
  expect(pushes).toEqual([])
  moveMaster(map, '1-2,7', 1)
  notices.note(map, [1, 2, 7])
  notices.flush()
  notices.flush()
  const [from, to] = map.members.map((member) => `${member!.host}:${member!.port}`)
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`
  const moves = `*1\r\n*3\r\n${bulk(from!)}${bulk(to!)}${bulk('1-2,7')}`
  expect(pushes).toEqual([`1 >3\r\n${bulk('SMIGRATED')}:${map.revision}\r\n${moves}`])
})

test('a node that is gone is named by the address that clients know', () => {
  const {pushes, notices} = makeClients()
  const map = makeMap(2)
  addCopies(map, '0-16383', 1)
  notices.note(map, null)
  const {host, port, id, incarnation} = map.members[0]!
  mustApply(map, {type: 'down', node: id, incarnation}, {type: 'removed', node: id})
  mustApply(map, {type: 'joined', member: makeMember(5)})
  notices.note(map, null)
  notices.flush()
  expect(pushes).toHaveLength(1)
  expect(pushes[0]).toContain(`${host}:${port}\r\n`)
  expect(pushes[0]).toContain('0-16383')
})

test('a client that passes over numbers it has met misses nothing, whichever nodes it hears and however their turns fell', () => {
  const map = makeMap(2)
  addCopies(map, '0-9', 1)
  // One node tells of each change by itself; another, whose turn was longer, of both together.
  const quick = makeClients()
  const slow = makeClients()
  for (const {notices} of [quick, slow]) notices.note(map, null)
  for (const bucket of [3, 4]) {
    moveMaster(map, String(bucket), 1)
    for (const {notices} of [quick, slow]) notices.note(map, [bucket])
    quick.notices.flush()
  }
  slow.notices.flush()
  const numberOf = (push: string | undefined): string => /SMIGRATED\r\n:(\d+)/.exec(push!)![1]!
  const [first, second] = quick.pushes.map(numberOf)
  // Met after the quick node's first, the slow node's is news; after its second, or instead of it, it is not.
  expect(numberOf(slow.pushes[0])).not.toBe(first)
  expect(numberOf(slow.pushes[0])).toBe(second)
})
