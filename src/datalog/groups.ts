/**
 * The groups of an entry's records. A group (the records of one command or transaction) is applied whole or not at all, and it may
 * be cut over several frames of the entry; so its records are gathered until its last one is there, and then handed out at once.
 *
 * Hot path: one `Group` is used again for all groups, with plain numbers, because a log has millions of them.
 */
import {KvError} from '../errors.ts'
import {RecordCursor, walkFrames} from '../record/codec.ts'
import type {LoggedEntry} from './types.ts'

/** Records of one group; all lie in `buf`. Valid during the call only. */
export class Group {
  buf: Buffer = Buffer.alloc(0)
  /** Records 0..count-1 are meant; the lists may be longer. */
  count = 0
  readonly off: number[] = []
  readonly end: number[] = []
  readonly bucket: number[] = []
  readonly epoch: number[] = []
  readonly seq: number[] = []
  /** Unix ms of its last record: when it was made. */
  time = 0

  take(record: RecordCursor): void {
    const i = this.count++
    this.off[i] = record.recordOff
    this.end[i] = record.recordEnd
    this.bucket[i] = record.bucket
    this.epoch[i] = record.epoch
    this.seq[i] = record.seq
    this.time = record.time
  }
}

export class GroupReader {
  readonly #cursor = new RecordCursor()
  readonly #group = new Group()

  /** Calls `visit` with each group of an entry of kind RECORDS or IMAGE, in order. Errors: E_LOG_DAMAGED if the body is not whole groups. */
  each({body, segment, offset}: LoggedEntry, visit: (group: Group) => void): void {
    const group = this.#group
    group.buf = body
    group.count = 0
    const fault = walkFrames(body, this.#cursor, (record) => {
      group.take(record)
      if (!record.isGroupEnd) return
      visit(group)
      group.count = 0
    })
    this.#cursor.close()
    if (fault !== null) throw damaged(segment, offset, fault)
  }
}

/** What is said of an entry that makes no sense though its CRC is right, or that does not follow the one before it. */
export function damaged(segment: number, offset: number, words: string): KvError {
  return new KvError(
    'E_LOG_DAMAGED',
    `The log is damaged: segment ${segment}, byte ${offset}: ${words}.`,
    'See what is missing with `kv log verify`; --salvage goes on without it.',
  )
}
