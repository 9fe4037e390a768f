/**
 * The one door to the record codec. What lies where: layout.ts (bytes of a record), batch.ts (bytes of a frame), op.ts (what
 * a record does). Writing: `RecordWriter`. Reading: `readFrame`, then `FrameChain` and `checkFrame`, then `RecordCursor`; or `walkFrames`, which is all of these.
 */
export {
  FRAME_HEAD_BYTES,
  FRAME_VERSION,
  readFrame,
  sealFrame,
  type Frame,
  type FrameFaultCode,
  type FrameVerdict,
} from './batch.ts'
export {RecordCursor, type RecordFaultCode} from './cursor.ts'
export {checkFrame, FrameChain} from './frame-chain.ts'
export {walkFrames} from './frame-walk.ts'
export {NO_EXPIRY, RECORD_HEAD_BYTES, type Fault} from './layout.ts'
export {RecordPicker} from './record-picker.ts'
export {RecordWriter} from './writer.ts'
