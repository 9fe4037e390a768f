/** `kv log tail`: what its lines say, what is chosen, and that it follows a log that grows. */
import {describe, expect, onTestFinished, test} from 'vitest'
import {JsonLines, PersonLines, shown} from '../../src/cli/log-lines.ts'
import {Tail, type TailFilter} from '../../src/datalog/tail.ts'
import {RecordWriter} from '../../src/record/codec.ts'
import {
  IMAGE_FIRST,
  IMAGE_GAP,
  LOG_EPOCH,
  LOG_IMAGE,
  LOG_IMAGE_BEGIN,
  LOG_NOTE,
  LOG_RECORDS,
} from '../../src/record/log-entry.ts'
import {openLogWriter} from '../../src/datalog/log-writer.ts'
import {folderOf} from '../datalog/log-folder.ts'
import {MemoryLog} from '../datalog/memory-log.ts'
import {Recorder} from '../datalog/recorder.ts'
import {START_MS} from '../core/support.ts'
import {waitFor} from '../support/wait.ts'
import {hasEscapes, kv, shell, startKv} from './kv-command.ts'

const ALL: TailFilter = {images: true}

function person(log: MemoryLog, filter: TailFilter = ALL): string[] {
  const lines: string[] = []
  const tail = new Tail(filter, new PersonLines((line) => lines.push(line)))
  for (const entry of log.list) tail.take(entry)
  return lines
}

function json(log: MemoryLog, filter: TailFilter = ALL): unknown[] {
  const lines: unknown[] = []
  const tail = new Tail(filter, new JsonLines((line) => lines.push(JSON.parse(line))))
  for (const entry of log.list) tail.take(entry)
  return lines
}

/** A change of every kind, and everything that is no change. */
function everyKind(): MemoryLog {
  const recorder = new Recorder(['{t}a', '{t}m'])
  recorder.follow()
  recorder.subject.run('SET', '{t}a', 'v', 'PX', '1000')
  recorder.subject.run('PERSIST', '{t}a')
  recorder.subject.run('HSET', '{t}m', 'f', '1', 'g', '2')
  recorder.subject.run('HPEXPIRE', '{t}m', '5000', 'FIELDS', '1', 'f')
  recorder.subject.run('HPERSIST', '{t}m', 'FIELDS', '1', 'f')
  recorder.subject.run('HDEL', '{t}m', 'g')
  recorder.subject.run('PEXPIRE', '{t}m', '7000')
  recorder.subject.run('DEL', '{t}a')
  recorder.raise(0)
  recorder.begin(0)
  recorder.finish(0)
  recorder.note()
  return recorder.log
}

const BUCKET = 15891
const TIME = '2027-01-15T08:00:00.000Z'

