/** Which port a demo should take. */
import {once} from 'node:events'
import {createServer} from 'node:net'

/** True if one can listen there now; somebody else may be quicker all the same. */
export async function isPortFree(port: number, host = '127.0.0.1'): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({port, host, exclusive: true})
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    return true
  } catch {
    return false
  }
}
