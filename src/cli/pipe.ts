/** What happens when the reader of our stdout leaves, as in `kv ... | head -1`. */

let onReaderLeft: () => void = () => process.exit()

/** The usual way: the reader has what it wanted, so the writer ends, quietly, with the exit code it has. */
export function watchReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    // EIO is what a terminal that was closed gives.
    if (error.code !== 'EPIPE' && error.code !== 'EIO') throw error
    onReaderLeft()
  })
}

/** For a command that does more than print: it goes on, and what it prints is lost. */
export function outliveReader(): void {
  onReaderLeft = () => undefined
}
