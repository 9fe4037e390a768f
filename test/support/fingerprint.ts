/** All that a server holds, as one text: to show that a refused request changed nothing. */
import {parseReply} from './resp-split.ts'
import {encodeCommand, withConnection} from './raw-connection.ts'

/** For small keyspaces: reads every key. */
export function fingerprint(port: number): Promise<string> {
  return withConnection(port, async (connection) => {
    connection.write(encodeCommand(['KEYS', '*']))
    const listed = parseReply(await connection.reply())
    if (!('items' in listed)) throw new Error('KEYS gave no array')
    const keys = listed.items.map((item) => ('bytes' in item ? item.bytes : Buffer.alloc(0))).sort(Buffer.compare)
    const parts: string[] = []
    for (const key of keys) {
      const type = await connection.call('TYPE', key)
      const value = await connection.call(type === '+hash\r\n' ? 'HGETALL' : 'GET', key)
      parts.push(`${key.toString('latin1')} ${type}${value}${await connection.call('PTTL', key)}`)
    }
    return parts.join('\n')
  })
}
