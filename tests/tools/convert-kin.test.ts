/** Hugging Face folders of LLaMA's kin against what llama.cpp's converter and transformers make of them (tests/fixtures). */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CLASSES } from '../../js/convert/families/index.ts'
import { convertHuggingFace, OUTTYPES, type Outtype } from '../../js/convert/huggingface.ts'
import { loadTokenizer } from '../../js/index.ts'
import { openEngine } from '../engine-harness.ts'
import { concat, read } from '../gguf-helpers.ts'
import { FIXTURES, type KinModel, kinFolder, MODELS, metadataOf, plain, tensorsOf } from '../kin-folders.ts'

const CONFIGS = ['config.json', 'config-4.json']
/** Rounding apart, and in the Gemmas llama.cpp's and transformers' GELU. */
const TOLERANCE = 2e-5

const converted = new Map<string, Promise<Uint8Array>>()

function convert(name: string, config: string, outtype: Outtype): Promise<Uint8Array> {
  const key = `${name} ${config} ${outtype}`
  const known = converted.get(key) ?? convertAnew(name, config, outtype)
  converted.set(key, known)
  return known
}

async function convertAnew(name: string, config: string, outtype: Outtype): Promise<Uint8Array> {
  const warnings: string[] = []
  const files = kinFolder(name, config)
  const bpe = MODELS.get(name)!.vocabulary === 'bpe'
  const bytes = await concat(
    convertHuggingFace(files, {
      outtype,
      name: name.replaceAll('-', ' '),
      // The small vocabulary is every family's.
      ...(bpe && { pre: 'qwen2' }),
      onWarning: ({ code }) => warnings.push(code),
    }),
  )
  // Qwen's vocabulary normalizes to NFC.
  assert.equal(warnings, bpe ? ['NORMALIZER'] : [])
  return bytes
}

async function lastLogits(bytes: Uint8Array, { ids }: KinModel, context: number): Promise<Float32Array> {
  const engine = await openEngine(bytes, 'simd', { context })
  const logits = await engine.allLogits(ids)
  return logits.subarray(logits.length - engine.config.vocabSize)
}

function checkLogits(got: Float32Array, expected: readonly number[]): void {
  assert.is(got.length, expected.length)
  for (const [i, value] of expected.entries()) {
    assert.ok(Math.abs(got[i]! - value) < TOLERANCE, `logit ${i}: ${got[i]}, not ${value}`)
  }
}

for (const [name, model] of MODELS) {
  for (const config of CONFIGS.filter((file) => existsSync(join(FIXTURES, name, file)))) {
    test(`${name}, ${config}: the metadata are llama.cpp's, in its order`, async () => {
      const { metadata } = await read(await convert(name, config, 'f32'))
      const got = Array.from(metadata, ([key, value]) => [key, plain(value)])
      const expected = metadataOf(model)
      assert.equal(
        got.map(([key]) => key),
        expected.map(([key]) => key),
      )
      for (const [i, [key, value]] of expected.entries()) assert.equal(got[i]![1], value, key as string)
    })

    test(`${name}, ${config}: the tensors are llama.cpp's, byte for byte`, async () => {
      for (const outtype of OUTTYPES) {
        const bytes = await convert(name, config, outtype)
        const { tensors, metadata } = await read(bytes)
        const got = Array.from(tensors.values(), ({ name, type, dimensions, offset, bytes: length }) => {
          const data = bytes.subarray(offset, offset + length)
          const sha256 = createHash('sha256').update(data).digest('hex').slice(0, 16)
          return [name, { type, dimensions: [...dimensions], sha256 }] as const
        })
        assert.equal(new Map(got.sort(([a], [b]) => (a < b ? -1 : 1))), tensorsOf(model, outtype), outtype)
        assert.is(metadata.get('general.file_type'), { f32: 0, f16: 1, bf16: 32, q8_0: 7 }[outtype])
      }
    })
  }

  test(`${name}: texts become the ids of the tokenizer in the folder`, async () => {
    const tokenizer = await loadTokenizer(await convert(name, 'config.json', 'q8_0'))
    for (const { text, ids } of model.texts) assert.equal(tokenizer.tokenize(text, { bos: false }), ids, text)
  })

  test(`${name}: the logits are transformers'`, async () => {
    const bytes = await convert(name, 'config.json', 'f32')
    const { lastLogits: expected, lastLogitsOfLongContext: long } = model
    checkLogits(await lastLogits(bytes, model, 64), expected)
    if (long) checkLogits(await lastLogits(bytes, model, 512), long)
  })
}

test('docs/TOOLS.md names every class', () => {
  const document = readFileSync('docs/TOOLS.md', 'utf8')
  assert.equal(
    CLASSES.filter((name) => !document.includes(`\`${name}\``)),
    [],
  )
})

test('every folder is tried', () => {
  const folders = readdirSync(FIXTURES).filter((name) => name.startsWith('Tiny-'))
  assert.equal([...MODELS.keys()].sort(), folders.sort())
  assert.ok(folders.length > 20)
})

test.run()
