/** `kv chaos --attach` as a person uses it: nodes that were started by hand, and a shell script that stops, kills, pauses and starts them. */
import {chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync} from 'node:fs'
import {join} from 'node:path'
import {afterEach, expect, test} from 'vitest'
import {run} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'
import {freePort} from '../support/ports.ts'
import {tempDir} from '../support/temp.ts'
import {waitFor} from '../support/wait.ts'
import type {RunRecord} from '../../src/chaos/run-record.ts'

const KV = join(REPO_ROOT, 'bin/kv')

/** Starts the node of a port in the background; `pid` and `out` lie beside its data. */
const START = `#!/bin/sh
cd "$(dirname "$0")/$1" || exit 1
setsid ${KV} node start --port "$1" --data-dir data --join "$(cat ../seeds)" --log-level warn > out 2>&1 < /dev/null &
echo $! > pid
for i in $(seq 300); do
  redis-cli -p "$1" CLUSTER INFO 2> /dev/null | grep -q cluster_state:ok && exit 0
  kill -0 "$(cat pid)" 2> /dev/null || break
  sleep 0.1
done
cat out
exit 1
`

const ON_FAULT = `#!/bin/sh
folder=$(dirname "$0")
port=\${3##*:}
pid=$(cat "$folder/$port/pid")
gone() {
  while kill -0 "$pid" 2> /dev/null; do sleep 0.05; done
}
echo "$1 $2" >> "$folder/calls"
case "$1 $2" in
  "pause begin") kill -STOP "$pid" ;;
  "pause end") kill -CONT "$pid" ;;
  "stop begin") kill -TERM "$pid"; gone ;;
  "kill begin") kill -KILL "$pid"; gone ;;
  *) exec sh "$folder/start.sh" "$port" ;;
esac
`

const pidFiles: string[] = []

afterEach(async () => {
  for (const file of pidFiles.splice(0)) {
    const pid = Number(readFileSync(file, 'utf8'))
    if (!existsSync(`/proc/${pid}`)) continue
    process.kill(pid, 'SIGKILL')
    await waitFor('the node is gone', () => !existsSync(`/proc/${pid}`))
  }
})

test('a cluster that runs already is tested, and left whole', async () => {
  const folder = tempDir('attached').path
  const ports = [await freePort(), await freePort(), await freePort(), await freePort()]
  writeFileSync(join(folder, 'start.sh'), START)
  writeFileSync(join(folder, 'on-fault.sh'), ON_FAULT)
  chmodSync(join(folder, 'on-fault.sh'), 0o755)
  for (const [i, port] of ports.entries()) {
    mkdirSync(join(folder, String(port)))
    writeFileSync(join(folder, 'seeds'), ports.slice(0, Math.max(1, i)).map((seed) => `127.0.0.1:${seed}`).join()) // prettier-ignore
    if (i === 0) writeFileSync(join(folder, 'start.sh'), START.replace(/ --join "\S+ \S+"/, ''))
    pidFiles.push(join(folder, String(port), 'pid'))
    const started = await run('sh', [join(folder, 'start.sh'), String(port)], {timeoutMs: 40_000})
    expect(started.exit, started.stdout).toBe(0)
    writeFileSync(join(folder, 'start.sh'), START)
  }
  const node = `127.0.0.1:${ports[0]}`
  const check = async (): Promise<boolean> => (await run(KV, ['cluster', 'check', '--node', node])).exit === 0
  await waitFor('the cluster is healthy', check, {timeoutMs: 60_000, intervalMs: 500})

  const report = join(folder, 'report')
  const flags = ['--seconds', '45', '--every', '3s', '--rate', '500', '--clients', '20', '--seed', '3', '--report', report] // prettier-ignore
  const tested = await run(KV, ['chaos', '--attach', node, '--on-fault', join(folder, 'on-fault.sh'), ...flags], {
    timeoutMs: 200_000,
  })
  const record = JSON.parse(readFileSync(join(report, 'report.json'), 'utf8')) as RunRecord
  expect(tested.exit, `${tested.stdout}${JSON.stringify(record.events.slice(-30), null, 1)}`).toBe(0)
  expect(record).toMatchObject({verdict: 'pass', system: 'attached', reasons: []})
  expect(new Set(record.faults.map(({kind}) => kind))).toEqual(new Set(['stop', 'kill', 'pause']))
  expect(record.totals.reads).toBeGreaterThan(500)
  const calls = readFileSync(join(folder, 'calls'), 'utf8').trim().split('\n')
  const begun = calls.filter((call) => call.endsWith('begin')).length
  expect([begun, calls.length - begun]).toEqual([record.faults.length, record.faults.length])
  expect(await check()).toBe(true)
})
