/** What the admin port of a node answers: joins the engine's figures with the server that gives them out. */
import {describeCluster} from '../../core/command/cluster-state.ts'
import {viewOf} from '../../core/cluster/view.ts'
import {AdminServer, textAnswer, type Answer} from './admin-server.ts'
import {checksText, isReady, readiness, verdictText, type NodePhase} from './health.ts'
import {readMetrics} from './metrics.ts'
import {METRICS_CONTENT_TYPE, metricsText} from './metrics-text.ts'
import {ProcessMeter} from './process-meter.ts'
import type {Address} from '../../base/address.ts'
import type {Engine} from '../../core/engine.ts'

export interface AdminParts {
  readonly engine: Engine
  readonly phase: () => NodePhase
  /** Those that are connected. */
  readonly clients: {readonly size: number}
}

export class Admin {
  readonly #parts: AdminParts
  readonly #meter: ProcessMeter
  readonly #server: AdminServer
  /** Where it listens. */
  address: Address = {host: '', port: 0}

  constructor(parts: AdminParts) {
    const {engine} = parts
    this.#parts = parts
    this.#meter = new ProcessMeter((ms) => engine.latency.note('gc', Date.now(), ms))
    this.#server = new AdminServer({
      '/metrics': () => this.#metrics(),
      '/livez': () => textAnswer(200, 'alive\n'),
      '/readyz': (query) => this.#readyz(query.has('verbose')),
      '/cluster': () => ({status: 200, type: 'application/json', body: `${JSON.stringify(describeCluster(engine))}\n`}),
    })
  }

  /** Port 0: any free one. Errors: E_PORT_IN_USE, E_ADDRESS. */
  async listen(host: string, port: number): Promise<void> {
    this.address = {host, port: await this.#server.listen(host, port)}
  }

  stop(): void {
    this.#server.stop()
    this.#meter.stop()
  }

  #metrics(): Answer {
    const {engine, clients} = this.#parts
    engine.setTime(Date.now())
    const sources = {
      ...{engine, facts: engine.host.facts(), view: viewOf(engine), meter: this.#meter},
      clients: clients.size,
    }
    return {status: 200, type: METRICS_CONTENT_TYPE, body: metricsText(readMetrics(sources))}
  }

  #readyz(isVerbose: boolean): Answer {
    const {engine, phase} = this.#parts
    const checks = readiness(engine, phase())
    return textAnswer(isReady(checks) ? 200 : 503, isVerbose ? checksText(checks) : verdictText(checks))
  }
}
