/**
 * `npm run bench:cluster [-- part...] [--quick] [--rounds N]`: what README states of the cluster, in one run beside a cluster of
 * redis-server processes. Parts: failover, move, hot-move, replication.
 */
import {runParts} from '../parts.ts'
import {runFailover} from './failover.ts'
import {runHotMove} from './hot-move.ts'
import {runMove} from './move.ts'
import {runReplication} from './replication.ts'

const PARTS = {failover: runFailover, move: runMove, 'hot-move': runHotMove, replication: runReplication}

await runParts('bench:cluster', PARTS)
