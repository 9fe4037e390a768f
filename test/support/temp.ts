/** Temporary folders, each removed by whoever made it, and at the latest when the process exits. */
import {mkdtempSync, rmSync} from 'node:fs'
import {tmpdir} from 'node:os'
import {join} from 'node:path'

const made = new Set<string>()

process.once('exit', () => {
  for (const path of made) rmSync(path, {recursive: true, force: true})
})

export interface TempDir {
  readonly path: string
  remove(): void
}

export function tempDir(label = 'test'): TempDir {
  const path = mkdtempSync(join(tmpdir(), `kv-${label}-`))
  made.add(path)
  return {
    path,
    remove() {
      rmSync(path, {recursive: true, force: true})
      made.delete(path)
    },
  }
}
