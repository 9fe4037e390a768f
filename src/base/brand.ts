/** Branded number and string types: a bucket id cannot be passed where a seq is wanted. They cost nothing at run time. */

declare const brand: unique symbol
type Brand<T, Name extends string> = T & {readonly [brand]: Name}

/** One of 16,384 partitions of the key space, 0..16383. */
export type BucketId = Brand<number, 'BucketId'>
/** 40 lower-case hex digits; names a node for as long as its data dir lives. */
export type NodeId = Brand<string, 'NodeId'>
