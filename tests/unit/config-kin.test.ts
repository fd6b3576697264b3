/** LLaMA's kin by their published configurations, as headers of GGUF files without the weights: what inspect makes of them. */
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { inspect } from '../../js/api/inspect.ts'
import { fetchFrom, SOURCE_URL } from '../../js/bench/fetch-source.ts'
import { madeUpVocabulary } from '../../js/bench/vocabulary.ts'
import { GGML_TYPES, tensorBytes } from '../../js/gguf/ggml-types.ts'
import { readGguf } from '../../js/gguf/reader.ts'
import type { Gguf } from '../../js/gguf/types.ts'
import { type MetadataEntry, type TensorEntry, writeGguf } from '../../js/gguf/writer.ts'
import { readConfig } from '../../js/models/index.ts'
import type { Source } from '../../js/source/types.ts'

interface Kin {
  dim: number
  ffn: number
  layers: number
  heads: number
  kv: number
  vocabulary: number
  context: number
  theta: number
  /** Of all weights, as published. */
  parameters: number
  tied?: boolean
  /** A byte-level vocabulary with this pre-tokenizer; else SentencePiece. */
  pre?: string
  /** Linear rope scaling. */
  factor?: number
  /** Llama 3.1's rope_freqs.weight. */
  ropeFreqs?: boolean
  experts?: number
  active?: number
}

const LLAMA_7B = { dim: 4096, ffn: 11008, layers: 32, heads: 32, kv: 32, vocabulary: 32000, theta: 1e4 }
const LLAMA_13B = { ...LLAMA_7B, dim: 5120, ffn: 13824, layers: 40, heads: 40, kv: 40 }
const LLAMA_33B = { ...LLAMA_7B, dim: 6656, ffn: 17920, layers: 60, heads: 52, kv: 52 }
const LLAMA_65B = { ...LLAMA_7B, dim: 8192, ffn: 22016, layers: 80, heads: 64, kv: 64 }
const LLAMA_3 = { vocabulary: 128256, theta: 5e5, pre: 'llama-bpe' }
const LLAMA_3_8B = { ...LLAMA_3, dim: 4096, ffn: 14336, layers: 32, heads: 32, kv: 8, parameters: 8_030_261_248 }
const LLAMA_3_70B = { ...LLAMA_3, dim: 8192, ffn: 28672, layers: 80, heads: 64, kv: 8, parameters: 70_553_706_496 }
const LLAMA_3_2 = { ...LLAMA_3, context: 131072, ropeFreqs: true, tied: true }
const CODE = { theta: 1e6, context: 16384 }
const MISTRAL = { dim: 4096, ffn: 14336, layers: 32, heads: 32, kv: 8, vocabulary: 32000, context: 32768 }
const DEEPSEEK = { ...LLAMA_7B, vocabulary: 102400, context: 4096, pre: 'deepseek-llm' }
const DEEPSEEK_CODER = { vocabulary: 32256, context: 16384, theta: 1e5, factor: 4, pre: 'deepseek-coder' }
const YI = { vocabulary: 64000, context: 4096, theta: 5e6 }
const SMOLLM2 = { vocabulary: 49152, context: 8192, theta: 1e5, tied: true, pre: 'smollm' }

