/** What tests know about a server under test, whoever it is: redis-server, or kv in this process or in one of its own. */
export interface TestServer {
  readonly kind: 'redis' | 'kv'
  readonly host: string
  readonly port: number
  /** Process that serves; our own pid if kv runs in-process. */
  readonly pid: number
  /** Stops it and removes its folders. Safe to call twice. */
  stop(): Promise<void>
}
