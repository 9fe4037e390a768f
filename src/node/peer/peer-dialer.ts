/**
 * When to dial one peer. The node with the smaller id dials, again and again with a growing pause; the other one leaves it a
 * second each time and then dials too, for the case that only its own calls come through.
 */
import {PEER_BACKOFF_MS_MAX, PEER_BACKOFF_MS_MIN, PEER_DIAL_DELAY_MS} from '../../constants.ts'
import type {Link} from './peer-link.ts'

/** A node and where it listens for its peers. */
export interface PeerAddress {
  /** 40 hex. */
  readonly id: string
  readonly host: string
  readonly port: number
}

export class Dialer {
  readonly address: PeerAddress
  /** Why the last call was turned away; a log says it once. */
  lastReason = ''
  readonly #isSmaller: boolean
  readonly #dial: (address: PeerAddress) => Link
  #call: Link | null = null
  #timer: NodeJS.Timeout | null = null
  #backoffMs = PEER_BACKOFF_MS_MIN

  /** `isSmaller`: our id is smaller than that of the peer. */
  constructor(address: PeerAddress, isSmaller: boolean, dial: (address: PeerAddress) => Link) {
    this.address = address
    this.#isSmaller = isSmaller
    this.#dial = dial
  }

  /** Makes the first call. */
  begin(): void {
    if (this.#isSmaller) this.#makeCall()
    else this.#schedule(waitForOther())
  }

  /** The connection was lost after so long, or never came up (0): calls again after a pause, unless that is under way. */
  retry(openMs: number): void {
    if (this.#timer || this.#call) return
    // Who talks and breaks off at once is dialled as seldom as one who does not answer.
    if (openMs > PEER_BACKOFF_MS_MAX) this.#backoffMs = PEER_BACKOFF_MS_MIN
    this.#schedule(this.#isSmaller ? this.#backoffMs * (0.5 + Math.random() / 2) : waitForOther())
    this.#backoffMs = Math.min(2 * this.#backoffMs, PEER_BACKOFF_MS_MAX)
  }

  /** Whom we do not suit we do not suit 50 ms later either. */
  slowDown(): void {
    this.#backoffMs = PEER_BACKOFF_MS_MAX
  }

  /** A connection is there, by whoever's call: no more calls. One that has said hello already is left to whoever decides. */
  rest(): void {
    this.#stopTimer()
    if (this.#call?.state === 'connecting') this.#call.destroy()
  }

  /** The call came to its end, or became the connection. */
  finished(link: Link): void {
    if (this.#call === link) this.#call = null
  }

  /** Never calls again. */
  stop(): void {
    this.#stopTimer()
    const call = this.#call
    this.#call = null
    if (call && call.state !== 'open') call.destroyUnlessEnding()
  }

  #makeCall(): void {
    this.#call = this.#dial(this.address)
  }

  #schedule(delayMs: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#makeCall()
    }, delayMs)
  }

  #stopTimer(): void {
    if (this.#timer) clearTimeout(this.#timer)
    this.#timer = null
  }
}

function waitForOther(): number {
  return PEER_DIAL_DELAY_MS * (1 + Math.random() / 4)
}
