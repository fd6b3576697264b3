/**
 * Files whose metadata is as people have it: what llama.cpp takes is taken, with the same ids and a warning where it has one, and
 * what it refuses is refused (tests/fixtures/metadata.json).
 */
import { readFileSync } from 'node:fs'
import { CriaError, type CriaWarning, load } from 'cria'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NAMES, variant } from '../metadata-variants.ts'

const LLAMA_CPP = JSON.parse(readFileSync(new URL('../fixtures/metadata.json', import.meta.url), 'utf8')) as Record<
  string,
  string
>

/** Variants that cria takes and llama.cpp refuses, and why. */
const LENIENT: [RegExp, string][] = [
  [/^(llama\..*|general\.file_type) (int32|uint64) \d+$/, 'a number counts, whatever its type'],
  [/^llama\.rope\.freq_base uint32 7$/, 'a number counts, whatever its type'],
  [/^token_type is int8$/, 'numbers count, whatever their type'],
  [/^suppressed tokens as uint32$/, 'numbers count, whatever their type'],
  [/^tokens with one less$/, 'an embedding may have rows to spare'],
  [/^a token twice$/, 'the first of them counts'],
  [/^llama\.vocab_size string|^vocab_size is/, 'the embedding says it'],
  [/^llama\.rope\.dimension_count uint32 4$/, 'the others are not rotated'],
  [
    /^tokenizer\.ggml\.add_eos_token bool true$/,
    'the program that writes the fixture, as llama-completion, ends there',
  ],
]
/** Variants that llama.cpp takes and cria refuses by name, and why. */
const STRICT: [RegExp, string][] = [
  [/^llama\.context_length uint32 0$/, 'no context'],
  [/^llama\.rope\.(freq_base float32 (0|-1)|scaling\.factor float32 -1)$/, 'no number that can be meant'],
  [/^llama\.attention\.causal bool false$/, 'cria has causal attention only'],
  [/^llama\.(logit_scale|attn_logit_softcapping) float32 2$/, 'another llama.cpp may read it'],
  [/^(attention\.head_count|feed_forward_length) of layers, of which one differs$/, 'cria has layers alike'],
]

const warnedOf = new Map<string, CriaWarning[]>()

/** As a line of the fixture: ids of the prompt and of what follows it. */
async function outcome(name: string): Promise<string> {
  const warnings: CriaWarning[] = []
  warnedOf.set(name, warnings)
  const options = { inProcess: true, kv: 'f32', context: 256, isa: 'simd' } as const
  const model = await load(await variant(name), { ...options, onWarning: (warning) => void warnings.push(warning) })
  try {
    const prompt = 'Once upon a time'
    const ids = model.tokenize(prompt)
    const { ids: next } = await model.generate(prompt, { temperature: 0, maxTokens: 6 }).result()
    return `ran ${[...ids, '|', ...next].join(' ')}`
  } finally {
    await model.close()
  }
}

test('every variant is in the fixture, and what differs is one', () => {
  assert.equal(Object.keys(LLAMA_CPP), [...NAMES])
  for (const [pattern] of [...LENIENT, ...STRICT])
    assert.ok(
      NAMES.some((name) => pattern.test(name)),
      String(pattern),
    )
})

for (const name of NAMES) {
  test(name, async () => {
    const expected = LLAMA_CPP[name]!
    const found = await outcome(name).catch((error: unknown) => {
      assert.instance(error, CriaError, String(error))
      assert.match((error as CriaError).message, /^\S.{10,}[.)…]$/su)
      return 'refused'
    })
    const warned = warnedOf.get(name)!
    const differs = [...(expected === 'refused' ? LENIENT : STRICT)].find(([pattern]) => pattern.test(name))
    if (differs) {
      assert.is(found === 'refused', expected !== 'refused', `no longer: ${differs[1]}`)
      return
    }
    assert.is(found, expected.replace(' warned', ''))
    if (expected.endsWith('warned')) assert.ok(warned.some(({ code }) => /^TOKEN(IZER_PRE|_ID)$/.test(code)))
  })
}

test.run()
