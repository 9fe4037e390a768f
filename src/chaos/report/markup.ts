/**
 * HTML and SVG as template literals in which whatever is put in is escaped: keys and values come from outside, and a report is opened in a browser.
 * Only what was made by `markup` itself is put in as it is.
 */

export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

export type Piece = string | number | Markup | readonly Markup[] | null

const ENTITIES: Readonly<Record<string, string>> = {'&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;'}
/** What no HTML and no XML may hold, not even as an entity. */
const FORBIDDEN =
  /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f\ufffe\uffff]|[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g

/** Text and attributes alike; what cannot be shown becomes a replacement character. */
export function escapeMarkup(text: string): string {
  return text.replace(FORBIDDEN, '\ufffd').replace(/[&<>"']/g, (char) => ENTITIES[char]!)
}

export function markup(parts: TemplateStringsArray, ...pieces: Piece[]): Markup {
  return new Markup(parts.map((part, i) => part + (i < pieces.length ? textOf(pieces[i]!) : '')).join(''))
}

function textOf(piece: Piece): string {
  if (piece === null) return ''
  if (piece instanceof Markup) return piece.text
  if (typeof piece === 'object') return piece.map(({text}) => text).join('\n')
  return escapeMarkup(String(piece))
}
