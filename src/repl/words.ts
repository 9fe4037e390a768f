/**
 * One line of the console, taken apart: words, and where the output goes. Quotes are redis-cli's: in "..." backslashes
 * escape (`\n`, `\xff`, `\"`), in '...' only `\'`. A lone unquoted `|`, `>` or `>>` ends the words; behind `|` the rest
 * of the line belongs to the shell, as it stands.
 *
 *   set note "two\nlines"          hgetall user:1 | jq .          buckets list > buckets.txt
 *
 * Pure. A line that ends within quotes or with a backslash is not wrong but unfinished: the next line goes on with it.
 */

export interface Word {
  readonly bytes: Buffer
  /** The bytes as text, for commands and their like. */
  readonly text: string
  readonly isQuoted: boolean
}

export type Destination =
  | {readonly kind: 'screen'}
  | {readonly kind: 'file'; readonly path: string; readonly isAppended: boolean}
  | {readonly kind: 'program'; readonly command: string}

export interface Statement {
  readonly words: readonly Word[]
  readonly to: Destination
}

export type Parsed =
  | {readonly kind: 'statement'; readonly statement: Statement}
  /** Nothing is typed, or a comment. */
  | {readonly kind: 'nothing'}
  | {readonly kind: 'unfinished'}
  | {readonly kind: 'wrong'; readonly problem: string}

/** A word, where it begins and ends in the text, and whether its quote is still open. */
export interface Piece {
  readonly word: Word
  readonly from: number
  readonly to: number
  readonly quote: '' | '"' | "'"
  readonly isOpen: boolean
  readonly problem: string
}

const BLANK = /\s/
const NAMED: Readonly<Record<string, string>> = {n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07'}
const SCREEN: Destination = {kind: 'screen'}

export function parseLine(text: string): Parsed {
  if (/^\s*(#|$)/.test(text)) return {kind: 'nothing'}
  const words: Word[] = []
  for (let at = skipBlanks(text, 0); at < text.length;) {
    const piece = readPiece(text, at)
    if (piece.isOpen) return {kind: 'unfinished'}
    if (piece.problem !== '') return {kind: 'wrong', problem: piece.problem}
    at = skipBlanks(text, piece.to)
    if (isRedirection(piece)) return redirected(words, piece.word.text, text.slice(at))
    words.push(piece.word)
  }
  return words.length === 0 ? {kind: 'nothing'} : {kind: 'statement', statement: {words, to: SCREEN}}
}

/** The pieces of an unfinished line up to its end, for hints and completion; null behind a `|` or `>`. */
export function piecesOf(text: string): readonly Piece[] | null {
  const pieces: Piece[] = []
  for (let at = skipBlanks(text, 0); at < text.length;) {
    const piece = readPiece(text, at)
    if (isRedirection(piece)) return null
    pieces.push(piece)
    at = skipBlanks(text, piece.to)
  }
  return pieces
}

function isRedirection({word, isOpen}: Piece): boolean {
  return !isOpen && !word.isQuoted && (word.text === '|' || word.text === '>' || word.text === '>>')
}

function redirected(words: readonly Word[], mark: string, rest: string): Parsed {
  if (words.length === 0) return {kind: 'wrong', problem: `There is no command before ${mark}.`}
  const target = rest.trim()
  if (mark === '|') {
    if (target === '') return {kind: 'wrong', problem: 'Behind | goes a program, for example | jq .'}
    return {kind: 'statement', statement: {words, to: {kind: 'program', command: target}}}
  }
  const piece = target === '' ? undefined : readPiece(target, 0)
  if (piece?.isOpen) return {kind: 'unfinished'}
  if (!piece || piece.word.text === '' || piece.to !== target.length)
    return {kind: 'wrong', problem: `Behind ${mark} goes the name of one file; quote a ${mark} that is a value.`}
  return {
    kind: 'statement',
    statement: {words, to: {kind: 'file', path: piece.word.text, isAppended: mark === '>>'}},
  }
}

function skipBlanks(text: string, from: number): number {
  let at = from
  // A backslash before the end of a line joins it with the next one.
  while (at < text.length && (BLANK.test(text[at]!) || isJoin(text, at))) at++
  return at
}

function isJoin(text: string, at: number): boolean {
  return text[at] === '\\' && text[at + 1] === '\n'
}

function readPiece(text: string, from: number): Piece {
  const first = text[from]!
  return first === '"' || first === "'" ? readQuoted(text, from, first) : readPlain(text, from)
}

function readPlain(text: string, from: number): Piece {
  let at = from
  while (at < text.length && !BLANK.test(text[at]!) && !isJoin(text, at)) at++
  const raw = text.slice(from, at)
  const isOpen = at === text.length && raw.endsWith('\\')
  return {word: wordOf(Buffer.from(raw), false), from, to: at, quote: '', isOpen, problem: ''}
}

function readQuoted(text: string, from: number, quote: '"' | "'"): Piece {
  const bytes: Buffer[] = []
  let at = from + 1
  while (at < text.length && text[at] !== quote) {
    const [part, next] = quote === '"' ? escapedAt(text, at) : singleAt(text, at)
    bytes.push(part)
    at = next
  }
  const isOpen = at >= text.length
  const to = isOpen ? text.length : at + 1
  const isGlued = !isOpen && to < text.length && !BLANK.test(text[to]!)
  const problem = isGlued ? `Behind the closing ${quote} goes a blank.` : ''
  return {word: wordOf(Buffer.concat(bytes), true), from, to, quote, isOpen, problem}
}

/** What stands at `at` within double quotes, and where what follows begins. */
function escapedAt(text: string, at: number): readonly [Buffer, number] {
  if (text[at] !== '\\' || at + 1 >= text.length) return characterAt(text, at)
  const hex = /^x([0-9a-f]{2})/i.exec(text.slice(at + 1, at + 4))
  if (hex) return [Buffer.from([Number.parseInt(hex[1]!, 16)]), at + 4]
  const next = text[at + 1]!
  const named = NAMED[next]
  return named === undefined ? characterAt(text, at + 1) : [Buffer.from(named), at + 2]
}

function singleAt(text: string, at: number): readonly [Buffer, number] {
  return characterAt(text, text[at] === '\\' && text[at + 1] === "'" ? at + 1 : at)
}

function characterAt(text: string, at: number): readonly [Buffer, number] {
  const character = String.fromCodePoint(text.codePointAt(at)!)
  return [Buffer.from(character), at + character.length]
}

function wordOf(bytes: Buffer, isQuoted: boolean): Word {
  return {bytes, text: bytes.toString(), isQuoted}
}

/** The word as it has to be typed to come out as these bytes. */
export function quoteWord(bytes: Buffer): string {
  const text = bytes.toString()
  const isText = Buffer.from(text).equals(bytes)
  if (isText && /^[^\s"'\\|>#\p{C}][^\s"'\\\p{C}]*$/u.test(text)) return text
  let quoted = ''
  for (const character of isText ? text : bytes.toString('latin1')) quoted += escapeCharacter(character, isText)
  return `"${quoted}"`
}

function escapeCharacter(character: string, isText: boolean): string {
  const code = character.codePointAt(0)!
  if (character === '"' || character === '\\') return `\\${character}`
  const name = Object.entries(NAMED).find(([, named]) => named === character)
  if (name) return `\\${name[0]}`
  const isShown = isText ? !/\p{C}/u.test(character) : code >= 32 && code < 127
  return isShown ? character : [...Buffer.from(character, isText ? 'utf8' : 'latin1')].map(hex).join('')
}

function hex(byte: number): string {
  return `\\x${byte.toString(16).padStart(2, '0')}`
}
