/** The catalogue of a real node and of the built CLI, for tests of what stands on it. */
import {readFileSync} from 'node:fs'
import {Connection} from '../../src/client/connection.ts'
import {adminCommands, Catalogue} from '../../src/repl/catalogue.ts'
import {parseDocs} from '../../src/repl/command-docs.ts'
import {REPO_ROOT, startKv} from '../support/kv.ts'

interface Manifest {
  readonly commands: Readonly<Record<string, Parameters<typeof adminCommands>[0] extends Iterable<infer C> ? C : never>>
}

export async function realCatalogue(): Promise<Catalogue> {
  const server = await startKv()
  const connection = await Connection.connect({host: server.host, port: server.port})
  try {
    const docs = parseDocs(await connection.send(['COMMAND', 'DOCS']), await connection.send(['COMMAND']))
    const {commands} = JSON.parse(readFileSync(`${REPO_ROOT}/.oclif.manifest.json`, 'utf8')) as Manifest
    return new Catalogue(adminCommands(Object.values(commands)), docs)
  } finally {
    connection.close()
    await server.stop()
  }
}
