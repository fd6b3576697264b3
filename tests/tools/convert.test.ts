import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { halfFromFloatBits, halvesFromFloats } from '../../js/convert/float16.ts'
import { type ConvertOptions, convertLlama2c } from '../../js/convert/llama2c.ts'
import { ArgumentError, FormatError, UnsupportedError } from '../../js/errors.ts'
import { openFile } from '../../js/platform/files-node.ts'
import { concat, random, read, rejects } from '../gguf-helpers.ts'
import { shared, sharedTest } from '../shared.ts'

/** What a half means, computed from its definition. */
function halfValue(half: number): number {
  const sign = half & 0x8000 ? -1 : 1
  const exponent = (half >> 10) & 31
  const fraction = half & 1023
  if (exponent === 31) return fraction ? NaN : sign * Infinity
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25))
}

const scratch = new DataView(new ArrayBuffer(4))
function half(value: number): number {
  scratch.setFloat32(0, value)
  return halfFromFloatBits(scratch.getUint32(0))
}

test('every half survives', () => {
  for (let bits = 0; bits < 0x10000; bits++) {
    const value = halfValue(bits)
    if (Number.isNaN(value)) assert.ok(Number.isNaN(halfValue(half(value))))
    else assert.is(half(value), bits)
  }
})

test('between two halves: the nearer, in the middle the even one', () => {
  // 0x7c00, infinity, stands where 65536 would be.
  for (let bits = 0; bits < 0x7c00; bits++) {
    const below = halfValue(bits)
    const above = bits === 0x7bff ? 65536 : halfValue(bits + 1)
    const middle = (below + above) / 2
    scratch.setFloat32(0, middle)
    const middleBits = scratch.getUint32(0)
    assert.is(scratch.getFloat32(0), middle)
    for (const sign of [0, 0x8000]) {
      const signBit = sign ? 0x80000000 : 0
      assert.is(halfFromFloatBits((middleBits | signBit) >>> 0), (bits + (bits & 1)) | sign)
      assert.is(halfFromFloatBits(((middleBits - 1) | signBit) >>> 0), bits | sign)
      assert.is(halfFromFloatBits(((middleBits + 1) | signBit) >>> 0), (bits + 1) | sign)
    }
  }
})

test('the ends of the range', () => {
  assert.is(half(1e-30), 0)
  assert.is(half(-1e-30), 0x8000)
  assert.is(half(3.4e38), 0x7c00)
  assert.is(half(-Infinity), 0xfc00)
  assert.equal(halvesFromFloats(new Uint8Array(Float32Array.of(1, -2).buffer)), new Uint8Array([0, 0x3c, 0, 0xc0]))
})

interface Shape {
  dim: number
  hidden: number
  layers: number
  heads: number
  kvHeads: number
  vocab: number
  context: number
}
const SHAPE: Shape = { dim: 8, hidden: 12, layers: 2, heads: 2, kvHeads: 1, vocab: 5, context: 16 }

const floats = (count: number, next: () => number) => Float32Array.from({ length: count }, () => next() / 2 ** 31 - 1)

/** A checkpoint with random weights, and the weights by GGUF's names. Written from the shapes in run.c and export.py. */
function checkpoint(
  version: 0 | 1,
  tied: boolean,
  shape = SHAPE,
): { bytes: Uint8Array; weights: Map<string, Float32Array> } {
  const { dim, hidden, layers, heads, kvHeads, vocab, context } = shape
  const kvDim = (dim / heads) * kvHeads
  const next = random(1)
  const weights = new Map<string, Float32Array>()
  const parts: Float32Array[] = []
  const one = (name: string, count: number) => {
    weights.set(name, floats(count, next))
    parts.push(weights.get(name)!)
  }
  const each = (name: string, count: number) => {
    for (let layer = 0; layer < layers; layer++) one(`blk.${layer}.${name}.weight`, count)
  }
  const attention = () => {
    each('attn_q', dim * dim)
    each('attn_k', kvDim * dim)
    each('attn_v', kvDim * dim)
    each('attn_output', dim * dim)
  }
  const feedForward = () => {
    each('ffn_gate', hidden * dim)
    each('ffn_down', dim * hidden)
    each('ffn_up', hidden * dim)
  }
  if (version === 0) {
    one('token_embd.weight', vocab * dim)
    each('attn_norm', dim)
    attention()
    each('ffn_norm', dim)
    feedForward()
    one('output_norm.weight', dim)
    parts.push(new Float32Array(context * (dim / heads)).fill(7))
  } else {
    each('attn_norm', dim)
    each('ffn_norm', dim)
    one('output_norm.weight', dim)
    one('token_embd.weight', vocab * dim)
    attention()
    feedForward()
  }
  if (!tied) one('output.weight', vocab * dim)
  const numbers = [dim, hidden, layers, heads, kvHeads, version === 0 && !tied ? -vocab : vocab, context]
  const header =
    version === 0
      ? Buffer.from(Int32Array.from(numbers).buffer)
      : Buffer.concat([Buffer.from(Int32Array.of(0x616b3432, 1, ...numbers).buffer), Buffer.from([Number(tied)])], 256)
  const bytes = new Uint8Array(Buffer.concat([header, ...parts.map((part) => Buffer.from(part.buffer))]))
  return { bytes, weights }
}

