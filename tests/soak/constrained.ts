/**
 * Writes texts by models of random weights that random schemas, grammars and expressions constrain, one after the other and
 * many at once, and checks each.
 *
 *     node --import tsx tests/soak/constrained.ts [--count 10000] [--seed 1] [MODEL …]
 *
 * MODEL: the tiny goldens by default, each of which writes its share. Fails at the first text that is not as it should be.
 */
import { parseArgs } from 'node:util'
import { constrainedTexts } from '../constrained.ts'
import { sharedGgufFiles } from '../gguf-helpers.ts'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { count: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' } },
})
const models = positionals.length > 0 ? positionals : sharedGgufFiles('goldens/tiny')
if (models.length === 0) throw new Error('No model: give some, or the folder of references by CRIA_SHARED.')
for (const [i, model] of models.entries()) {
  const count = Math.ceil(Number(values.count) / models.length)
  const outcome = await constrainedTexts(model, count, Number(values.seed) + i)
  console.log(model, JSON.stringify(outcome))
}
