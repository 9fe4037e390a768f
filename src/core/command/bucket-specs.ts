/** How the commands that move buckets are called. Who executes them is in cluster.ts. */
import type {ArgumentSpec, CommandSpec} from './command.ts'

const BUCKET: ArgumentSpec = {name: 'bucket', type: 'integer'}
const IP: ArgumentSpec = {name: 'ip', type: 'string'}
const PORT: ArgumentSpec = {name: 'port', type: 'integer'}

export const BUCKET_SPECS: readonly CommandSpec[] = [
  {
    name: 'listbuckets',
    arity: 1,
    flags: ['loading', 'stale'],
    group: 'cluster',
    since: '7.2.4',
    complexity: 'O(N) where N is the number of buckets',
    summary: 'Lists the buckets of this node: M where it is master, S where it is replica.',
  },
  {
    name: 'requestmove',
    arity: 4,
    flags: ['admin'],
    group: 'cluster',
    since: '7.2.4',
    complexity: 'O(1)',
    summary: 'Asks the server at ip:port to take a bucket of this node.',
    args: [BUCKET, IP, PORT],
  },
  {
    name: 'dumpbucket',
    arity: 4,
    flags: ['admin', 'no_multi'],
    group: 'cluster',
    since: '7.2.4',
    complexity: 'O(N) where N is the size of the bucket',
    summary: 'Takes a bucket from the server at ip:port.',
    args: [BUCKET, IP, PORT],
  },
  {
    name: 'bucketmoved',
    arity: 6,
    flags: ['admin'],
    group: 'cluster',
    since: '7.2.4',
    complexity: 'O(1)',
    summary: 'Tells the server at ip:port where a bucket went. All nodes know it already, from the agreed map.',
    args: [BUCKET, {name: 'to-ip', type: 'string'}, {name: 'to-port', type: 'integer'}, IP, PORT],
  },
]
