/** Coloured text cut to a screen: rows are as wide as it is and as many as it has, so that each frame covers the last one. Pure. */

const COLOUR = /(\x1b\[[\d;]*m)/
const RESET = '\x1b[0m'

/** What does not fit below is said in the last row. */
export function fitRows(text: string, width: number, height: number): string[] {
  const lines = text.split('\n')
  const more = lines.length - height
  const shown = more > 0 ? [...lines.slice(0, height - 1), `... ${more + 1} more lines`] : lines
  const blank = new Array<string>(Math.max(0, height - shown.length)).fill('')
  return [...shown, ...blank].map((line) => fitRow(line, width))
}

/** Colours take no room; one that is cut within is ended. */
function fitRow(line: string, width: number): string {
  let row = ''
  let used = 0
  for (const part of line.split(COLOUR)) {
    if (COLOUR.test(part)) row += part
    else {
      const kept = part.slice(0, width - used)
      row += kept
      used += kept.length
    }
  }
  return row + (COLOUR.test(line) ? RESET : '') + ' '.repeat(width - used)
}
