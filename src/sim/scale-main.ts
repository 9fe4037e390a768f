/** `npm run sim:scale -- --nodes 3,10,30,100 --patience 300`: prints how the cluster map behaves as nodes become many; see scale.ts. */
import {parseArgs} from 'node:util'
import {measureScale} from './scale.ts'
import {scaleTable} from './scale-table.ts'
import type {ScaleResult} from './scale.ts'

const {values} = parseArgs({
  options: {
    nodes: {type: 'string', default: '3,10,30,100'},
    /** Real seconds for one phase. */
    patience: {type: 'string', default: '300'},
    json: {type: 'boolean', default: false},
  },
})

const results: ScaleResult[] = []
for (const nodes of values.nodes.split(',').map(Number)) {
  const from = performance.now()
  results.push(measureScale({nodes, patienceMs: Number(values.patience) * 1000, clock: () => performance.now()}))
  console.error(`${nodes} nodes: measured in ${((performance.now() - from) / 1000).toFixed(0)} s`)
}
console.log(values.json ? JSON.stringify(results) : scaleTable(results))
