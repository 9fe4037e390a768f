/** `npm run fuzz:checker -- --histories N --seed S`: N random histories of each kind of key, judged by the on-line checker and by trying every order. */
import {parseArgs} from 'node:util'
import {fuzz, SUBJECTS} from './fuzz.ts'

const {values} = parseArgs({
  options: {histories: {type: 'string', default: '100000'}, seed: {type: 'string', default: '1'}},
})

for (const subject of SUBJECTS) {
  const began = performance.now()
  const {good, bad, disagreements} = fuzz(subject, Number(values.histories), Number(values.seed))
  const seconds = ((performance.now() - began) / 1000).toFixed(1)
  console.log(
    `${subject.padEnd(10)}${String(good).padStart(9)} right ${String(bad).padStart(9)} wrong ${String(disagreements.length).padStart(6)} disagreements ${seconds.padStart(7)} s`,
  )
  if (disagreements.length === 0) continue
  process.exitCode = 1
  const {history, expected} = disagreements[0]!
  console.log(`  ${expected ? 'right' : 'wrong'} by trying every order:`)
  for (const operation of history) console.log(`  ${JSON.stringify({...operation, end: String(operation.end)})}`)
}
