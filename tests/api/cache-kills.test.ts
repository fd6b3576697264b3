/** A few processes that are killed while they download: tests/soak/store.ts does hundreds. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { killAtRandom } from '../store-kills.ts'

test('eight processes are killed at random moments', async () => {
  const { kills, resumed } = await killAtRandom(8, 7)
  assert.is(kills, 8)
  assert.ok(resumed > 0)
})

test.run()
