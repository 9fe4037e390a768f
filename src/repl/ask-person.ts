/**
 * A question to the person at the terminal, while the console has given it back. The answer is read by a child process, as a
 * command of kv would read it: the console's own reader of keys sits on this process' standard input, and would take it as well.
 */
import {spawn} from 'node:child_process'

const READ_LINE = 'read -r line && printf %s "$line"'

/** True if the answer is yes; anything else, the end of input and Ctrl-C are no. */
export async function askPerson(text: string): Promise<boolean> {
  process.stderr.write(`${text} Type yes to do it: `)
  const child = spawn('sh', ['-c', READ_LINE], {stdio: ['inherit', 'pipe', 'inherit']})
  let answer = ''
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
  const isRead = await new Promise<boolean>((resolve) => {
    child.once('error', () => resolve(false))
    child.once('close', (code) => resolve(code === 0))
  })
  return isRead && answer.trim().toLowerCase() === 'yes'
}
