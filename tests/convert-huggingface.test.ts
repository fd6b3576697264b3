/** Hugging Face folders against what llama.cpp's converter and transformers make of them (tests/fixtures). */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { convertHuggingFace, OUTTYPES, type Outtype, sizeLabel } from '../js/convert/huggingface.ts'
import { load, loadTokenizer } from '../js/index.ts'
import { concat, read } from './gguf-helpers.ts'

const FIXTURES = new URL('fixtures/huggingface/', import.meta.url).pathname

interface Expected {
  metadata: Record<string, unknown>
  tensors: Record<Outtype, Record<string, { type: string; dimensions: number[]; sha256: string }>>
  texts: { text: string; ids: number[] }[]
  ids: number[]
  logits: number[][]
}

const expected: Record<string, Expected> = JSON.parse(readFileSync(join(FIXTURES, 'expected.json'), 'utf8'))

function files(folder: string): Map<string, string> {
  return new Map(readdirSync(join(FIXTURES, folder)).map((name) => [name, join(FIXTURES, folder, name)]))
}

async function convert(folder: string, outtype: Outtype): Promise<Uint8Array> {
  const options = {
    outtype,
    name: folder.replaceAll('-', ' '),
    onWarning: (warning: unknown) => warnings.push(warning),
  }
  const warnings: unknown[] = []
  const bytes = await concat(convertHuggingFace(files(folder), options))
  assert.equal(warnings, [])
  return bytes
}

/** A metadata value as JSON has it, floats with the digits of an f32. */
function plain(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? value : Number(value.toPrecision(9))
  return typeof value === 'object' ? Array.from(value as ArrayLike<unknown>, plain) : value
}

/** What llama.cpp writes and no model of this architecture makes use of. */
const LEFT_OUT = ['tokenizer.ggml.add_sep_token']

for (const [folder, reference] of Object.entries(expected)) {
  for (const outtype of OUTTYPES) {
    test(`${folder} as ${outtype}: the tensors are llama.cpp's, byte for byte`, async () => {
      const bytes = await convert(folder, outtype)
      const { tensors, metadata } = await read(bytes)
      const got = Object.fromEntries(
        Array.from(tensors.values(), ({ name, type, dimensions, offset, bytes: length }) => {
          const sha256 = createHash('sha256')
            .update(bytes.subarray(offset, offset + length))
            .digest('hex')
            .slice(0, 16)
          return [name, { type, dimensions: [...dimensions], sha256 }] as const
        }).sort(([a], [b]) => (a < b ? -1 : 1)),
      )
      const want = Object.entries(reference.tensors[outtype]).sort(([a], [b]) => (a < b ? -1 : 1))
      assert.equal(got, Object.fromEntries(want))
      assert.is(metadata.get('general.file_type'), { f32: 0, f16: 1, bf16: 32, q8_0: 7 }[outtype])
    })
  }

  test(`${folder}: the metadata are llama.cpp's, in its order`, async () => {
    const { metadata } = await read(await convert(folder, 'f32'))
    const want = Object.entries(reference.metadata).filter(([key]) => !LEFT_OUT.includes(key))
    const got = Array.from(metadata, ([key, value]) => [key, plain(value)])
    assert.equal(
      got.map(([key]) => key),
      want.map(([key]) => key),
    )
    assert.equal(
      got,
      want.map(([key, value]) => [key, plain(value)]),
    )
  })

  test(`${folder}: texts become the ids of the tokenizer in the folder`, async () => {
    const tokenizer = await loadTokenizer(await convert(folder, 'q8_0'))
    for (const { text, ids } of reference.texts) assert.equal(tokenizer.tokenize(text, { bos: false }), ids, text)
  })

  test(`${folder}: the logits are transformers'`, async () => {
    const model = await load(await convert(folder, 'f32'), { threads: 1, kv: 'f32' })
    try {
      const { data, shape } = await model.logits(reference.ids)
      assert.equal(shape, [reference.logits.length, reference.logits[0]!.length])
      for (const [i, value] of reference.logits.flat().entries()) {
        assert.ok(Math.abs(data[i]! - value) < 2e-5, `logit ${i}: ${data[i]}, not ${value}`)
      }
    } finally {
      await model.close()
    }
  })
}

test('tokenizer.json in the place of tokenizer.model gives the same ids', async () => {
  const folder = files('Tiny-Llama')
  for (const name of ['tokenizer.model', 'added_tokens.json']) folder.delete(name)
  folder.set('tokenizer.json', join(FIXTURES, 'Tiny-Llama.tokenizer.json'))
  const tokenizer = await loadTokenizer(await concat(convertHuggingFace(folder)))
  assert.is(tokenizer.kind, 'spm')
  for (const { text, ids } of expected['Tiny-Llama']!.texts) {
    assert.equal(tokenizer.tokenize(text, { bos: false }), ids, text)
  }
  assert.is(tokenizer.bos, 1)
})

test('sizes are said with two digits or more', () => {
  const labels = [26264, 999, 134_515_008, 1_100_048_384, 6_738_415_616, 70e9, 1.5e12].map(sizeLabel)
  assert.equal(labels, ['26K', '1.0K', '135M', '1.1B', '6.7B', '70B', '1.5T'])
})

test.run()