const KIN: Record<string, Kin> = {
  'LLaMA 7B': { ...LLAMA_7B, context: 2048, parameters: 6_738_415_616 },
  'LLaMA 13B': { ...LLAMA_13B, context: 2048, parameters: 13_015_864_320 },
  'LLaMA 33B': { ...LLAMA_33B, context: 2048, parameters: 32_528_943_616 },
  'LLaMA 65B': { ...LLAMA_65B, context: 2048, parameters: 65_285_660_672 },
  'Llama 2 7B': { ...LLAMA_7B, context: 4096, parameters: 6_738_415_616 },
  'Llama 2 13B': { ...LLAMA_13B, context: 4096, parameters: 13_015_864_320 },
  'Llama 2 70B': { ...LLAMA_65B, ffn: 28672, kv: 8, context: 4096, parameters: 68_976_648_192 },
  'Code Llama 7B': { ...LLAMA_7B, ...CODE, vocabulary: 32016, parameters: 6_738_546_688 },
  'Code Llama 13B': { ...LLAMA_13B, ...CODE, vocabulary: 32016, parameters: 13_016_028_160 },
  'Code Llama 34B': { ...LLAMA_65B, ...CODE, layers: 48, kv: 8, parameters: 33_743_970_304 },
  'Llama 3 8B': { ...LLAMA_3_8B, context: 8192 },
  'Llama 3 70B': { ...LLAMA_3_70B, context: 8192 },
  'Llama 3.1 8B': { ...LLAMA_3_8B, context: 131072, ropeFreqs: true },
  'Llama 3.1 70B': { ...LLAMA_3_70B, context: 131072, ropeFreqs: true },
  'Llama 3.2 1B': { ...LLAMA_3_2, dim: 2048, ffn: 8192, layers: 16, heads: 32, kv: 8, parameters: 1_235_814_400 },
  'Llama 3.2 3B': { ...LLAMA_3_2, dim: 3072, ffn: 8192, layers: 28, heads: 24, kv: 8, parameters: 3_212_749_824 },
  'TinyLlama 1.1B': {
    ...{ ...LLAMA_7B, dim: 2048, ffn: 5632, layers: 22, kv: 4 },
    ...{ context: 2048, parameters: 1_100_048_384 },
  },
  'SmolLM2 135M': { ...SMOLLM2, dim: 576, ffn: 1536, layers: 30, heads: 9, kv: 3, parameters: 134_515_008 },
  'SmolLM2 360M': { ...SMOLLM2, dim: 960, ffn: 2560, layers: 32, heads: 15, kv: 5, parameters: 361_821_120 },
  'SmolLM2 1.7B': {
    ...{ ...SMOLLM2, dim: 2048, ffn: 8192, layers: 24, heads: 32, kv: 32 },
    ...{ theta: 130000, parameters: 1_711_376_384 },
  },
  'Mistral 7B v0.1': { ...MISTRAL, theta: 1e4, parameters: 7_241_732_096 },
  'Mistral 7B v0.3': { ...MISTRAL, theta: 1e6, vocabulary: 32768, parameters: 7_248_023_552 },
  'Mixtral 8x7B': { ...MISTRAL, theta: 1e6, experts: 8, parameters: 46_702_792_704, active: 12_879_925_248 },
  'Mixtral 8x22B': {
    ...{ ...MISTRAL, theta: 1e6, dim: 6144, ffn: 16384, layers: 56, heads: 48, context: 65536 },
    ...{ experts: 8, parameters: 140_620_634_112, active: 39_152_031_744 },
  },
  'DeepSeek-LLM 7B': { ...DEEPSEEK, layers: 30, parameters: 6_910_365_696 },
  'DeepSeek-LLM 67B': {
    ...{ ...DEEPSEEK, dim: 8192, ffn: 22016, layers: 95, heads: 64, kv: 8 },
    ...{ parameters: 67_425_001_472 },
  },
  'DeepSeek-Coder 1.3B': {
    ...{ ...DEEPSEEK_CODER, dim: 2048, ffn: 5504, layers: 24, heads: 16, kv: 16 },
    ...{ parameters: 1_346_471_936 },
  },
  'DeepSeek-Coder 6.7B': { ...LLAMA_7B, ...DEEPSEEK_CODER, parameters: 6_740_512_768 },
  'DeepSeek-Coder 33B': {
    ...{ ...DEEPSEEK_CODER, dim: 7168, ffn: 19200, layers: 62, heads: 56, kv: 8 },
    ...{ parameters: 33_342_991_360 },
  },
  'Yi 6B': { ...YI, dim: 4096, ffn: 11008, layers: 32, heads: 32, kv: 4, parameters: 6_061_035_520 },
  'Yi 34B': { ...YI, dim: 7168, ffn: 20480, layers: 60, heads: 56, kv: 8, parameters: 34_388_917_248 },
  'Vicuna 7B v1.5': { ...LLAMA_7B, context: 4096, parameters: 6_738_415_616 },
  'Vicuna 13B v1.5 16k': { ...LLAMA_13B, context: 16384, factor: 4, parameters: 13_015_864_320 },
}

