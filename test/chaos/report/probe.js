// Measures a report from within the page, in the browser: what sticks out, and how well text can be read. Leaves what it found as the page's only text, as JSON.

/** The relative luminance of WCAG 2 of a colour as the browser computed it. */
function light(color) {
  const [r, g, b] = color
    .match(/[\d.]+/g)
    .slice(0, 3)
    .map((part) => (part / 255 <= 0.03928 ? part / 255 / 12.92 : ((part / 255 + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}

/** The colour of the next thing below that is not transparent. */
function paperOf(element) {
  for (let below = element; below !== null; below = below.parentElement) {
    const color = getComputedStyle(below).backgroundColor
    if (color.startsWith('rgb(')) return color
  }
  return 'rgb(255, 255, 255)'
}

/** Texts of pictures that are cut off. */
function clippedTexts() {
  return [...document.querySelectorAll('svg text')]
    .filter((text) => {
      const frame = text.ownerSVGElement.getBoundingClientRect()
      const box = text.getBoundingClientRect()
      const isAside = box.left < frame.left - 1 || box.right > frame.right + 1
      return isAside || box.top < frame.top - 1 || box.bottom > frame.bottom + 1
    })
    .map((text) => text.textContent)
}

/** The text with the least contrast to what is below it. A dot stands for none, and may be faint. */
function faintestText() {
  let found = {contrast: Infinity, text: ''}
  const texts = 'h1, h2, h3, p, li, span, b, td:not(.none), th, pre, summary, svg text'
  for (const element of document.querySelectorAll(texts)) {
    const {fill, color} = getComputedStyle(element)
    const [ink, paper] = [light(element.ownerSVGElement ? fill : color), light(paperOf(element))]
    const contrast = (Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05)
    const text = element.textContent.trim().slice(0, 60)
    if (text !== '' && contrast < found.contrast) found = {contrast, text}
  }
  return found
}

const pictures = [...document.querySelectorAll('svg')].map((svg) => svg.getBoundingClientRect())
const measured = {
  isDark: matchMedia('(prefers-color-scheme: dark)').matches,
  width: document.documentElement.scrollWidth,
  windowWidth: innerWidth,
  height: document.documentElement.scrollHeight,
  pictures: pictures.length,
  empty: pictures.filter(({width, height}) => width < 50 || height < 20).length,
  clipped: clippedTexts(),
  faintest: faintestText(),
}
document.body.replaceChildren(JSON.stringify(measured))