describe('lines', () => {
  test('a person reads what happened', () => {
    expect(person(everyKind())).toEqual([
      `${TIME} ${BUCKET} 0.0 image-begin (first)`,
      `${TIME} ${BUCKET} 0.0 image-end`,
      `${TIME} ${BUCKET} 0.1 set "{t}a" "v"  expires 2027-01-15T08:00:01.000Z`,
      `${TIME} ${BUCKET} 0.2 persist "{t}a"`,
      `${TIME} ${BUCKET} 0.3 map-set "{t}m" "f" "1"`,
      `${TIME} ${BUCKET} 0.4 map-set "{t}m" "g" "2"`,
      `${TIME} ${BUCKET} 0.5 field-expire-at "{t}m" "f"  expires 2027-01-15T08:00:05.000Z`,
      `${TIME} ${BUCKET} 0.6 field-persist "{t}m" "f"`,
      `${TIME} ${BUCKET} 0.7 map-delete "{t}m" "g"`,
      `${TIME} ${BUCKET} 0.8 expire-at "{t}m"  expires 2027-01-15T08:00:07.000Z`,
      `${TIME} ${BUCKET} 0.9 delete "{t}a"`,
      `${TIME} ${BUCKET} 1.9 epoch`,
      `${TIME} ${BUCKET} 1.9 image-begin (gap)`,
      `${TIME} ${BUCKET} 1.9 image/map-set "{t}m" "f" "1"`,
      `${TIME} ${BUCKET} 1.9 image/expire-at "{t}m"  expires 2027-01-15T08:00:07.000Z`,
      `${TIME} ${BUCKET} 1.9 image-end`,
      `${TIME}     - - note "{}"`,
    ])
  })

  test('a machine gets all of it, with where it stands', () => {
    const found = json(everyKind())
    expect(found).toHaveLength(17)
    expect(found[0]).toMatchObject({op: 'image-begin', reason: 'first', bucket: BUCKET, epoch: 0, seq: 0})
    expect(found[2]).toEqual({
      ...{time: START_MS, bucket: BUCKET, epoch: 0, seq: 1, op: 'set', key: '{t}a', value: 'v'},
      ...{expireAt: START_MS + 1000, segment: 1, offset: 2064},
    })
    expect(found[4]).toMatchObject({op: 'map-set', key: '{t}m', field: 'f', value: '1', more: true})
    expect(found[13]).toMatchObject({op: 'map-set', image: true})
    expect(found[16]).toMatchObject({op: 'note', note: '{}', time: START_MS})
  })

  test('images are hidden unless they are asked for, but a gap is always told', () => {
    const words = person(everyKind(), {images: false}).map((line) => line.split(' ').filter(Boolean).slice(3).join(' '))
    expect(words[0]).toBe('set "{t}a" "v" expires 2027-01-15T08:00:01.000Z')
    expect(words.slice(-3)).toEqual(['epoch', 'image-begin (gap)', 'note "{}"'])
    expect(words).toHaveLength(12)
  })

  test('strange bytes can neither move the cursor nor begin a line, and long values are cut between characters', () => {
    const text = (value: string | Buffer): string => shown(Buffer.from(value), 0, Buffer.byteLength(value))
    expect(text('a "b" \\')).toBe('"a \\"b\\" \\\\"')
    expect(text('\u001b[2J\n')).toBe('"\\x1b[2J\\x0a"')
    expect(text('grüße')).toBe('"grüße"')
    expect(text('\u202e')).toBe('"\\xe2\\x80\\xae"')
    expect(text(Buffer.from([0xff, 0x41]))).toBe('"\\xffA"')
    expect(text('x'.repeat(3000))).toBe(`"${'x'.repeat(64)}"... (3,000 bytes)`)
    expect(text(`${'x'.repeat(63)}üx`)).toBe(`"${'x'.repeat(63)}"... (66 bytes)`)
  })

  test('bytes that are no UTF-8 come as base64 under --json', () => {
    const log = new MemoryLog()
    const writer = new RecordWriter()
    const bytes = Buffer.from([0xff, 0x00])
    writer.set(7, 1, 1, START_MS, bytes, 0, 2, Buffer.from('\ufffd"\n'), 0, 5, Infinity)
    log.append(LOG_RECORDS, Buffer.from(writer.frame()), START_MS)
    expect(json(log)[0]).toMatchObject({key: {base64: '/wA='}, value: '\ufffd"\n'})
  })

  test('lines of many buckets are one for a person and many for a machine', () => {
    const log = new MemoryLog()
    log.lines(
      LOG_IMAGE_BEGIN,
      [1, 2, 3, 9].map((bucket) => ({bucket, epoch: 1, code: IMAGE_FIRST})),
      START_MS,
    )
    log.lines(LOG_EPOCH, [], START_MS)
    log.lines(
      LOG_IMAGE_BEGIN,
      [
        {bucket: 1, epoch: 1, code: IMAGE_GAP},
        {bucket: 2, epoch: 1, code: IMAGE_FIRST},
      ],
      START_MS,
    )
    expect(person(log)).toEqual([
      `${TIME}     - - image-begin (first) 4 buckets: 1-3,9`,
      `${TIME}     1 1.0 image-begin (gap)`,
      `${TIME}     2 1.0 image-begin (first)`,
    ])
    expect(json(log)).toHaveLength(6)
  })
})

