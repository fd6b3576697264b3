/**
 * Kills processes that download at random moments: what is in the store is always right, and the next process goes on.
 *
 *     node --import tsx tests/soak/store.ts [--count 200] [--seed 1]
 *
 * It takes the last `npm run build`. Fails at the first file that is not what it should be.
 */
import { parseArgs } from 'node:util'
import { killAtRandom } from '../store-kills.ts'

const { values } = parseArgs({
  options: { count: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
})
const start = performance.now()
const { kills, finished, resumed } = await killAtRandom(Number(values.count), Number(values.seed))
const seconds = ((performance.now() - start) / 1000).toFixed(0)
console.log(`${kills} kills, ${resumed} downloads that went on, ${finished} that ended between them: ${seconds} s`)
