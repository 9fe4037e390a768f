/**
 * A tester that is going to be killed: `node doomed-tester.ts FOLDER` starts two processes, stops one of them with SIGSTOP, and says their pids and the guardian's as
 * JSON. Then it waits for its end.
 */
import {readdirSync, readFileSync} from 'node:fs'
import {Processes} from '../../../src/chaos/drivers/processes.ts'

const processes = new Processes(process.argv[2]!)
await processes.begin()
const args = ['-e', 'console.log("up"); setInterval(() => undefined, 1000)']
const children = ['n1', 'n2'].map((name) => processes.start({name, command: process.execPath, args}))
for (const child of children) await child.line((line) => line)
children[1]!.signal('SIGSTOP')
// The guardian is the one whose command line has the token.
const guardian = readdirSync('/proc').find((pid) => {
  try {
    return /^\d+$/.test(pid) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(processes.token)
  } catch {
    return false
  }
})
console.log(JSON.stringify({pids: children.map(({pid}) => pid), guardian: Number(guardian)}))
setInterval(() => undefined, 1000)