describe('what is chosen', () => {
  test.each([
    [
      'a key',
      {key: Buffer.from('*m')},
      ['map-set', 'map-set', 'field-expire-at', 'field-persist', 'map-delete', 'expire-at'],
    ],
    ['ops', {ops: new Set(['delete', 'image-begin'])}, ['image-begin', 'delete', 'image-begin']],
    ['a bucket', {buckets: new Set([7])}, ['note']],
    ['a time to come', {since: START_MS + 1}, []],
    ['a time before', {until: START_MS - 1}, []],
  ])('%s', (_, filter, ops) => {
    const found = json(everyKind(), {images: false, ...filter}) as {op: string}[]
    expect(found.map(({op}) => op)).toEqual(ops)
  })

  test('records of an image can be chosen too', () => {
    const found = json(everyKind(), {images: true, key: Buffer.from('{t}m')}) as {image?: boolean}[]
    expect(found.filter(({image}) => image)).toHaveLength(2)
    expect(LOG_IMAGE).not.toBe(LOG_NOTE)
  })
})

describe('kv log tail', () => {
  test('shows a folder; a reader that leaves ends it quietly', async () => {
    const dir = await folderOf(everyKind())
    const all = await kv(['log', 'tail', dir, '--images'])
    expect(all).toMatchObject({exit: 0, stderr: ''})
    expect(all.stdout.trimEnd().split('\n')).toEqual(person(everyKind()))
    expect(hasEscapes(all.stdout)).toBe(false)
    const few = await kv(['log', 'tail', dir, '-n', '2', '--json'])
    expect(
      few.stdout
        .trimEnd()
        .split('\n')
        .map((line) => (JSON.parse(line) as {op: string}).op),
    ).toEqual(['image-begin', 'note'])
    const head = await shell(`./bin/kv log tail ${dir} | head -1`)
    expect(head).toMatchObject({exit: 0, stderr: ''})
    expect(head.stdout).toContain('set "{t}a"')
  })

  test('-f shows the last lines, then what comes, and Ctrl-C ends it', async () => {
    const log = everyKind()
    const dir = await folderOf(log)
    const child = startKv(['log', 'tail', dir, '-f', '-n', '1'])
    await waitFor('the last line', () => child.stdout().includes('note "{}"'))
    const writer = await openLogWriter(dir, {identity: log.identity, now: 0, isDaily: false})
    onTestFinished(() => writer.close())
    const records = new RecordWriter()
    const key = Buffer.from('new')
    records.set(BUCKET, 1, 10, START_MS + 5, key, 0, 3, key, 0, 3, Infinity)
    writer.append(LOG_RECORDS, Buffer.from(records.frame()), START_MS + 5)
    await waitFor('the new line', () =>
      child.stdout().includes(`2027-01-15T08:00:00.005Z ${BUCKET} 1.10 set "new" "new"\n`),
    )
    child.process.kill('SIGINT')
    expect(await child.exited).toBe(130)
    expect(child.stdout().trimEnd().split('\n')).toHaveLength(2)
    expect(child.stderr()).toBe('')
  })

  test('refuses what is no log, no op, and -f with an end', async () => {
    const dir = await folderOf(everyKind())
    const cases: [string[], number, string][] = [
      [['log', 'tail', '/nowhere'], 1, 'there is no data log in /nowhere'],
      [['log', 'tail', dir, '--op', 'get'], 2, 'There is no op "get"'],
      [['log', 'tail', dir, '-f', '--until', '2026-01-01'], 2, 'until'],
    ]
    for (const [args, exit, words] of cases) {
      expect(await kv(args)).toMatchObject({exit, stderr: expect.stringContaining(words)})
    }
  })
})
