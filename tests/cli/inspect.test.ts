/** What `inspect` says of LLaMA's kin: traits for reading, the whole configuration as JSON, one count of parameters. */
import { inspect, load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cria } from '../cli-helpers.ts'
import { kinFiles } from '../kin-files.ts'

/** Of each kin file, rows of the section `Model`: the traits that make it what it is. */
const TRAITS: Record<string, RegExp[]> = {
  arcee: [/feed-forward +160, ReLU² without a gate$/m],
  exaone4: [/norms .*; none before blocks; after blocks; of queries and keys before rotation$/m],
  gemma: [/scales +embedding 8$/m, /feed-forward +160, GeGLU$/m, /attention +4 heads of 64, 1 kv heads$/m],
  gemma2: [/windows +24 positions in 2 of 4 layers, all but 1 3$/m, /soft caps +attention 50, logits 30$/m],
  gemma3: [/windows +24 positions in 6 of 7 layers, all but 5$/m, /rotation .*base 10000.* in layers 0-4 6/m],
  granitemoe: [
    /feed-forward +8 experts of 160, 2 used/m,
    /scales +embedding 12, residual 0.22, attention 0.02, logits/m,
  ],
  'hunyuan-dense': [/of queries and keys after rotation$/m],
  'llama-yarn': [/rotation +base 10000, yarn from 8 tokens, factor 4, attention factor 0.9$/m],
  nemotron: [/norms +LayerNorm, epsilon 0.00001$/m],
  olmoe: [/of queries and keys over whole rows$/m, /weights not made to sum to 1/m],
  'phi3-partial': [/rotation +base 10000, 12 of 16 dimensions$/m],
  qwen2: [/norms +RMSNorm, epsilon 0.000001$/m, /rotation +base 1000000$/m],
  qwen2moe: [/feed-forward +8 experts of 64, 2 used, and a shared one of 96/m],
  smollm3: [/rotation +base 5000000 in layers 0-2; none in layer 3$/m],
  stablelm: [/norms +LayerNorm, epsilon 0.00001$/m],
  'stablelm-parallel': [/of queries and keys with weights of each head; attention and feed-forward side by side$/m],
}

/** Rotary tables are no weights. */
const TABLE = /^rope_/

for (const { name, gguf } of kinFiles()) {
  test(`${name}: it runs, and its parameters are the values of its tensors`, async () => {
    const { problem, config, parameters, tensors } = await inspect(gguf)
    assert.is(problem, undefined)
    const weights = tensors.filter((tensor) => !TABLE.test(tensor.name))
    const total = weights.reduce((sum, { dimensions }) => sum + dimensions.reduce((product, size) => product * size), 0)
    assert.is(parameters!.total, total)
    const { expertCount, expertUsedCount } = config!
    const inExperts = weights
      .filter((tensor) => tensor.name.includes('_exps.'))
      .reduce((sum, { dimensions }) => sum + dimensions.reduce((product, size) => product * size), 0)
    assert.is(inExperts > 0, expertCount > 0)
    const idle = expertCount === 0 ? 0 : inExperts * (1 - expertUsedCount / expertCount)
    assert.is(parameters!.active, total - idle)
    const model = await load(gguf, { inProcess: true, context: 64 })
    assert.is(model.info.parameters, total)
    await model.close()
    const shown = await cria(['inspect', gguf])
    assert.is(shown.code, 0, shown.stderr)
    assert.match(shown.stdout, new RegExp(`^ +architecture +${config!.architecture}$`, 'm'))
    for (const trait of TRAITS[name] ?? []) assert.match(shown.stdout, trait)
  })
}

test('traits are those of files that exist; what a model lacks has no row', async () => {
  const names = new Set(kinFiles().map(({ name }) => name))
  // Without the shared folder there are fewer.
  if (names.has('qwen2')) for (const name of Object.keys(TRAITS)) assert.ok(names.has(name), name)
  const { stdout } = await cria(['inspect'])
  for (const row of ['windows', 'scales', 'soft caps']) assert.not.match(stdout, new RegExp(`^ +${row} `, 'm'))
  assert.match(stdout, /^ {2}rotation +base 10000$/m)
})

test('--json has the whole configuration', async () => {
  const { config } = await inspect('tests/fixtures/kin/gemma3-scale.gguf')
  const { stdout } = await cria(['inspect', 'tests/fixtures/kin/gemma3-scale.gguf', '--json'])
  assert.equal(JSON.parse(stdout).config, JSON.parse(JSON.stringify(config)))
  assert.is(config!.layers.length, 62)
})

test.run()
