/**
 * The client library of `kv`: `import {connect} from '@kvdev/kv/client'`. This file is all that is public; src/docs/client.md is its manual.
 *
 *     import {connect} from '@kvdev/kv/client'
 *
 *     const client = await connect('127.0.0.1:7379')
 *     await client.set('greeting', 'hello')
 *     await client.map('product:1').set({name: 'lamp', price: 30})
 *     await client.close()
 *
 * Times are milliseconds unless a name says otherwise (`ex` of `set` is seconds, as in Redis). Values are text unless a method or an option says buffer. Every error is a
 * `ClientError` with a stable `code` and an `outcome`: `none` (it surely did not happen), `done` (it surely did), `maybe` (nobody can tell).
 */
export {connect, KvClient, type SendOptions, type SetAndGetOptions} from './kv-client.ts'
export {KvMap} from './kv-map.ts'
export {Pipeline, type PipelineResult} from './pipeline.ts'
export {
  Subscription,
  type GapEvent,
  type MessageEvent,
  type SubscribeOptions,
  type SubscriptionEvent,
} from './subscription.ts'
export {Transaction} from './transaction.ts'
export {ClientError, ReplyError, type Outcome} from './errors.ts'
export type {Address} from '../base/address.ts'
export type {Entries, SetOptions, Value} from './commands.ts'
export type {Argument} from './encoder.ts'
export type {Key} from './key-bucket.ts'
export type {IterateOptions} from './map-scan.ts'
export type {BackoffOptions, CallOptions, ConnectOptions} from './options.ts'
export type {KvReply} from './plain-reply.ts'
export type {TransactionOptions, TransactionResult} from './run-transaction.ts'
export type {ScanOptions} from './scan.ts'
