/** Help texts are written as paragraphs of short lines here, and wrapped to the reader's terminal by oclif. */

/** Template tag: line breaks inside a paragraph become blanks, empty lines stay. */
export function prose(strings: TemplateStringsArray, ...values: readonly (string | number)[]): string {
  return String.raw({raw: strings}, ...values)
    .trim()
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.trim().replace(/\s*\n\s*/g, ' '))
    .join('\n\n')
}
