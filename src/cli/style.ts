/**
 * Colour, or none. Colour goes to a terminal only, never into a pipe, and never under NO_COLOR or TERM=dumb. Each
 * stream is asked on its own: stdout may be piped while stderr is a terminal.
 */
import {Chalk, type ChalkInstance} from 'chalk'

/** What `isTTY` of a stream may be; a pipe has no such property. */
interface Output {
  readonly isTTY?: boolean
}

/** True if the stream is a terminal that can move its cursor and show colour. */
export function isRichTerminal(stream: Output): boolean {
  return stream.isTTY === true && process.env['TERM'] !== 'dumb'
}

/** Chalk for one stream; it hands text through unchanged where there must be no colour. */
export function styleFor(stream: Output): ChalkInstance {
  const hasColour = isRichTerminal(stream) && !process.env['NO_COLOR']
  return new Chalk({level: hasColour ? 1 : 0})
}
