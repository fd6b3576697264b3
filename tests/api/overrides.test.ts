/** `overrides`: metadata in place of the file's, as if the file had them. */
import { readFileSync } from 'node:fs'
import { ArgumentError, inspect, load, loadTokenizer, quantize, readGguf } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readGguf as readHeader } from '../../js/gguf/reader.ts'
import { setMetadata } from '../../js/gguf/rewrite.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { fails, STORIES } from '../api-helpers.ts'

async function bytesOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts)
}

/** The built-in model with another value of the key, written into it. */
async function changed(key: string, value: string): Promise<Uint8Array> {
  const source = bytesSource(new Uint8Array(readFileSync(STORIES)), 'stories')
  return bytesOf(setMetadata(source, await readHeader(source), key, value))
}

test('a model with overrides computes what the changed file computes', async () => {
  const key = 'llama.rope.freq_base'
  const [over, file, plain] = await Promise.all([
    load(STORIES, { threads: 1, overrides: { [key]: 20000 } }),
    load(await changed(key, '20000'), { threads: 1 }),
    load(STORIES, { threads: 1 }),
  ])
  try {
    const logits = async (model: typeof over) => (await model.logits([1, 5, 9, 13])).data
    assert.equal(await logits(over), await logits(file))
    assert.not.equal(await logits(over), await logits(plain))
  } finally {
    await Promise.all([over, file, plain].map((model) => model.close()))
  }
})

test('a tokenizer and an inspection have overrides too, for keys that the file lacks as well', async () => {
  const bos = { overrides: { 'tokenizer.ggml.add_bos_token': false } }
  const [plain, without] = [await loadTokenizer(STORIES), await loadTokenizer(STORIES, bos)]
  assert.equal(without.tokenize('Once'), plain.tokenize('Once').slice(1))
  const overrides = { 'llama.context_length': 99, 'llama.rope.scaling.factor': 2, 'general.x': 'y' }
  const { config, metadata } = await inspect(STORIES, { overrides })
  assert.equal([config?.contextLength, config?.ropes[0]?.factor, metadata.get('general.x')], [99, 2, 'y'])
  assert.is((await readGguf(STORIES, { overrides })).metadata.get('general.x'), 'y')
})

test('a value of another kind than the file’s is refused', async () => {
  for (const [key, value] of [
    ['llama.context_length', 'long'],
    ['general.name', 5],
    ['tokenizer.ggml.tokens', 'a'],
    ['general.x', null],
    ['general.x', [1]],
  ] as const) {
    const error = await fails(load(STORIES, { overrides: { [key]: value as never } }), ArgumentError, 'INVALID_OPTION')
    assert.match(error.message, `overrides[${key}]`)
    await fails(inspect(STORIES, { overrides: { [key]: value as never } }), ArgumentError, 'INVALID_OPTION')
  }
})

test('quantize writes overrides, with the types that llama-quantize gives them', async () => {
  const overrides = {
    'general.name': 'other',
    'llama.context_length': 99,
    'llama.rope.freq_base': 20000,
    'x.whole': 3,
    'x.float': 0.5,
    'x.one': { type: 'float32', value: 1 },
    'x.yes': true,
  } as const
  const bytes = await bytesOf(quantize(STORIES, 'F16', { overrides, threads: 1, onWarning: () => {} }))
  const { metadata } = await readHeader(bytesSource(bytes, 'out'))
  assert.equal(
    Object.keys(overrides).map((key) => metadata.get(key)),
    ['other', 99, 20000, 3, 0.5, 1, true],
  )
  // Behind what was there.
  assert.equal(Array.from(metadata.keys()).slice(-Object.keys(overrides).length), Object.keys(overrides))
})

test.run()