function tokenizerFile(pieces: (string | Uint8Array)[]): Uint8Array {
  const parts: Buffer[] = [Buffer.from(Int32Array.of(9).buffer)]
  pieces.forEach((piece, id) => {
    const text = Buffer.from(piece)
    parts.push(Buffer.from(Float32Array.of(-id).buffer), Buffer.from(Int32Array.of(text.length).buffer), text)
  })
  return new Uint8Array(Buffer.concat(parts))
}
const TOKENIZER = tokenizerFile(['<unk>', '\n<s>\n', '\n</s>\n', '<0x0A>', ' a b'])

const convert = (bytes: Uint8Array, options: Partial<ConvertOptions> = {}, tokenizer = TOKENIZER) =>
  concat(convertLlama2c(bytes, tokenizer, { outtype: 'f32', ...options }))

test('versions 0 and 1, tied and not, f32 and f16: the same weights under their names', async () => {
  for (const version of [0, 1] as const) {
    for (const tied of [true, false]) {
      for (const outtype of ['f32', 'f16'] as const) {
        const { bytes, weights } = checkpoint(version, tied)
        const file = await convert(bytes, { outtype })
        const { tensors } = await read(file)
        assert.equal([...tensors.keys()].sort(), [...weights.keys()].sort())
        assert.is(tensors.has('output.weight'), !tied)
        for (const [name, values] of weights) {
          const { type, offset, bytes: size, dimensions } = tensors.get(name)!
          const vector = name.includes('norm')
          assert.is(dimensions.length, vector ? 1 : 2)
          assert.is(type, vector || outtype === 'f32' ? 'F32' : 'F16', name)
          const data = file.slice(offset, offset + size)
          if (type === 'F32') assert.equal(new Float32Array(data.buffer), values, name)
          else assert.equal([...new Uint16Array(data.buffer)], [...values].map(half), name)
        }
      }
    }
  }
})

/** A checkpoint of version 2, written from export.py, and the values it stands for. */
function quantizedCheckpoint(
  tied: boolean,
  groupSize: number,
): { bytes: Uint8Array; weights: Map<string, Float32Array> } {
  const { weights } = checkpoint(1, tied)
  const next = random(2)
  const header = Buffer.alloc(256)
  const { dim, hidden, layers, heads, kvHeads, vocab, context } = SHAPE
  for (const [i, field] of [0x616b3432, 2, dim, hidden, layers, heads, kvHeads, vocab, context].entries()) {
    header.writeInt32LE(field, 4 * i)
  }
  header[36] = Number(tied)
  header.writeInt32LE(groupSize, 37)
  const parts: Buffer[] = [header]
  const order = ['attn_norm', 'ffn_norm', 'output_norm', 'token_embd', 'attn_q', 'attn_k', 'attn_v', 'attn_output']
  for (const part of [...order, 'ffn_gate', 'ffn_down', 'ffn_up', 'output.']) {
    for (const [name, values] of weights) {
      if (!new RegExp(`(^|\\.)${part.replace(/\.$/, '')}\\.weight$`).test(name)) continue
      if (part.includes('norm')) {
        parts.push(Buffer.from(values.buffer))
        continue
      }
      const quants = Int8Array.from(values, () => next() & 255)
      const scales = Float32Array.from({ length: values.length / groupSize }, () => next() / 2 ** 40)
      parts.push(Buffer.from(quants.buffer), Buffer.from(scales.buffer))
      weights.set(
        name,
        Float32Array.from(quants, (quant, i) => quant * scales[Math.floor(i / groupSize)]!),
      )
    }
  }
  return { bytes: new Uint8Array(Buffer.concat(parts)), weights }
}