function vocabulary({ vocabulary: size, pre }: Kin): MetadataEntry[] {
  if (!pre) return madeUpVocabulary(size)
  return [
    { key: 'tokenizer.ggml.model', type: 'string', value: 'gpt2' },
    { key: 'tokenizer.ggml.pre', type: 'string', value: pre },
    {
      key: 'tokenizer.ggml.tokens',
      type: 'array',
      of: 'string',
      value: Array.from({ length: size }, (_, i) => `t${i}`),
    },
    { key: 'tokenizer.ggml.token_type', type: 'array', of: 'int32', value: new Int32Array(size).fill(1) },
    { key: 'tokenizer.ggml.merges', type: 'array', of: 'string', value: [] },
    { key: 'tokenizer.ggml.eos_token_id', type: 'uint32', value: size - 1 },
  ]
}

function metadata(kin: Kin, architecture: string): MetadataEntry[] {
  const uint32 = (key: string, value: number): MetadataEntry => ({ key: `llama.${key}`, type: 'uint32', value })
  const float32 = (key: string, value: number): MetadataEntry => ({ key: `llama.${key}`, type: 'float32', value })
  return [
    { key: 'general.architecture', type: 'string', value: architecture },
    uint32('context_length', kin.context),
    uint32('embedding_length', kin.dim),
    uint32('block_count', kin.layers),
    uint32('feed_forward_length', kin.ffn),
    uint32('attention.head_count', kin.heads),
    uint32('attention.head_count_kv', kin.kv),
    uint32('rope.dimension_count', kin.dim / kin.heads),
    float32('rope.freq_base', kin.theta),
    float32('attention.layer_norm_rms_epsilon', 1e-5),
    ...(kin.experts ? [uint32('expert_count', kin.experts), uint32('expert_used_count', 2)] : []),
    ...(kin.factor ? [float32('rope.scaling.factor', kin.factor)] : []),
    ...(kin.factor ? [{ key: 'llama.rope.scaling.type', type: 'string', value: 'linear' } as const] : []),
  ]
}

function tensors(kin: Kin): TensorEntry[] {
  const { dim, ffn, layers, heads, kv, tied, experts } = kin
  const entry = (name: string, dimensions: number[], type = 'Q4_0') => ({
    name: `${name}.weight`,
    dimensions,
    type: dimensions.length === 1 ? 'F32' : type,
    data: () => [],
  })
  const kvDim = (dim / heads) * kv
  const stack = experts ? [experts] : []
  const exps = experts ? '_exps' : ''
  return [
    entry('token_embd', [dim, kin.vocabulary]),
    entry('output_norm', [dim]),
    ...(tied ? [] : [entry('output', [dim, kin.vocabulary])]),
    ...(kin.ropeFreqs ? [entry('rope_freqs', [dim / heads / 2])] : []),
    ...Array.from({ length: layers }, (_, i) => `blk.${i}.`).flatMap((layer) => [
      entry(`${layer}attn_norm`, [dim]),
      entry(`${layer}attn_q`, [dim, dim]),
      entry(`${layer}attn_k`, [dim, kvDim]),
      entry(`${layer}attn_v`, [dim, kvDim]),
      entry(`${layer}attn_output`, [dim, dim]),
      entry(`${layer}ffn_norm`, [dim]),
      ...(experts ? [entry(`${layer}ffn_gate_inp`, [dim, experts], 'F32')] : []),
      entry(`${layer}ffn_gate${exps}`, [dim, ffn, ...stack]),
      entry(`${layer}ffn_up${exps}`, [dim, ffn, ...stack]),
      entry(`${layer}ffn_down${exps}`, [ffn, dim, ...stack]),
    ]),
  ]
}

