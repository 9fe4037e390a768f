/**
 * Ports for processes that come and go during a run: they must be free again when a process returns, so they lie below those that the kernel gives to
 * outgoing connections, and each is given out once.
 */
import {isPortFree} from '../../cli/free-port.ts'
import {KvError} from '../../errors.ts'

const FIRST = 23_000
const LAST = 31_900

export class Ports {
  #next = FIRST + ((process.pid * 97) % (LAST - FIRST))

  /** A port of which this and the one `offset` above it are free now. Errors: E_PORT_IN_USE if there is none. */
  async take(offset = 0): Promise<number> {
    for (let tries = FIRST; tries < LAST; tries++) {
      this.#next = this.#next >= LAST ? FIRST : this.#next + 1
      const port = this.#next
      if ((await isPortFree(port)) && (offset === 0 || (await isPortFree(port + offset)))) return port
    }
    throw new KvError('E_PORT_IN_USE', `No port between ${FIRST} and ${LAST} is free.`, 'Stop what listens there.')
  }
}
