/**
 * `host:port` as people type it and as the wire writes it. IPv6 addresses are typed in brackets (`[::1]:7379`), while
 * `MOVED` writes them bare (`::1:7379`), so the port is always what follows the last colon.
 */

/** Where a node listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

const PORT_MAX = 65_535

/**
 * Parses `host:port`, `[v6]:port`, `v6:port` or, given a default port, `host` or `:port`; undefined if it is none of
 * these.
 */
export function parseAddress(text: string, defaultPort?: number): Address | undefined {
  const colon = text.lastIndexOf(':')
  const isBareHost = colon < 0 || text.endsWith(']')
  if (isBareHost) return defaultPort === undefined ? undefined : makeAddress(text, String(defaultPort))
  const host = text.slice(0, colon)
  if (host === '') return defaultPort === undefined ? undefined : makeAddress('127.0.0.1', text.slice(colon + 1))
  return makeAddress(host, text.slice(colon + 1))
}

function makeAddress(host: string, portText: string): Address | undefined {
  const bare = host.startsWith('[') && host.endsWith(']') ? host.slice(1, -1) : host
  if (bare === '' || /[\s[\]/@]/.test(bare) || !/^\d{1,5}$/.test(portText)) return undefined
  const port = Number(portText)
  return port >= 1 && port <= PORT_MAX ? {host: bare, port} : undefined
}

/** `host:port`, with brackets around an IPv6 host; what `parseAddress` reads back. */
export function formatAddress(address: Address): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}
