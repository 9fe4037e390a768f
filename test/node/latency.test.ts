/** A live node times its own work. */
import {expect, test} from 'vitest'
import {waitFor} from '../support/wait.ts'
import {connectTo, liveNode, pipeline} from './live-node.ts'

test('commands have histograms, and a loop that is held up is an event', async () => {
  const node = await liveNode()
  const connection = await connectTo(node)
  await connection.call('SET', 'k', 'v')
  for (let i = 0; i < 5; i++) await connection.call('GET', 'k')
  const histogram = await connection.call('LATENCY', 'HISTOGRAM', 'get')
  expect(histogram).toMatch(/^\*2\r\n\$3\r\nget\r\n\*4\r\n\$5\r\ncalls\r\n:5\r\n\$14\r\nhistogram_usec\r\n\*\d+\r\n:/)
  expect(await connection.call('INFO', 'latencystats')).toMatch(/latency_percentiles_usec_set:p50=\d/)
  await connection.call('CONFIG', 'SET', 'latency-monitor-threshold', '20')
  // Node and test share one loop.
  const until = performance.now() + 300
  while (performance.now() < until);
  await waitFor(
    'the stall is known',
    async () => (await connection.call('LATENCY', 'HISTORY', 'loop-stall')).startsWith('*1') || undefined,
  )
  const [doctor] = await pipeline(connection, [['LATENCY', 'DOCTOR']])
  expect(doctor).toContain('loop-stall: seen in')
})