test('version 2: values times the scale of their group', async () => {
  for (const tied of [true, false]) {
    for (const groupSize of [1, 2, 4, 8]) {
      const { bytes, weights } = quantizedCheckpoint(tied, groupSize)
      for (const outtype of ['f32', 'f16'] as const) {
        const file = await convert(bytes, { outtype })
        const { tensors } = await read(file)
        assert.equal([...tensors.keys()].sort(), [...weights.keys()].sort())
        for (const [name, values] of weights) {
          const { type, offset, bytes: size } = tensors.get(name)!
          const data = file.slice(offset, offset + size)
          if (type === 'F32') assert.equal(new Float32Array(data.buffer), values, name)
          else assert.equal([...new Uint16Array(data.buffer)], [...values].map(half), name)
        }
      }
      await rejects(convert(bytes.subarray(0, bytes.length - 1)), FormatError, 'LLAMA2C_TRUNCATED')
    }
    for (const groupSize of [0, -1, 3, 7]) {
      const { bytes } = quantizedCheckpoint(tied, 1)
      new DataView(bytes.buffer).setInt32(37, groupSize, true)
      await rejects(convert(bytes), FormatError, 'LLAMA2C_HEADER')
    }
  }
})

test('dimensions are columns first', async () => {
  const { tensors } = await read(await convert(checkpoint(0, true).bytes))
  assert.equal(tensors.get('token_embd.weight')!.dimensions, [8, 5])
  assert.equal(tensors.get('blk.1.attn_k.weight')!.dimensions, [8, 4])
  assert.equal(tensors.get('blk.0.ffn_down.weight')!.dimensions, [12, 8])
  assert.equal([...tensors.keys()].slice(0, 3), ['token_embd.weight', 'blk.0.attn_norm.weight', 'blk.0.attn_q.weight'])
})

test('metadata and vocabulary', async () => {
  const options = { name: 'test', license: 'mit', source: 'https://example.org' }
  const { metadata } = await read(await convert(checkpoint(0, true).bytes, options))
  const get = (key: string) => metadata.get(key)
  assert.is(get('general.architecture'), 'llama')
  assert.is(get('general.name'), 'test')
  assert.is(get('general.license'), 'mit')
  assert.is(get('general.source.url'), 'https://example.org')
  assert.is(get('llama.embedding_length'), 8)
  assert.is(get('llama.feed_forward_length'), 12)
  assert.is(get('llama.block_count'), 2)
  assert.is(get('llama.context_length'), 16)
  assert.is(get('llama.attention.head_count'), 2)
  assert.is(get('llama.attention.head_count_kv'), 1)
  assert.is(get('llama.rope.dimension_count'), 4)
  assert.is(get('llama.vocab_size'), 5)
  assert.is(get('tokenizer.ggml.model'), 'llama')
  assert.equal(get('tokenizer.ggml.tokens'), ['<unk>', '<s>', '</s>', '<0x0A>', '▁a▁b'])
  assert.equal(get('tokenizer.ggml.scores'), Float32Array.of(-0, -1, -2, -3, -4))
  assert.equal(get('tokenizer.ggml.token_type'), Int32Array.of(2, 3, 3, 6, 1))
  assert.is(get('tokenizer.ggml.add_bos_token'), true)
  assert.is(get('tokenizer.ggml.add_space_prefix'), true)
})

