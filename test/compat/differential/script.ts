/**
 * The script language of the differential test: one line, one step. A file is a family, split in sections; every
 * section starts on an empty keyspace with fresh connections, so that a failure does not spill into the next.
 *
 *   == title                     a new section
 *   SET k "a\r\n\x00"            a command on connection 1; arguments are bytes, quoted ones know escapes
 *   2> GET k                     the same on connection 2 (opened when first named)
 *   [near] PTTL k                the reply goes through the named normaliser before it is compared
 *   [store d] DUMP k             ... and this one keeps the reply's payload for a later <$d>
 *   [silent] PING                no reply must come
 *   = :1                         hand-written reply of the step above (more lines: any of them)
 *   [match x] .receive           sends nothing, takes the next frame (a push)
 *   .raw 1 "PING\r\n"            these very bytes; so many replies
 *   .packet 1 "*1\r\n$x\r\n..."    like .raw, but at once in every delivery: what follows an error may reset the connection
 *   .sleep 30                    milliseconds
 *   .closed  .closed 2           the server closes the connection now
 *   .open  .open 2               a new connection under an old number
 *   .scan SCAN $ COUNT 5         follows the cursor to its end; what came, sorted and without duplicates
 *
 * Argument tokens: <x*300> repeats text, <$d> is what was stored, <1..3:f#,v#> becomes f1 v1 f2 v2 f3 v3,
 * <now+100> and <nowms+5000> are unix times, the same for both servers.
 */
export interface Variable {
  readonly variable: string
}
export type ScriptArg = Buffer | Variable

interface StepBase {
  /** Text of the line, which names the step in reports. */
  readonly text: string
  readonly line: number
  readonly connection: number
}
export interface CommandStep extends StepBase {
  readonly kind: 'command'
  /** Empty: nothing is sent. */
  readonly args: readonly ScriptArg[]
  readonly normaliser: string | undefined
  readonly normaliserArgs: readonly string[]
  readonly expected: string[]
}
export interface RawStep extends StepBase {
  readonly kind: 'raw'
  readonly bytes: Buffer
  readonly replies: number
  readonly atOnce: boolean
}
export interface ScanStep extends StepBase {
  readonly kind: 'scan'
  readonly args: readonly (Buffer | 'cursor')[]
}
export interface PlainStep extends StepBase {
  readonly kind: 'closed' | 'open'
}
export interface SleepStep extends StepBase {
  readonly kind: 'sleep'
  readonly ms: number
}
export type Step = CommandStep | RawStep | ScanStep | PlainStep | SleepStep

export interface Section {
  readonly title: string
  readonly steps: Step[]
}
export interface Script {
  readonly family: string
  readonly sections: readonly Section[]
}

const ESCAPES: Readonly<Record<string, number>> = {n: 10, r: 13, t: 9, '0': 0, '"': 34, '\\': 92}

interface Token {
  readonly bytes: Buffer
  readonly quoted: boolean
}

function readQuoted(line: string, at: number): {bytes: Buffer; next: number} {
  const parts: Buffer[] = []
  let i = at + 1
  for (; i < line.length && line[i] !== '"'; i++) {
    if (line[i] !== '\\') {
      parts.push(Buffer.from(line[i]!))
      continue
    }
    i += 1
    const escape = line[i]!
    if (escape === 'x') {
      parts.push(Buffer.from(line.slice(i + 1, i + 3), 'hex'))
      i += 2
    } else {
      const code = ESCAPES[escape]
      if (code === undefined) throw new Error(`unknown escape \\${escape}`)
      parts.push(Buffer.from([code]))
    }
  }
  if (line[i] !== '"') throw new Error('unclosed quote')
  return {bytes: Buffer.concat(parts), next: i + 1}
}

/** Words of a line: separated by spaces, double quotes with escapes. */
export function tokenise(line: string): Token[] {
  const tokens: Token[] = []
  let i = 0
  while (i < line.length) {
    if (line[i] === ' ') {
      i += 1
    } else if (line[i] === '"') {
      const {bytes, next} = readQuoted(line, i)
      tokens.push({bytes, quoted: true})
      i = next
    } else {
      const space = line.indexOf(' ', i)
      const end = space === -1 ? line.length : space
      tokens.push({bytes: Buffer.from(line.slice(i, end)), quoted: false})
      i = end
    }
  }
  return tokens
}

