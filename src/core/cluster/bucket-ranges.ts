/** Ranges of buckets as the map's entries write them: the same text that operators type, so the code is below, where the CLI finds it too. */
export {formatBuckets, parseBuckets} from '../../base/bucket-ranges.ts'