test('refuses checkpoints that are cut short, too long or absurd', async () => {
  for (const version of [0, 1] as const) {
    const { bytes } = checkpoint(version, false)
    for (const length of [0, 27, 28, 200, 256, bytes.length - 1]) {
      await rejects(convert(bytes.subarray(0, length)), FormatError, 'LLAMA2C_TRUNCATED')
    }
    await rejects(convert(new Uint8Array([...bytes, 0])), FormatError, 'LLAMA2C_SIZE')
    const start = version === 0 ? 0 : 8
    for (let field = 0; field < 7; field++) {
      for (const value of [0, -2147483648, 2147483647]) {
        const damaged = bytes.slice()
        new DataView(damaged.buffer).setInt32(start + 4 * field, value, true)
        await rejects(convert(damaged), FormatError, 'LLAMA2C_HEADER')
      }
    }
    const damaged = bytes.slice()
    new DataView(damaged.buffer).setInt32(start + 12, 3, true)
    await rejects(convert(damaged), FormatError, 'LLAMA2C_HEADER')
  }
  const quantized = checkpoint(1, true).bytes
  quantized[4] = 3
  await rejects(convert(quantized), UnsupportedError, 'LLAMA2C_VERSION')
})

test('refuses values that are not finite, or too large for f16', async () => {
  for (const [value, outtype, fails] of [
    [NaN, 'f32', true],
    [-Infinity, 'f16', true],
    [65520, 'f16', true],
    [-65519, 'f16', false],
    [1e30, 'f32', false],
  ] as const) {
    const { bytes } = checkpoint(0, true)
    new DataView(bytes.buffer).setFloat32(28, value, true)
    if (fails) await rejects(convert(bytes, { outtype }), FormatError, 'LLAMA2C_VALUE')
    else assert.ok(await convert(bytes, { outtype }))
  }
})

test('refuses a tokenizer that does not fit, and other outtypes', async () => {
  const { bytes } = checkpoint(0, true)
  const endless = TOKENIZER.slice()
  new DataView(endless.buffer).setInt32(8, 2 ** 31 - 1, true)
  const scoreless = TOKENIZER.slice()
  new DataView(scoreless.buffer).setFloat32(4, Number.NaN, true)
  const negative = TOKENIZER.slice()
  new DataView(negative.buffer).setInt32(8, -1, true)
  for (const tokenizer of [
    new Uint8Array(0),
    TOKENIZER.subarray(0, TOKENIZER.length - 1),
    tokenizerFile(['a', 'b', 'c', 'd']),
    tokenizerFile(['a', 'b', 'c', 'd', 'e', 'f']),
    tokenizerFile(['a', 'b', 'c', 'd', Uint8Array.of(0xff)]),
    endless,
    negative,
    // As a tokenizer.model of a folder.
    tokenizerFile(['a', 'b', 'c', 'd', 'd']),
    tokenizerFile(['a', 'b', 'c', 'd', '']),
    scoreless,
  ]) {
    await rejects(convert(bytes, {}, tokenizer), FormatError, 'LLAMA2C_TOKENIZER')
  }
  await rejects(convert(bytes, { outtype: 'q4_0' as never }), ArgumentError, 'OUTTYPE')
})

sharedTest('stories260K: the committed model is the converted checkpoint', async () => {
  const source = await openFile(shared('models', 'stories260K.bin'))
  const tokenizer = new Uint8Array(readFileSync(shared('models', 'tok512.bin')))
  const options = {
    name: 'stories260K',
    license: 'mit',
    source: 'https://huggingface.co/karpathy/tinyllamas',
  }
  const converted = await concat(convertLlama2c(source, tokenizer, { outtype: 'f16', ...options }))
  await source.close()
  const committed = readFileSync(new URL('../../models/stories260K.gguf', import.meta.url))
  assert.ok(committed.equals(converted))

  const checkpointFile = readFileSync(shared('models', 'stories260K.bin'))
  const { tensors } = await read(converted)
  const { offset, bytes, dimensions, type } = tensors.get('token_embd.weight')!
  assert.is(type, 'F16')
  const embedding = new Uint16Array(converted.slice(offset, offset + bytes).buffer)
  assert.is(embedding.length, dimensions[0]! * dimensions[1]!)
  for (const [i, bits] of embedding.entries()) {
    const exact = checkpointFile.readFloatLE(28 + 4 * i)
    const error = Math.abs(halfValue(bits) - exact)
    assert.ok(error <= Math.max(Math.abs(exact) * 2 ** -11, 2 ** -25), `${i}: ${exact}`)
  }
})

test.run()