/** A file of which only the header is there; what follows reads as zeros. */
async function headerOnly(kin: Kin, architecture = 'llama', more: MetadataEntry[] = []): Promise<Source> {
  const entries = tensors(kin)
  const { value } = await writeGguf([...metadata(kin, architecture), ...vocabulary(kin), ...more], entries).next()
  const header = value as Uint8Array
  const data = entries.reduce((sum, { type, dimensions, name }) => {
    return sum + Math.ceil(tensorBytes(GGML_TYPES.get(type)!, dimensions, name) / 32) * 32
  }, 0)
  return {
    name: 'header.gguf',
    size: Math.ceil(header.length / 32) * 32 + data,
    async read(target, offset) {
      target.fill(0)
      target.set(header.subarray(offset, offset + target.length))
    },
    async close() {},
  }
}

const CONTEXT = 4096

for (const [name, kin] of Object.entries(KIN)) {
  test(`${name}: shapes, rotary scaling, parameters, memory`, async () => {
    const { problem, config, parameters, memory, tensors, fileBytes } = await inspect(SOURCE_URL, {
      fetch: fetchFrom(await headerOnly(kin)),
      context: CONTEXT,
      threads: 4,
    })
    assert.is(problem, undefined, problem?.message)
    const { dim, heads, kv, layers, context, experts = 0 } = kin
    assert.equal(
      [config!.headDim, config!.headCountKv, config!.vocabSize, config!.contextLength, config!.expertCount],
      [dim / heads, kv, kin.vocabulary, context, experts],
    )
    assert.is(config!.ropes[0]!.base, kin.theta)
    assert.equal([config!.ropes[0]!.scaling, config!.ropes[0]!.factor], ['linear', kin.factor ?? 1])
    assert.equal(parameters, { total: kin.parameters, active: kin.active ?? kin.parameters })

    assert.is(memory!.context, CONTEXT)
    assert.is(memory!.kv, layers * 2 * kv * (dim / heads) * CONTEXT * 2)
    const inFile = tensors.reduce((sum, { bytes }) => sum + bytes, 0)
    assert.ok(Math.abs(memory!.weights / inFile - 1) < 0.01, `${memory!.weights} packed, ${inFile} in the file`)
    assert.is(memory!.total, memory!.weights + memory!.kv + memory!.buffers)
    assert.ok(memory!.total < 1.1 * fileBytes + memory!.kv || memory!.total < 5e8, `${memory!.total} in all`)
    assert.ok(memory!.segments >= memory!.total / 2 ** 32)
  })
}

async function header(architecture: string, more: MetadataEntry[] = []): Promise<Gguf> {
  return readGguf(await headerOnly(KIN['TinyLlama 1.1B']!, architecture, more))
}

for (const architecture of ['falcon', 'gemma4', 'gpt-oss', 'mamba', 'llama4', 'deepseek2', 'bert', '']) {
  test(`refused by name: ${architecture || 'an empty name'}`, async () => {
    const { problem, memory } = await inspect(SOURCE_URL, {
      fetch: fetchFrom(await headerOnly(KIN['TinyLlama 1.1B']!, architecture)),
    })
    assert.is(problem?.code, 'UNSUPPORTED_ARCHITECTURE')
    assert.is(problem!.value, architecture)
    assert.ok(problem!.message.includes(`is ${architecture}`))
    assert.match(problem!.message, /cria runs llama/)
    assert.is(memory, undefined)
  })
}

test('a sliding window that a file names is not kept to, as in llama.cpp', async () => {
  const key = 'llama.attention.sliding_window'
  const plain = readConfig(await header('llama'))
  assert.equal(readConfig(await header('llama', [{ key, type: 'uint32', value: 4096 }])), plain)
})

test.run()
