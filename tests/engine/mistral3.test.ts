/** Files of the mistral3 architecture, and chat templates for tools: stories260K with other metadata. */
import { readFileSync } from 'node:fs'
import { type ChatOptions, load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readGguf } from '../../js/gguf/reader.ts'
import { readEntries } from '../../js/gguf/rewrite.ts'
import { type MetadataEntry, type RawEntry, writeGguf } from '../../js/gguf/writer.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { log } from '../../js/util/math.ts'
import { bits, STORIES } from '../api-helpers.ts'
import { concat } from '../gguf-helpers.ts'

const TOKENS = Array.from({ length: 60 }, (_, i) => (i * 97 + 1) % 512)
const [FACTOR, ORIGINAL] = [4, 64]
const YARN = {
  'rope.scaling.type': 'yarn',
  'rope.scaling.factor': FACTOR,
  'rope.scaling.original_context_length': ORIGINAL,
}

/** The model under an architecture, with more metadata of it, and other keys. */
async function stories(
  architecture: string,
  more: Record<string, string | number> = {},
  others: Record<string, string> = {},
): Promise<Uint8Array> {
  const bytes = new Uint8Array(readFileSync(STORIES))
  const source = bytesSource(bytes)
  const gguf = await readGguf(source)
  const stored = (await readEntries(source, gguf)).flatMap((entry): (MetadataEntry | RawEntry)[] => {
    if (entry.key === 'general.architecture' || entry.key === 'general.alignment') return []
    if (!entry.key.startsWith('llama.')) return [entry]
    return [{ key: entry.key.replace('llama', architecture), type: entry.type, value: entry.value } as MetadataEntry]
  })
  const added = Object.entries(more).map(([key, value]): MetadataEntry => {
    const type = typeof value === 'string' ? 'string' : key.endsWith('length') ? 'uint32' : 'float32'
    return { key: `${architecture}.${key}`, type, value } as MetadataEntry
  })
  const texts = { 'general.architecture': architecture, ...others }
  const named = Object.entries(texts).map(([key, value]): MetadataEntry => ({ key, type: 'string', value }))
  const tensors = [...gguf.tensors.values()].map(({ name, dimensions, type, offset, bytes: length }) => ({
    name,
    dimensions,
    type,
    data: () => [bytes.subarray(offset, offset + length)],
  }))
  return concat(writeGguf([...named, ...stored, ...added], tensors))
}

/** Of stories() with these arguments. */
async function logits(...args: Parameters<typeof stories>): Promise<Float32Array> {
  const model = await load(await stories(...args), { threads: 1, context: ORIGINAL })
  try {
    return (await model.logits(TOKENS)).data
  } finally {
    await model.close()
  }
}

test('mistral3 is llama by its own keys', async () => {
  const plain = bits(await logits('llama'))
  assert.is(bits(await logits('mistral3')), plain)
  const scaled = bits(await logits('mistral3', YARN))
  assert.is.not(scaled, plain)
  assert.is(scaled, bits(await logits('llama', YARN)))
  const model = await load(await stories('mistral3'), { threads: 1 })
  assert.is(model.info.architecture, 'mistral3')
  await model.close()
})

test('its multiplier takes the scale of YaRN back, as llama.cpp does', async () => {
  const multiplied = { ...YARN, 'rope.scaling.yarn_log_multiplier': 1 }
  const got = await logits('mistral3', multiplied)
  const want = await logits('llama', { ...YARN, 'rope.scaling.attn_factor': 1 / (1 + 0.1 * log(FACTOR)) })
  // The factor in the file is rounded to f32.
  assert.ok(want.every((value, i) => Math.abs(value - got[i]!) < 1e-4))
  assert.is.not(bits(got), bits(await logits('mistral3', YARN)))
  // A llama file with the key is not scaled.
  assert.is(bits(await logits('llama', multiplied)), bits(await logits('llama', YARN)))
})

test('the text is that of llama-server 0c1e570 on the same file', async () => {
  const begin =
    ', there was a little girl named Lily. She loved to play outside in the park with her friends. One day, she went to the park with her mommy and saw a big box'
  for (const [more, text] of [
    [{}, `${begin} with a big box. She was very happy and wanted to play with it.`],
    [
      { 'rope.scaling.yarn_log_multiplier': 1 },
      `${begin}. She was very happy and decided to see what was in the park.`,
    ],
  ] as const) {
    const file = await stories('mistral3', { ...YARN, 'rope.scaling.original_context_length': 128, ...more })
    const model = await load(file, { threads: 1 })
    const told = await model.generate('Once upon a time', { temperature: 0, maxTokens: 90, ignoreEos: true }).result()
    assert.ok(told.text.startsWith(text), told.text)
    await model.close()
  }
})

test('beyond the original context it scales queries: the text of llama-server 0c1e570, the same bits in any batch', async () => {
  const original = { ...YARN, 'rope.scaling.original_context_length': 32 }
  const begin =
    ", there was a little girl named Lily whoal called Tom. She loved to play outside in the park with her mommy. One day, she went to the park with her mommy's mommy to play with her toys. They saw a big box of cardboat"
  for (const [scale, text] of [
    [
      0,
      `${begin}s and a pretty toys. They were having so many toys in the park, but they were too much. Lily wanted to play with it, but she couldn't find it. She accidentall`,
    ],
    [
      0.1,
      `${begin} and asked, "Mommy, what is that?" They asked her mommy, "I want to go to the park to play with the cardbo. What's that boat, Lily?"\n"It's a`,
    ],
  ] as const) {
    const file = await stories('mistral3', { ...original, 'attention.temperature_scale': scale })
    const model = await load(file, { threads: 1, kv: 'f32' })
    const told = await model.generate('Once upon a time', { temperature: 0, maxTokens: 150, ignoreEos: true }).result()
    assert.is(told.text, text)
    const ids = [...model.tokenize('Once upon a time'), ...told.ids]
    const want = bits((await model.logits(ids)).data)
    await model.close()
    for (const options of [{ batch: 1 }, { batch: 7, threads: 2 }, { batch: 64, threads: 2 }]) {
      const other = await load(file, { ...options, kv: 'f32' })
      assert.is(bits((await other.logits(ids)).data), want, JSON.stringify(options))
      await other.close()
    }
  }
})

test('a template for tools is taken where there are tools, or no other', async () => {
  const messages = [{ role: 'user', content: 'Hi' }]
  const tools = [{ type: 'function' }]
  const toolUse = { 'tokenizer.chat_template.tool_use': 'TOOLS {{ messages[0].content }}' }
  const both = { ...toolUse, 'tokenizer.chat_template': 'PLAIN {{ messages[0].content }}' }
  const cases: [templates: Record<string, string>, options: ChatOptions, text: string][] = [
    [both, { tools }, 'TOOLS Hi'],
    [both, { tools: [] }, 'PLAIN Hi'],
    [both, {}, 'PLAIN Hi'],
    [toolUse, {}, 'TOOLS Hi'],
  ]
  for (const [templates, options, text] of cases) {
    const model = await load(await stories('llama', {}, templates), { threads: 1 })
    assert.is(model.applyTemplate(messages, options), text)
    await model.close()
  }
})

test.run()
