import {Cluster} from 'ioredis'
import {describeIoredisFamily} from './ioredis-family.ts'

describeIoredisFamily('ioredis', (server) => new Cluster([{host: server.host, port: server.port}]))
