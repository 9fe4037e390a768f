/**
 * A cluster for the command line to look after: the engine's own answers over TCP, on a map that the test drives by hand. The other members
 * are only addresses; their part, copying and handing over, is played with each look at the state.
 */
import type {Socket} from 'node:net'
import {ClusterStage, idOf, memberInfo, SELF_ID} from '../core/server-cluster-support.ts'
import type {Client} from '../core/server-support.ts'
import {freePort} from '../support/ports.ts'
import {startScriptedServer, type ScriptedServer} from '../client/scripted-server.ts'

export interface ClusterServer {
  readonly stage: ClusterStage
  readonly server: ScriptedServer
  /** `127.0.0.1:port`. */
  readonly address: string
  /** What is ordered is carried out between two looks. */
  isMoving: boolean
  /** Called before each CLUSTER STATE is answered. */
  onLook: () => void
  /** CLUSTER CHANGE is taken down and forgotten, so many times. */
  changesLost: number
  /** The changes asked for, in order. */
  readonly changes: Record<string, unknown>[]
}

export async function startClusterServer(): Promise<ClusterServer> {
  const clients = new Map<Socket, Client>()
  const fakes: ClusterServer[] = []
  const server = await startScriptedServer((request, socket) => {
    const [fake] = fakes
    if (!fake) return undefined
    const client = clients.get(socket) ?? fake.stage.stage.connect()
    clients.set(socket, client)
    return answer(fake, client, request)
  })
  const {port} = server.address
  const fake: ClusterServer = {
    stage: new ClusterStage({port}),
    server,
    address: `127.0.0.1:${port}`,
    isMoving: true,
    onLook: () => undefined,
    changesLost: 0,
    changes: [],
  }
  fakes.push(fake)
  return fake
}

function answer(fake: ClusterServer, client: Client, request: readonly string[]): string {
  const {stage} = fake
  const [name, subcommand, argument] = request
  if (name === 'CLUSTER' && subcommand === 'CHANGE') {
    fake.changes.push(JSON.parse(argument!) as Record<string, unknown>)
    if (fake.changesLost-- > 0) return '+OK\r\n'
  }
  if (name === 'CLUSTER' && subcommand === 'STATE') {
    if (fake.isMoving) stage.carryOut()
    fake.onLook()
  }
  let reply = client.raw(...request)
  stage.settle()
  for (let i = 0; i < 100 && reply === ''; i++) {
    stage.run(100)
    reply = client.received.toString('latin1')
    client.received = Buffer.alloc(0)
  }
  return reply
}

/** A member where nobody listens. */
export async function joinDeaf(fake: ClusterServer, n: number): Promise<void> {
  const port = await freePort()
  fake.stage.apply({type: 'joined', member: {...memberInfo(n), host: '127.0.0.1', port}})
}

/** The cluster takes the member to be down. */
export function down(fake: Pick<ClusterServer, 'stage'>, n: number): void {
  fake.stage.apply({type: 'down', node: idOf(n), incarnation: memberInfo(n).incarnation})
}

/** Node 1 is gone with the only copy of these buckets. */
export function loseCopies(fake: Pick<ClusterServer, 'stage'>, buckets: string): void {
  fake.stage.copy(1, buckets)
  fake.stage.move(1, buckets)
  const {incarnation} = memberInfo(1)
  fake.stage.apply({type: 'out-of-sync', remove: SELF_ID, from: idOf(1), incarnation, groups: [{epoch: 2, buckets}]})
  down(fake, 1)
}
