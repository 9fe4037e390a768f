/** Free TCP ports: the kernel picks one, we close it and hand the number on. Two tests may race; callers retry by asking again. */
import {createServer} from 'node:net'

const HOST = '127.0.0.1'

/** A port on 127.0.0.1 that nothing listened on a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, HOST, () => {
      const address = server.address()
      if (address === null || typeof address === 'string') return reject(new Error('no TCP address'))
      server.close(() => resolve(address.port))
    })
  })
}
