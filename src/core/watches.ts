/**
 * WATCHed keys (check-and-set): who watches which key, and who was overtaken. Kept by the key's bytes, on the JavaScript
 * heap: few keys are watched at a time. While none is, and nobody listens to all changes (tracking/), writers ask `isActive` and go on.
 */
import {keyBucket} from '../base/crc16.ts'

/** What a session holds of its watches; `isDirty` once a watched key changed. */
export interface Watcher {
  isDirty: boolean
  readonly watched: Set<string>
}

/** Wants to know of every change of a key. */
export interface KeyListener {
  /** `bytes[from, from + length)`, as Latin-1 `key`, changes. */
  touched(key: string, bytes: Buffer, from: number, length: number): void
  /** All keys of the bucket go. */
  bucketCleared(bucket: number): void
  /** All keys go. */
  allCleared(): void
}

export class Watches {
  readonly #watchers = new Map<string, Set<Watcher>>()
  #listener: KeyListener | null = null
  isActive = false

  /** Null: nobody listens any more. */
  listen(listener: KeyListener | null): void {
    this.#listener = listener
    this.isActive = this.#watchers.size > 0 || listener !== null
  }

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
    this.isActive = this.#watchers.size > 0 || this.#listener !== null
  }

  /** The key `bytes[from, from + length)` changes. */
  touch(bytes: Buffer, from: number, length: number): void {
    const key = bytes.toString('latin1', from, from + length)
    const watchers = this.#watchers.get(key)
    if (watchers) for (const watcher of watchers) watcher.isDirty = true
    this.#listener?.touched(key, bytes, from, length)
  }

  /** The keys of the bucket change, of which those that `isThere` names exist. */
  touchBucket(bucket: number, isThere: (key: Buffer) => boolean): void {
    this.#touchWhere((key) => keyBucket(key, 0, key.length) === bucket && isThere(key))
    this.#listener?.bucketCleared(bucket)
  }

  /** All keys change, of which those that `isThere` names exist. */
  touchAll(isThere: (key: Buffer) => boolean): void {
    this.#touchWhere(isThere)
    this.#listener?.allCleared()
  }

  /** Others change the keys of this bucket from now on. */
  bucketLeft(bucket: number): void {
    if (this.isActive) this.touchBucket(bucket, () => true)
  }

  /** The watched keys for which this is true change. */
  #touchWhere(isChanged: (key: Buffer) => boolean): void {
    for (const [key, watchers] of this.#watchers) {
      if (isChanged(Buffer.from(key, 'latin1'))) for (const watcher of watchers) watcher.isDirty = true
    }
  }
}
