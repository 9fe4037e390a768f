/** Longest common subsequence by dynamic programming (Wagner, Fischer 1974), walked back from the end as Redis does, so that ties fall alike. */

export interface CommonRange {
  /** Where it begins in the first and in the second string. */
  readonly a: number
  readonly b: number
  readonly length: number
}

export interface CommonSubsequence {
  readonly bytes: Buffer
  /** Runs of matching bytes, from the end of the strings to their beginning. */
  readonly ranges: readonly CommonRange[]
}

/** Takes (a.length + 1) * (b.length + 1) * 4 bytes while it runs. */
export function longestCommonSubsequence(a: Buffer, b: Buffer): CommonSubsequence {
  const width = b.length + 1
  const table = new Uint32Array((a.length + 1) * width)
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const at = i * width + j
      if (a[i - 1] === b[j - 1]) table[at] = table[at - width - 1]! + 1
      else table[at] = Math.max(table[at - width]!, table[at - 1]!)
    }
  }
  let left = table[a.length * width + b.length]!
  const bytes = Buffer.alloc(left)
  const ranges: CommonRange[] = []
  let run = 0
  let i = a.length
  let j = b.length
  const close = (): void => {
    if (run > 0) ranges.push({a: i, b: j, length: run})
    run = 0
  }
  while (i > 0 && j > 0) {
    if (a[i - 1] === b[j - 1]) {
      bytes[--left] = a[i - 1]!
      run++
      i--
      j--
      continue
    }
    close()
    if (table[(i - 1) * width + j]! > table[i * width + j - 1]!) i--
    else j--
  }
  close()
  return {bytes, ranges}
}
