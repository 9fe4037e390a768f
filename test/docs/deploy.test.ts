/** The unit, the Dockerfile and the manifest, as far as a machine without systemd and containers can check them: what they start exists, and can be given what they give. */
import {readFileSync} from 'node:fs'
import {describe, expect, test} from 'vitest'
import {run} from '../support/child.ts'
import {REPO_ROOT} from '../support/kv.ts'

function deployed(name: string): string {
  return readFileSync(`${REPO_ROOT}src/deploy/${name}`, 'utf8')
}

interface Manifest {
  readonly commands: Readonly<Record<string, {readonly flags: Readonly<Record<string, unknown>>}>>
}

const {flags} = (JSON.parse(readFileSync(`${REPO_ROOT}/.oclif.manifest.json`, 'utf8')) as Manifest).commands[
  'node:start'
]!

describe.each([
  ['kv@.service', /^ExecStart=\S+ node start (.*)$/m],
  ['Dockerfile', /^CMD \["node", "start", (.*)\]$/m],
  ['kubernetes.yaml', /run\.js node start ([^]*?)\$join/],
])('%s', (name, line) => {
  test('starts a node with flags that there are', () => {
    const given = line.exec(deployed(name))![1]!
    const names = [...given.matchAll(/--([\w-]+)/g)].map(([, flag]) => flag!)
    expect(names.length).toBeGreaterThan(2)
    expect(names.filter((flag) => !Object.hasOwn(flags, flag))).toEqual([])
  })
})

test('the manifest is YAML, and gives a node the time that it needs to leave', async () => {
  const script = `
import sys, json, yaml
print(json.dumps(list(yaml.safe_load_all(sys.stdin))))`
  const {exit, stdout, stderr} = await run('/usr/bin/python3', ['-c', script], {input: deployed('kubernetes.yaml')})
  expect(exit, stderr).toBe(0)
  const documents = JSON.parse(stdout) as {kind: string; spec: Record<string, unknown>}[]
  expect(documents.map(({kind}) => kind)).toEqual(['Service', 'PodDisruptionBudget', 'StatefulSet'])
  const {template} = documents[2]!.spec as {
    template: {spec: {terminationGracePeriodSeconds: number; containers: {args: string[]}[]}}
  }
  expect(template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(600)
  // The shell must not stay between SIGTERM and the node.
  expect(template.spec.containers[0]!.args[0]).toMatch(/; exec node /)
})

test("the shell lines of the manifest are a shell's", async () => {
  const [, args] = /args:\n\s+- >-\n([^]*?)\n\s+ports:/.exec(deployed('kubernetes.yaml'))!
  const {exit, stderr} = await run('sh', ['-n', '-c', args!.replace(/\s+/g, ' ')])
  expect(exit, stderr).toBe(0)
})

test('the unit stops with one SIGTERM and patience', () => {
  const unit = deployed('kv@.service')
  for (const line of ['KillSignal=SIGTERM', 'KillMode=mixed', 'TimeoutStopSec=600', 'Restart=on-failure'])
    expect(unit.split('\n')).toContain(line)
})