function expand(token: Token, nowMs: number): ScriptArg[] {
  const text = token.bytes.toString()
  const inner = token.quoted ? null : /^<(.+)>$/.exec(text)
  if (inner === null) return [token.bytes]
  const body = inner[1]!
  const repeat = /^(.+)\*(\d+)$/.exec(body)
  if (repeat !== null) return [Buffer.from(repeat[1]!.repeat(Number(repeat[2])))]
  const range = /^(\d+)\.\.(\d+):(.+)$/.exec(body)
  if (range !== null) {
    const args: Buffer[] = []
    for (let i = Number(range[1]); i <= Number(range[2]); i++)
      for (const pattern of range[3]!.split(',')) args.push(Buffer.from(pattern.replaceAll('#', String(i))))
    return args
  }
  const time = /^(now|nowms)([+-]\d+)$/.exec(body)
  if (time !== null) {
    const base = time[1] === 'now' ? Math.floor(nowMs / 1000) : nowMs
    return [Buffer.from(String(base + Number(time[2])))]
  }
  if (body.startsWith('$')) return [{variable: body.slice(1)}]
  return [token.bytes]
}

function parseCommand(text: string, line: number, nowMs: number): CommandStep {
  let rest = text
  let connection = 1
  const on = /^(\d)> /.exec(rest)
  if (on !== null) {
    connection = Number(on[1])
    rest = rest.slice(on[0].length)
  }
  const tag = /^\[(.+?)\] /.exec(rest)
  const [normaliser, ...normaliserArgs] = tag === null ? [] : tag[1]!.split(' ')
  if (tag !== null) rest = rest.slice(tag[0].length)
  const args = rest === '.receive' ? [] : tokenise(rest).flatMap((token) => expand(token, nowMs))
  return {kind: 'command', text, line, connection, args, normaliser, normaliserArgs, expected: []}
}

function parseDirective(text: string, line: number): Step {
  const [name, ...words] = text.split(' ')
  switch (name) {
    case '.raw':
    case '.packet': {
      const [, count, ...parts] = tokenise(text)
      const bytes = Buffer.concat(parts.map((part) => part.bytes))
      const replies = Number(count!.bytes.toString())
      return {kind: 'raw', text, line, connection: 1, bytes, replies, atOnce: name === '.packet'}
    }
    case '.sleep':
      return {kind: 'sleep', text, line, connection: 1, ms: Number(words[0])}
    case '.closed':
      return {kind: 'closed', text, line, connection: Number(words[0] ?? 1)}
    case '.open':
      return {kind: 'open', text, line, connection: Number(words[0] ?? 1)}
    case '.scan': {
      const args = tokenise(text.slice('.scan '.length)).map((token) =>
        !token.quoted && token.bytes.toString() === '$' ? ('cursor' as const) : token.bytes,
      )
      return {kind: 'scan', text, line, connection: 1, args}
    }
    default:
      throw new Error(`unknown directive ${name}`)
  }
}

export function parseScript(family: string, source: string, nowMs: number): Script {
  const sections: Section[] = []
  source.split('\n').forEach((raw, index) => {
    const text = raw.trim()
    const line = index + 1
    const section = sections.at(-1)
    const fail = (why: string): Error => new Error(`${family}:${line}: ${why}: ${text}`)
    if (text === '' || text.startsWith('#')) return
    if (text.startsWith('== ')) {
      sections.push({title: text.slice(3), steps: []})
      return
    }
    if (section === undefined) throw fail('a step before the first section')
    if (text.startsWith('= ')) {
      const last = section.steps.at(-1)
      if (last?.kind !== 'command') throw fail('an expectation without a command')
      last.expected.push(text.slice(2))
      return
    }
    try {
      section.steps.push(
        text.startsWith('.') && text !== '.receive' ? parseDirective(text, line) : parseCommand(text, line, nowMs),
      )
    } catch (error) {
      throw fail(error instanceof Error ? error.message : String(error))
    }
  })
  return {family, sections}
}
