/**
 * A redis-server of our own: cluster mode, one node that owns all 16384 slots, nothing on disk but a temp folder.
 * It is what kv is compared with, and it stands in for kv where a harness proves itself.
 */
import {startChild} from './child.ts'
import {freePort} from './ports.ts'
import {rawConnection} from './raw-connection.ts'
import type {TestServer} from './server.ts'
import {tempDir} from './temp.ts'
import {waitFor} from './wait.ts'

const HOST = '127.0.0.1'

export interface RedisOptions {
  /** More lines of redis.conf: `{'proto-max-bulk-len': '1mb'}`. */
  readonly config?: Readonly<Record<string, string>>
}

export async function startRedis(options: RedisOptions = {}): Promise<TestServer> {
  const dir = tempDir('redis')
  const port = await freePort()
  const settings: Record<string, string> = {
    port: String(port),
    bind: HOST,
    dir: dir.path,
    save: '',
    appendonly: 'no',
    daemonize: 'no',
    'cluster-enabled': 'yes',
    'cluster-port': String(await freePort()),
    // Without it CLUSTER SLOTS says host "" until another node was met, and some clients choke on that.
    'cluster-announce-ip': HOST,
    ...options.config,
  }
  const args = Object.entries(settings).flatMap(([name, value]) => [
    `--${name}`,
    ...(value === '' ? [''] : value.split(' ')),
  ])
  const child = startChild('redis-server', args, {cwd: dir.path})

  let stopping: Promise<void> | undefined
  const stop = (): Promise<void> =>
    (stopping ??= child.stop().then(
      () => dir.remove(),
      () => dir.remove(),
    ))

  try {
    await waitFor('redis-server accepts connections', async () => {
      if (child.process.exitCode !== null) throw new Error(`redis-server exited:\n${child.stdout()}${child.stderr()}`)
      return rawConnection(port).then(
        (connection) => (connection.close(), true),
        () => false,
      )
    })
    const connection = await rawConnection(port)
    const password = options.config?.['requirepass']
    if (password !== undefined) await connection.call('AUTH', password)
    await connection.call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
    await waitFor('cluster_state:ok', async () =>
      (await connection.call('CLUSTER', 'INFO')).includes('cluster_state:ok'),
    )
    connection.close()
  } catch (error) {
    await stop()
    throw error
  }
  return {kind: 'redis', host: HOST, port, pid: child.pid, stop}
}
