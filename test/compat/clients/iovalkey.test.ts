import type {Cluster as IoredisCluster} from 'ioredis'
import {Cluster} from 'iovalkey'
import {describeIoredisFamily} from './ioredis-family.ts'

// A fork of ioredis: the part of the API that the tests use is the same.
describeIoredisFamily(
  'iovalkey',
  (server) => new Cluster([{host: server.host, port: server.port}]) as unknown as IoredisCluster,
)
