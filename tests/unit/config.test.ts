/** What metadata makes of a model: GGUF's optional keys, their older forms, and sizes given layer by layer. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { FormatError, UnsupportedError } from '../../js/errors.ts'
import type { MetadataValue, TensorInfo } from '../../js/gguf/types.ts'
import type { ModelConfig } from '../../js/models/config.ts'
import { readConfig } from '../../js/models/index.ts'
import { ropeTable } from '../../js/models/rope.ts'

const L = 'llama.'
const BASE: Record<string, MetadataValue> = {
  'general.architecture': 'llama',
  [`${L}embedding_length`]: 64,
  [`${L}feed_forward_length`]: 96,
  [`${L}block_count`]: 2,
  [`${L}context_length`]: 512,
  [`${L}attention.head_count`]: 4,
  [`${L}attention.layer_norm_rms_epsilon`]: 1e-5,
}
const EMBEDDING: TensorInfo = { name: 'token_embd.weight', dimensions: [64, 10], type: 'F32', offset: 0, bytes: 2560 }

function config(metadata: Record<string, MetadataValue>): ModelConfig {
  return readConfig({
    version: 3,
    metadata: new Map(Object.entries({ ...BASE, ...metadata })),
    entries: new Map(),
    tensors: new Map([[EMBEDDING.name, EMBEDDING]]),
    dataOffset: 0,
    fileBytes: 2560,
  })
}

/** How many times slower pairs turn than without scaling. */
function slowdown(metadata: Record<string, MetadataValue>): number {
  return ropeTable(config({}).ropes[0]!).frequencies[1]! / ropeTable(config(metadata).ropes[0]!).frequencies[1]!
}

test('a rope factor without a type is linear; none switches it off; 0 is no factor', () => {
  const factor = `${L}rope.scaling.factor`
  const type = `${L}rope.scaling.type`
  assert.is(slowdown({ [factor]: 4 }), 4)
  assert.is(slowdown({ [factor]: 4, [type]: 'linear' }), 4)
  assert.is(slowdown({ [factor]: 4, [type]: 'none' }), 1)
  assert.is(slowdown({ [factor]: 0 }), 1)
  assert.is(slowdown({ [`${L}rope.scale_linear`]: 8 }), 8)
  assert.is(slowdown({ [`${L}rope.scale_linear`]: 8, [factor]: 2 }), 2, 'the newer key wins')
  assert.is(slowdown({ [`${L}rope.scale_linear`]: 0 }), 1)
})

test('sizes may be given layer by layer, as long as they agree', () => {
  for (const [key, field, value] of [
    ['attention.head_count', 'headCount', 4],
    ['attention.head_count_kv', 'headCountKv', 2],
    ['feed_forward_length', 'feedForwardLength', 96],
  ] as const) {
    assert.is(config({ [L + key]: Uint32Array.of(value, value) })[field], value)
    const differ = { [L + key]: Uint32Array.of(value, value * 2) }
    assert.throws(
      () => config(differ),
      (error: unknown) => error instanceof UnsupportedError && /differs/.test(error.message),
    )
    for (const length of [0, 1, 3]) {
      assert.throws(
        () => config({ [L + key]: new Uint32Array(length).fill(value) }),
        (error: unknown) => error instanceof FormatError && error.message.includes(`${length} entries for 2 layers`),
      )
    }
  }
})

test('contexts of millions of tokens are believed, others not', () => {
  assert.is(config({ [`${L}context_length`]: 4_194_304 }).contextLength, 4_194_304)
  for (const wrong of [0, -1, 1.5, 4_294_967_296]) {
    assert.throws(
      () => config({ [`${L}context_length`]: wrong }),
      (error: unknown) => error instanceof FormatError,
    )
  }
})

test('an attention scale of 0 is the usual one; llama has no other, as in llama.cpp', () => {
  const granite = (scale: number): number =>
    config({
      ...Object.fromEntries(Object.entries(BASE).map(([key, value]) => [key.replace(L, 'granite.'), value])),
      'general.architecture': 'granite',
      'granite.logit_scale': 8,
      'granite.attention.scale': scale,
    }).attentionScale
  assert.is(granite(0), 0.25)
  assert.is(granite(0.5), 0.5)
  assert.is(config({ [`${L}attention.scale`]: 0.5 }).attentionScale, 0.25)
})

test('an embedding may have rows to spare, not fewer than the vocabulary has tokens', () => {
  const texts = (count: number) => ({ 'tokenizer.ggml.tokens': Array.from({ length: count }, (_, i) => `t${i}`) })
  assert.is(config(texts(9)).vocabSize, 10)
  assert.is(config(texts(10)).vocabSize, 10)
  assert.throws(
    () => config(texts(11)),
    (error: unknown) => (error as FormatError).code === 'VOCABULARY_SIZE',
  )
})

test.run()
