/**
 * `npm run bench:log [-- part...] [--quick] [--rounds N]`: what README states of the data log. Parts: cost (what it costs the masters), sustained (what one log
 * node takes), content (compaction and replay), restart.
 */
import freshBuild from '../../support/fresh-build.ts'
import {runParts} from '../parts.ts'
import {runContent} from './content.ts'
import {runCost} from './cost.ts'
import {runRestart} from './restart.ts'
import {runSustained} from './sustained.ts'

// Two parts run `bin/kv`, which runs what was built.
await runParts(
  'bench:log',
  {cost: runCost, sustained: runSustained, content: runContent, restart: runRestart},
  freshBuild,
)
