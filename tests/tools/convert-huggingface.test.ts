/** Hugging Face folders against what llama.cpp's converter and transformers make of them (tests/fixtures). */
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { convertHuggingFace, OUTTYPES, type Outtype, sizeLabel } from '../../js/convert/huggingface.ts'
import { readSafetensors } from '../../js/convert/safetensors.ts'
import { load, loadTokenizer } from '../../js/index.ts'
import { bytesSource } from '../../js/source/memory.ts'
import { concat, read } from '../gguf-helpers.ts'

const FIXTURES = new URL('../fixtures/huggingface/', import.meta.url).pathname

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

const EXPERTS = 3

/**
 * Tiny-Mistral as a folder of MixtralForCausalLM: each expert is the dense network, with `edit` made to it, and whatever they
 * weigh for a token, together they are it again.
 */
async function mixtral(
  edit: (weights: Uint8Array, expert: number) => void = () => {},
): Promise<Map<string, Uint8Array>> {
  const folder = new Map(
    Array.from(files('Tiny-Mistral'), ([name, path]) => [name, new Uint8Array(readFileSync(path))]),
  )
  const tensors: { name: string; dtype: string; shape: readonly number[]; data: Uint8Array }[] = []
  for (const [file, bytes] of folder) {
    if (!file.endsWith('.safetensors')) continue
    folder.delete(file)
    for (const { name, dtype, shape, offset, bytes: length } of (await readSafetensors(bytesSource(bytes))).values()) {
      const data = bytes.slice(offset, offset + length)
      const [, layer, part] = /^(.*)mlp\.(gate|up|down)_proj\.weight$/.exec(name) ?? []
      if (part === undefined) {
        tensors.push({ name, dtype, shape, data })
        continue
      }
      const moe = `${layer}block_sparse_moe`
      for (let expert = 0; expert < EXPERTS; expert++) {
        const weights = data.slice()
        edit(weights, expert)
        const w = { gate: 'w1', up: 'w3', down: 'w2' }[part]
        tensors.push({ name: `${moe}.experts.${expert}.${w}.weight`, dtype, shape, data: weights })
      }
      if (part !== 'gate') continue
      const router = Float32Array.from({ length: EXPERTS * shape[1]! }, (_, i) =>
        Math.fround(((i * 37) % 11) / 7 - 0.7),
      )
      const from = new Uint8Array(router.buffer)
      tensors.push({ name: `${moe}.gate.weight`, dtype: 'F32', shape: [EXPERTS, shape[1]!], data: from })
    }
  }
  let offset = 0
  const infos = tensors.map(({ name, dtype, shape, data }) => {
    offset += data.length
    return [name, { dtype, shape, data_offsets: [offset - data.length, offset] }] as const
  })
  const header = Buffer.from(JSON.stringify(Object.fromEntries(infos)))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(header.length))
  folder.delete('model.safetensors.index.json')
  folder.set('model.safetensors', Buffer.concat([length, header, ...tensors.map(({ data }) => data)]))
  const config = JSON.parse(Buffer.from(folder.get('config.json')!).toString('utf8'))
  const more = { architectures: ['MixtralForCausalLM'], num_local_experts: EXPERTS, num_experts_per_tok: 2 }
  return folder.set('config.json', Buffer.from(JSON.stringify({ ...config, ...more })))
}

test('experts: a mixture of equals has the logits of the dense model, as transformers finds them', async () => {
  const { ids, logits } = expected['Tiny-Mistral']!
  const model = await load(await concat(convertHuggingFace(await mixtral(), { outtype: 'f32' })), {
    threads: 1,
    kv: 'f32',
  })
  try {
    const { data } = await model.logits(ids)
    for (const [i, value] of logits.flat().entries()) {
      assert.ok(Math.abs(data[i]! - value) < 2e-5, `logit ${i}: ${data[i]}, not ${value}`)
    }
  } finally {
    await model.close()
  }
})

test('experts: stacked in their order, routers in f32, named and counted as llama.cpp does', async () => {
  // The first weight of each tells which it is.
  const mark = (weights: Uint8Array, expert: number) => weights.set([expert, 0x40])
  const folder = await mixtral(mark)
  const bytes = await concat(convertHuggingFace(folder, { outtype: 'bf16' }))
  const { metadata, tensors } = await read(bytes)
  assert.equal([metadata.get('llama.expert_count'), metadata.get('llama.expert_used_count')], [EXPERTS, 2])
  const dense = (await read(await convert('Tiny-Mistral', 'bf16'))).tensors
  for (let layer = 0; layer < (metadata.get('llama.block_count') as number); layer++) {
    assert.is(tensors.get(`blk.${layer}.ffn_gate_inp.weight`)!.type, 'F32')
    for (const part of ['gate', 'up', 'down']) {
      const one = dense.get(`blk.${layer}.ffn_${part}.weight`)!
      const stack = tensors.get(`blk.${layer}.ffn_${part}_exps.weight`)!
      assert.equal(stack.dimensions, [...one.dimensions, EXPERTS])
      for (let expert = 0; expert < EXPERTS; expert++) {
        const at = stack.offset + expert * one.bytes
        assert.equal([...bytes.subarray(at, at + 2)], [expert, 0x40])
      }
    }
  }
  // The parameters that all share, and those of one expert.
  assert.is(metadata.get('general.size_label'), `${EXPERTS}x42K`)
})

test('sizes are said with two digits or more', () => {
  const labels = [26264, 999, 134_515_008, 1_100_048_384, 6_738_415_616, 70e9, 1.5e12].map(sizeLabel)
  assert.equal(labels, ['26K', '1.0K', '135M', '1.1B', '6.7B', '70B', '1.5T'])
})

test.run()
