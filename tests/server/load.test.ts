/** `cria serve` under more clients than it serves at once, a third of which leave in mid-stream. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { STORIES } from '../api-helpers.ts'
import { loadTest } from '../bench/load-clients.ts'

test('64 streaming clients: no request fails, no page of the cache is lost, memory is flat, the exit clean', async () => {
  // Fewer may wait than there are, so that some are told to come back.
  const flags = ['-t', '2', '--queue', '40']
  const report = await loadTest({ model: STORIES, clients: 64, seconds: 8, flags })
  const { completed, left, toldToWait, failures, differing, resident, metrics, code } = report
  assert.equal([failures, differing, code], [[], [], 0])
  // More than there are clients, and more than a third of these: places are taken again. How many is a matter of the machine.
  assert.ok(completed > 64 && left > 22, `${completed} completed, ${left} left`)
  assert.equal(Object.keys(toldToWait), ['429'])
  const pages = [...metrics].filter(([name]) => /^cria:kv_pages\{.*state="used"/.test(name))
  assert.equal(
    pages.map(([, value]) => value),
    [0],
  )
  assert.is(metrics.get('cria:requests_processing'), 0)
  const growth = resident[1] - resident[0]
  assert.ok(growth < 0.2 * resident[0] + 3e7, `from ${resident[0]} to ${resident[1]} bytes`)
})

test.run()
