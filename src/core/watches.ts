/**
 * WATCHed keys (check-and-set): who watches which key, and who was overtaken. Kept by the key's bytes, on the JavaScript
 * heap: few keys are watched at a time. While none is, writers ask `isActive` and go on.
 */

/** What a session holds of its watches; `isDirty` once a watched key changed. */
export interface Watcher {
  isDirty: boolean
  readonly watched: Set<string>
}

export class Watches {
  readonly #watchers = new Map<string, Set<Watcher>>()
  isActive = false

  watch(watcher: Watcher, key: string): void {
    if (watcher.watched.has(key)) return
    watcher.watched.add(key)
    const watchers = this.#watchers.get(key)
    if (watchers) watchers.add(watcher)
    else this.#watchers.set(key, new Set([watcher]))
    this.isActive = true
  }

  /** Ends all watches of the session and makes it clean. */
  unwatch(watcher: Watcher): void {
    for (const key of watcher.watched) {
      const watchers = this.#watchers.get(key)
      watchers?.delete(watcher)
      if (watchers?.size === 0) this.#watchers.delete(key)
    }
    watcher.watched.clear()
    watcher.isDirty = false
    this.isActive = this.#watchers.size > 0
  }

  /** The key `bytes[from, from + length)` changes. */
  touch(bytes: Buffer, from: number, length: number): void {
    const watchers = this.#watchers.get(bytes.toString('latin1', from, from + length))
    if (watchers) for (const watcher of watchers) watcher.isDirty = true
  }

  /** The watched keys for which this is true change. */
  touchWhere(isChanged: (key: Buffer) => boolean): void {
    for (const [key, watchers] of this.#watchers) {
      if (isChanged(Buffer.from(key, 'latin1'))) for (const watcher of watchers) watcher.isDirty = true
    }
  }
}
