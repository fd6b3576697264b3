/** Folders of LLaMA's kin in other forms than transformers writes today, with what is left unsaid, and such as must be refused. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readHfConfig } from '../../js/convert/families/config.ts'
import { describeArchitecture, firstKeys } from '../../js/convert/families/keys.ts'
import { factorTensors } from '../../js/convert/families/rope.ts'
import { Folder } from '../../js/convert/folder.ts'
import { planHfTensors, readParts } from '../../js/convert/hf-tensors.ts'
import { convertHuggingFace, type HuggingFaceOptions } from '../../js/convert/huggingface.ts'
import { CriaError, FormatError, UnsupportedError } from '../../js/errors.ts'
import type { Gguf } from '../../js/gguf/types.ts'
import { readConfig } from '../../js/models/index.ts'
import { openEngine } from '../engine-harness.ts'
import { concat, read, rejects } from '../gguf-helpers.ts'
import {
  type FolderTensor,
  jsonIn,
  kinFolder,
  MODELS,
  plain,
  safetensors,
  setJson,
  setTensors,
  tensorsIn,
} from '../kin-folders.ts'
import { shared, sharedTest } from '../shared.ts'

type Files = Map<string, Uint8Array>
type Json = Record<string, unknown>

const options: HuggingFaceOptions = { outtype: 'f32', pre: 'qwen2', onWarning: () => {} }

const convert = (files: Files, more: HuggingFaceOptions = {}) =>
  concat(convertHuggingFace(files, { ...options, ...more }))

async function opened(files: Files, more: HuggingFaceOptions = {}): Promise<Gguf & { bytes: Uint8Array }> {
  const bytes = await convert(files, more)
  return { ...(await read(bytes)), bytes }
}

/** The folder with its config.json changed. */
function changed(name: string, change: Json, config?: string): Files {
  const files = kinFolder(name, config)
  setJson(files, 'config.json', { ...jsonIn(files, 'config.json'), ...change })
  return files
}

/** The folder with its tensors renamed; those whose name is undefined are left out. */
function renamed(files: Files, rename: (name: string) => string | undefined): Files {
  const tensors = Array.from(tensorsIn(files), ([name, tensor]) => [rename(name), tensor] as const)
  setTensors(files, new Map(tensors.filter((entry): entry is [string, FolderTensor] => entry[0] !== undefined)))
  return files
}

const concatenated = (tensors: readonly FolderTensor[]) =>
  new Uint8Array(Buffer.concat(tensors.map(({ data }) => data)))

/** Rows of several matrices one after the other. */
function fused(tensors: readonly FolderTensor[]): FolderTensor {
  const rows = tensors.reduce((sum, { shape }) => sum + shape[0]!, 0)
  return { dtype: tensors[0]!.dtype, shape: [rows, tensors[0]!.shape[1]!], data: concatenated(tensors) }
}

async function sameAs(name: string, files: Files, warnings: string[] = []): Promise<void> {
  const got: string[] = []
  const bytes = await convert(files, { onWarning: ({ code }) => got.push(code) })
  assert.ok(Buffer.from(bytes).equals(await convert(kinFolder(name))), name)
  assert.equal(
    got.filter((code) => code !== 'NORMALIZER'),
    warnings,
  )
}

for (const [name, architecture] of [
  ['Tiny-Qwen3', 'Qwen3Model'],
  ['Tiny-Qwen2', 'Qwen2Model'],
]) {
  test(`${architecture}: names without "model.", and no head`, async () => {
    const files = changed(name!, { architectures: [architecture] })
    renamed(files, (tensor) => (tensor === 'lm_head.weight' ? undefined : tensor.replace(/^model\./, '')))
    const { tensors, metadata } = await opened(files)
    const whole = await opened(kinFolder(name!))
    assert.equal(
      [...tensors.keys()],
      [...whole.tensors.keys()].filter((tensor) => tensor !== 'output.weight'),
    )
    assert.is(metadata.get('general.architecture'), whole.metadata.get('general.architecture'))
  })
}

test('a model for text and images: its text, by either of its names, and a warning', async () => {
  for (const [model, head] of [
    ['language_model.model.', 'language_model.lm_head.'],
    ['model.language_model.', 'lm_head.'],
  ]) {
    const files = kinFolder('Tiny-Gemma3')
    const config = jsonIn(files, 'config.json')
    for (const key of ['architectures', 'tie_word_embeddings', '_sliding_window_pattern', 'layer_types'])
      delete config[key]
    // What the class means anyway is not in published folders.
    for (const key of ['rms_norm_eps', 'use_bidirectional_attention', 'hidden_activation']) delete config[key]
    setJson(files, 'config.json', {
      architectures: ['Gemma3ForConditionalGeneration'],
      text_config: config,
      vision_config: { hidden_size: 8, num_hidden_layers: 1 },
    })
    renamed(files, (name) => name.replace(/^model\./, model!).replace(/^lm_head\./, head!))
    const tensors = tensorsIn(files)
    const image: FolderTensor = { dtype: 'F32', shape: [1], data: new Uint8Array(4) }
    tensors.set('vision_tower.vision_model.post_layernorm.weight', image)
    tensors.set('multi_modal_projector.mm_soft_emb_norm.weight', image)
    setTensors(files, tensors)
    await sameAs('Tiny-Gemma3', files, ['TENSORS_SKIPPED'])
  }
})

for (const name of ['Tiny-Qwen2-MoE', 'Tiny-Qwen3-MoE', 'Tiny-OLMoE']) {
  test(`${name}: experts in one tensor, gate and up together`, async () => {
    const files = kinFolder(name)
    const tensors = tensorsIn(files)
    const count = 3
    for (const layer of [0, 1]) {
      const prefix = `model.layers.${layer}.mlp.experts`
      const take = (part: string) =>
        Array.from({ length: count }, (_, i) => {
          const name = `${prefix}.${i}.${part}_proj.weight`
          const tensor = tensors.get(name)!
          tensors.delete(name)
          return tensor
        })
      const [gate, up, down] = ['gate', 'up', 'down'].map(take)
      const both = gate!.map((tensor, i) => fused([tensor, up![i]!]))
      for (const [part, matrices] of [
        ['gate_up_proj', both],
        ['down_proj', down!],
      ] as const) {
        const { dtype, shape } = matrices[0]!
        tensors.set(`${prefix}.${part}`, { dtype, shape: [count, ...shape], data: concatenated(matrices) })
      }
    }
    setTensors(files, tensors)
    await sameAs(name, files)
  })
}

test("ERNIE's older folders: fused queries, keys and values, gate and up", async () => {
  const files = changed('Tiny-ERNIE', { architectures: ['Ernie4_5_ForCausalLM'] })
  const tensors = tensorsIn(files)
  for (const layer of [0, 1]) {
    const join = (into: string, parts: string[]) => {
      const names = parts.map((part) => `model.layers.${layer}.${part}_proj.weight`)
      tensors.set(`model.layers.${layer}.${into}_proj.weight`, fused(names.map((name) => tensors.get(name)!)))
      for (const name of names) tensors.delete(name)
    }
    join('self_attn.qkv', ['self_attn.q', 'self_attn.k', 'self_attn.v'])
    join('mlp.up_gate', ['mlp.gate', 'mlp.up'])
  }
  setTensors(files, tensors)
  await sameAs(
    'Tiny-ERNIE',
    renamed(files, (name) => name.replace(/^model\./, 'ernie.')),
  )
})

test('Granite 4 without state-space layers is a Granite', async () => {
  const files = kinFolder('Tiny-Granite')
  const tensors = tensorsIn(files)
  for (const layer of [0, 1]) {
    const take = (part: string): FolderTensor => {
      const name = `model.layers.${layer}.mlp.${part}_proj`
      const weight = tensors.get(`${name}.weight`)!
      for (const kind of ['weight', 'bias']) tensors.delete(`${name}.${kind}`)
      return weight
    }
    tensors.set(`model.layers.${layer}.shared_mlp.input_linear.weight`, fused([take('gate'), take('up')]))
    tensors.set(`model.layers.${layer}.shared_mlp.output_linear.weight`, take('down'))
  }
  setTensors(files, tensors)
  const change = {
    architectures: ['GraniteMoeHybridForCausalLM'],
    layer_types: ['attention', 'full_attention'],
    num_local_experts: 0,
    num_experts_per_tok: 0,
    shared_intermediate_size: 32,
    position_embedding_type: 'rope',
  }
  setJson(files, 'config.json', { ...jsonIn(files, 'config.json'), ...change })
  const hybrid = await opened(files)
  const dense = await opened(kinFolder('Tiny-Granite'))
  const data = ({ bytes, tensors }: typeof hybrid, name: string) => {
    const { offset, bytes: length } = tensors.get(name)!
    return Buffer.from(bytes.subarray(offset, offset + length))
  }
  const names = [...dense.tensors.keys()].filter((name) => !/ffn_.*bias/.test(name))
  assert.equal([...hybrid.tensors.keys()], names)
  for (const name of names) assert.ok(data(hybrid, name).equals(data(dense, name)), name)
  assert.is(hybrid.metadata.get('granite.rope.scaling.finetuned'), true)
  assert.equal(readConfig(hybrid), readConfig(dense))
  // What llama.cpp's converter writes beside it changes nothing.
  const metadata = new Map(hybrid.metadata)
  metadata.set('granite.ssm.state_size', 128).set('granite.attention.head_count_kv', Int32Array.of(2, 2))
  assert.equal(readConfig({ ...hybrid, metadata }), readConfig(dense))
  const mamba = { ...change, layer_types: ['mamba', 'attention'] }
  setJson(files, 'config.json', { ...jsonIn(files, 'config.json'), ...mamba })
  await rejects(convert(files), UnsupportedError, 'HF_SETTING')
})

test('norms of each head are stacked, in f32 whatever the type', async () => {
  const files = changed('Tiny-StableLM', { qk_layernorm: true, use_parallel_residual: false })
  const tensors = tensorsIn(files)
  const vector = (length: number, first: number): FolderTensor => {
    const data = new Uint8Array(Float32Array.from({ length }, (_, i) => 1 + (first + i) / 64).buffer)
    return { dtype: 'F32', shape: [length], data }
  }
  for (const layer of [0, 1]) {
    const prefix = `model.layers.${layer}`
    for (let head = 0; head < 4; head++)
      tensors.set(`${prefix}.self_attn.q_layernorm.norms.${head}.weight`, vector(8, head))
    for (let head = 0; head < 2; head++)
      tensors.set(`${prefix}.self_attn.k_layernorm.norms.${head}.weight`, vector(8, -head))
    for (const kind of ['weight', 'bias']) tensors.set(`${prefix}.post_attention_layernorm.${kind}`, vector(32, 0))
  }
  setTensors(files, tensors)
  const { tensors: got, bytes } = await opened(files, { outtype: 'q8_0' })
  const { type, dimensions, offset, bytes: length } = got.get('blk.1.attn_q_norm.weight')!
  assert.equal([type, [...dimensions]], ['F32', [8, 4]])
  const values = new Float32Array(bytes.slice(offset, offset + length).buffer)
  assert.equal(
    [...values],
    [0, 1, 2, 3].flatMap((head) => Array.from({ length: 8 }, (_, i) => 1 + (head + i) / 64)),
  )
  assert.equal([...got.get('blk.0.attn_k_norm.weight')!.dimensions], [8, 2])
  const engine = await openEngine(bytes)
  assert.is(engine.config.parallel, false)
  assert.ok((await engine.allLogits([1, 2, 3])).every(Number.isFinite))
})

test('weights in several files', async () => {
  const files = kinFolder('Tiny-Phi4')
  const tensors = [...tensorsIn(files)]
  files.delete('model.safetensors')
  const weight_map: Record<string, string> = {}
  for (let part = 0; part < 3; part++) {
    const name = `model-0000${part + 1}-of-00003.safetensors`
    const own = tensors.filter((_, i) => i % 3 === part)
    files.set(name, safetensors(new Map(own)))
    for (const [tensor] of own) weight_map[tensor] = name
  }
  setJson(files, 'model.safetensors.index.json', { metadata: {}, weight_map })
  await sameAs('Tiny-Phi4', files)
})

/** Keys that are left out mean what the class of transformers means. */
const DEFAULTS: [folder: string, keys: string[], metadata: Json][] = [
  [
    'Tiny-Qwen2',
    ['rope_parameters', 'rms_norm_eps', 'max_position_embeddings'],
    { 'rope.freq_base': 1e4, context_length: 32768 },
  ],
  ['Tiny-Arcee', ['head_dim', 'rope_parameters'], { 'attention.key_length': 8, 'rope.freq_base': 1e4 }],
  ['Tiny-SmolLM3', ['no_rope_layers', 'rope_parameters'], { 'rope.freq_base': 2e6 }],
  ['Tiny-ERNIE', ['rope_parameters', 'tie_word_embeddings'], { 'rope.freq_base': 5e5 }],
  ['Tiny-OLMo3', ['sliding_window', 'layer_types'], { 'attention.sliding_window': 4096 }],
  [
    'Tiny-Gemma2',
    ['sliding_window', 'final_logit_softcapping'],
    { 'attention.sliding_window': 4096, final_logit_softcapping: 30 },
  ],
  ['Tiny-Gemma3', ['rope_parameters'], { 'rope.freq_base': 1e6, 'rope.freq_base_swa': 1e4 }],
  [
    'Tiny-GLM4',
    ['rope_parameters', 'rms_norm_eps'],
    { 'rope.dimension_count': 8, 'attention.layer_norm_rms_epsilon': 1.5625e-7 },
  ],
  [
    'Tiny-StableLM',
    ['rope_parameters', 'layer_norm_eps'],
    { 'rope.dimension_count': 2, 'attention.layer_norm_epsilon': 1e-5 },
  ],
  ['Tiny-Granite', ['attention_multiplier', 'logits_scaling'], { 'attention.scale': 1, logit_scale: 1 }],
  [
    'Tiny-OLMoE',
    ['num_experts_per_tok', 'num_key_value_heads'],
    { expert_used_count: 8, 'attention.head_count_kv': 4 },
  ],
]
for (const [name, keys, metadata] of DEFAULTS) {
  test(`${name} without ${keys.join(', ')}`, async () => {
    const got = await opened(changed(name, Object.fromEntries(keys.map((key) => [key, undefined]))))
    const prefix = got.metadata.get('general.architecture')
    for (const [key, value] of Object.entries(metadata)) {
      assert.is(plain(got.metadata.get(`${prefix}.${key}`)), plain(value), key)
    }
  })
}

/** Settings that files say where they are not the usual. */
const SAID: [folder: string, change: Json, metadata: Json][] = [
  ['Tiny-Gemma', { rope_parameters: { rope_theta: 5e5 } }, { 'rope.freq_base': 5e5 }],
  [
    'Tiny-StableLM',
    { rope_parameters: { rope_theta: 1e6, partial_rotary_factor: 0.5 } },
    { 'rope.freq_base': 1e6, 'rope.dimension_count': 4 },
  ],
  [
    'Tiny-Gemma2',
    { layer_types: ['full_attention', 'sliding_attention'] },
    { 'attention.sliding_window_pattern': [false, true] },
  ],
  [
    'Tiny-Gemma3',
    { layer_types: undefined, _sliding_window_pattern: 3 },
    { 'attention.sliding_window_pattern': [true, true, false, true, true, false], 'attention.sliding_window': 4 },
  ],
  [
    'Tiny-Gemma3',
    { layer_types: Array(6).fill('full_attention'), final_logit_softcapping: 20 },
    {
      'attention.sliding_window_pattern': undefined,
      'attention.sliding_window': undefined,
      final_logit_softcapping: 20,
    },
  ],
  [
    'Tiny-EXAONE4',
    { sliding_window: 512, layer_types: undefined, sliding_window_pattern: 'LG' },
    { 'attention.sliding_window': 512, 'attention.sliding_window_pattern': [true, false] },
  ],
  ['Tiny-Phi4', { sliding_window: 6 }, { 'attention.sliding_window': 6 }],
  [
    'Tiny-Nemotron',
    { rope_parameters: { rope_type: 'linear', factor: 2, partial_rotary_factor: 0.5 } },
    { 'rope.scaling.type': 'linear', 'rope.scaling.factor': 2 },
  ],
  ['Tiny-Qwen3', { is_causal: false }, { 'attention.causal': false }],
  [
    'Tiny-HunYuan',
    { rope_parameters: { rope_theta: 1e4, rope_type: 'default' } },
    { context_length: 32768, 'rope.scaling.type': undefined },
  ],
  // YaRN by a factor of its own, which readers would pass over.
  [
    'Tiny-Arcee',
    { rope_parameters: { rope_type: 'yarn', factor: 4, attention_factor: 1 } },
    { 'rope.scaling.yarn_attn_factor': 1, 'rope.scaling.attn_factor': 1 / (0.1 * Math.log(4) + 1) },
  ],
  [
    'Tiny-MiniCPM',
    {
      original_max_position_embeddings: 128,
      rope_scaling: { type: 'longrope', long_factor: [1, 2, 3, 4], short_factor: [1, 1, 1, 1] },
    },
    {
      'rope.scaling.type': 'longrope',
      'rope.scaling.original_context_length': 128,
      'rope.scaling.attn_factor': Math.sqrt(1 + Math.log(4) / Math.log(128)),
    },
  ],
]
for (const [name, change, metadata] of SAID) {
  test(`${name} with ${JSON.stringify(change)}`, async () => {
    const got = await opened(changed(name, change))
    const prefix = got.metadata.get('general.architecture')
    for (const [key, value] of Object.entries(metadata)) {
      const shown = got.metadata.get(`${prefix}.${key}`)
      assert.equal(shown && plain(shown), value && plain(value), key)
    }
  })
}

test("MiniCPM's and Phi's factors become tensors", async () => {
  const factors = { long_factor: [1, 2, 3, 4], short_factor: [1, 1, 1, 1.5] }
  for (const [name, change] of [
    ['Tiny-MiniCPM', { rope_scaling: { type: 'longrope', ...factors } }],
    ['Tiny-PhiMini', { rope_parameters: undefined, rope_scaling: { type: 'su', ...factors } }],
    ['Tiny-PhiMini', { rope_parameters: undefined, rope_scaling: { type: 'yarn', ...factors } }],
  ] as const) {
    const { tensors, bytes } = await opened(changed(name, change))
    for (const [kind, values] of Object.entries(factors)) {
      const { offset, bytes: length } = tensors.get(`rope_factors_${kind.split('_')[0]}.weight`)!
      assert.equal([...new Float32Array(bytes.slice(offset, offset + length).buffer)], values)
    }
  }
})

/** What GGUF cannot say, and what would give other results if it were left out. */
const REFUSED: [
  folder: string,
  change: Json,
  code: string,
  value: unknown,
  Class?: new (...args: never[]) => CriaError,
][] = [
  [
    'Tiny-Qwen2',
    { use_sliding_window: true, sliding_window: 128, layer_types: undefined, max_window_layers: 1 },
    'HF_WINDOW',
    128,
  ],
  [
    'Tiny-Qwen3',
    { use_sliding_window: true, sliding_window: 64, layer_types: ['full_attention', 'sliding_attention'] },
    'HF_WINDOW',
    64,
  ],
  [
    'Tiny-Qwen2-MoE',
    { use_sliding_window: true, sliding_window: 64, layer_types: undefined, max_window_layers: 0 },
    'HF_WINDOW',
    64,
  ],
  ['Tiny-Qwen3-MoE', { use_sliding_window: true, sliding_window: 64 }, 'HF_WINDOW', 64],
  ['Tiny-Qwen3-MoE', { norm_topk_prob: false }, 'HF_SETTING', 'norm_topk_prob'],
  ['Tiny-Qwen3-MoE', { norm_topk_prob: undefined }, 'HF_SETTING', 'norm_topk_prob'],
  ['Tiny-Qwen3-MoE', { decoder_sparse_step: 2 }, 'HF_SETTING', 'decoder_sparse_step'],
  ['Tiny-Qwen2-MoE', { norm_topk_prob: true }, 'HF_SETTING', 'norm_topk_prob'],
  ['Tiny-Qwen2-MoE', { mlp_only_layers: [0] }, 'HF_SETTING', 'mlp_only_layers'],
  ['Tiny-OLMoE', { norm_topk_prob: true }, 'HF_SETTING', 'norm_topk_prob'],
  ['Tiny-OLMoE', { clip_qkv: 8 }, 'HF_SETTING', 'clip_qkv'],
  ['Tiny-OLMoE', { rms_norm_eps: 1e-6 }, 'HF_SETTING', 'rms_norm_eps'],
  ['Tiny-Granite', { head_dim: 16 }, 'HF_SETTING', 'head_dim'],
  ['Tiny-Gemma', { use_bidirectional_attention: true }, 'HF_SETTING', 'use_bidirectional_attention'],
  ['Tiny-Gemma', { tie_word_embeddings: false }, 'HF_SETTING', 'tie_word_embeddings'],
  ['Tiny-Gemma', { hidden_act: 'silu' }, 'HF_ACTIVATION', 'silu'],
  ['Tiny-Gemma2', { query_pre_attn_scalar: 8 }, 'HF_SETTING', 'query_pre_attn_scalar'],
  ['Tiny-Gemma2', { attn_logit_softcapping: null }, 'HF_CONFIG', 'attn_logit_softcapping', FormatError],
  ['Tiny-Gemma2', { layer_types: ['full_attention'] }, 'HF_CONFIG', 'layer_types', FormatError],
  ['Tiny-Gemma3', { query_pre_attn_scalar: 8 }, 'HF_SETTING', 'query_pre_attn_scalar'],
  ['Tiny-Gemma3', { attn_logit_softcapping: 50 }, 'HF_SETTING', 'attn_logit_softcapping'],
  [
    'Tiny-Gemma3',
    { rope_parameters: { full_attention: {}, sliding_attention: { rope_type: 'linear', factor: 2 } } },
    'HF_ROPE',
    'linear of windowed layers',
  ],
  [
    'Tiny-OLMo3',
    { rope_parameters: { full_attention: { rope_theta: 1e6 }, sliding_attention: { rope_theta: 1e4 } } },
    'HF_ROPE',
    10000,
  ],
  ['Tiny-SmolLM3', { no_rope_layers: [1, 1, 0, 1] }, 'HF_SETTING', 'no_rope_layers'],
  ['Tiny-SmolLM3', { no_rope_layers: undefined, no_rope_layer_interval: 3 }, 'HF_SETTING', 'no_rope_layers'],
  ['Tiny-SmolLM3', { use_sliding_window: true, sliding_window: 16, layer_types: undefined }, 'HF_WINDOW', 16],
  ['Tiny-SmolLM3', { rope_parameters: { rope_type: 'llama3', factor: 8 } }, 'HF_ROPE', 'llama3'],
  ['Tiny-Qwen3', { rope_parameters: { rope_type: 'longrope' } }, 'HF_ROPE', 'longrope'],
  ['Tiny-Qwen3', { rope_parameters: { mrope_section: [2, 1, 1] } }, 'HF_ROPE', 'mrope_section'],
  ['Tiny-Qwen3', { rope_parameters: { partial_rotary_factor: 0.5 } }, 'HF_ROPE', 0.5],
  ['Tiny-Arcee', { rope_parameters: { rope_type: 'yarn', factor: 4, truncate: false } }, 'HF_ROPE', false],
  ['Tiny-EXAONE4', { sliding_window: 16, layer_types: undefined, sliding_window_pattern: 2 }, 'HF_WINDOW', 16],
  ['Tiny-EXAONE4', { rope_parameters: { rope_type: 'llama3' } }, 'HF_CONFIG', 'factor', FormatError],
  ['Tiny-Seed-OSS', { attention_out_bias: true }, 'HF_SETTING', 'attention_out_bias'],
  ['Tiny-Seed-OSS', { mlp_bias: true }, 'HF_SETTING', 'mlp_bias'],
  ['Tiny-ERNIE', { use_bias: true }, 'HF_SETTING', 'use_bias'],
  ['Tiny-Arcee', { mlp_bias: true }, 'HF_SETTING', 'mlp_bias'],
  ['Tiny-Arcee', { hidden_act: 'silu' }, 'HF_ACTIVATION', 'silu'],
  ['Tiny-Nemotron', { hidden_act: 'gelu' }, 'HF_ACTIVATION', 'gelu'],
  ['Tiny-StableLM', { hidden_act: 'gelu' }, 'HF_ACTIVATION', 'gelu'],
  [
    'Tiny-StableLM',
    { rope_parameters: { partial_rotary_factor: 0.1 } },
    'HF_CONFIG',
    'partial_rotary_factor',
    FormatError,
  ],
  ['Tiny-InternLM2', { bias: true }, 'HF_SETTING', 'bias'],
  ['Tiny-HunYuan', { rope_parameters: { rope_type: 'dynamic', factor: 2 } }, 'HF_CONFIG', 'alpha', FormatError],
  [
    'Tiny-PhiMini',
    { rope_parameters: { rope_type: 'longrope', long_factor: [1], short_factor: [1] } },
    'HF_CONFIG',
    'long_factor',
    FormatError,
  ],
  ['Tiny-Qwen3', { num_local_experts: 4 }, 'HF_SETTING', 'num_local_experts'],
  ['Tiny-Qwen3', { quantization_config: { quant_method: 'fp8' } }, 'HF_QUANTIZED', 'fp8'],
]
for (const [name, change, code, value, Class = UnsupportedError] of REFUSED) {
  test(`${name} with ${JSON.stringify(change)} is refused`, async () => {
    assert.equal((await rejects(convert(changed(name, change)), Class, code)).value, value)
  })
}

test('biases that no reader heeds are refused by name', async () => {
  for (const name of [
    'Tiny-Qwen3',
    'Tiny-OLMo2',
    'Tiny-GLM4',
    'Tiny-Arcee',
    'Tiny-Gemma2',
    'Tiny-StableLM',
    'Tiny-SmolLM3',
  ]) {
    const files = kinFolder(name)
    const bias = 'model.layers.0.self_attn.o_proj.bias'
    const tensors = tensorsIn(files)
    setTensors(files, tensors.set(bias, { dtype: 'F32', shape: [32], data: new Uint8Array(128) }))
    assert.is((await rejects(convert(files), UnsupportedError, 'TENSOR_UNKNOWN')).value, bias)
  }
})

test('settings of any other type fail as errors of cria, or not at all', async () => {
  const others = [null, 0, -1, 1.5, 2 ** 40, 'x', true, [], [1], {}, { a: 1 }]
  let refused = 0
  for (const name of MODELS.keys()) {
    const files = kinFolder(name)
    const folder = new Folder(files)
    const tensors = await readParts(folder)
    const config = jsonIn(files, 'config.json')
    const inner = Object.keys((config.rope_parameters ?? config.rope_scaling ?? {}) as Json)
    const changes = Object.keys(config).flatMap((key) => others.map((value) => ({ ...config, [key]: value })))
    for (const key of [...inner, 'factor', 'long_factor', 'rope_type']) {
      for (const value of others) {
        for (const rope_type of ['default', 'linear', 'yarn', 'llama3', 'longrope', 'dynamic']) {
          const rope_parameters = { ...(config.rope_parameters as Json), rope_type, [key]: value }
          changes.push({ ...config, rope_parameters })
        }
      }
    }
    for (const change of changes) {
      try {
        const read = readHfConfig(change, () => {})
        planHfTensors(tensors, read, () => {})
        describeArchitecture(read, 0)
        firstKeys(read)
        factorTensors(read)
      } catch (error) {
        assert.instance(error, CriaError, `${name}: ${String(error)} ${JSON.stringify(change)}`)
        refused++
      }
    }
    await folder.close()
  }
  assert.ok(refused > 1000)
})

test('Mistral with a window shorter than its context is refused, and the way out is said', async () => {
  const files = changed('Tiny-MiniCPM', { architectures: ['MistralForCausalLM'], sliding_window: 256 })
  const error = await rejects(convert(files), UnsupportedError, 'HF_WINDOW')
  assert.match(error.message, /max_position_embeddings .* to 256/)
  setJson(files, 'config.json', { ...jsonIn(files, 'config.json'), max_position_embeddings: 256 })
  assert.is((await opened(files)).metadata.get('llama.context_length'), 256)
})

test('how to sample is taken from generation_config.json', async () => {
  const sampling = async (generation: Json) => {
    const files = kinFolder('Tiny-Qwen3')
    setJson(files, 'generation_config.json', generation)
    const { metadata } = await opened(files)
    return [...metadata]
      .filter(([key]) => key.startsWith('general.sampling.'))
      .map(([key, value]) => [key.slice(17), plain(value)])
  }
  assert.equal(await sampling({ do_sample: true, eos_token_id: 301 }), [])
  assert.equal(await sampling({ temperature: 0.6, top_p: null, top_k: 20, repetition_penalty: 1.1, min_p: 0 }), [
    ['top_k', 20],
    ['min_p', 0],
    ['temp', Math.fround(0.6)],
    ['penalty_repeat', Math.fround(1.1)],
  ])
  assert.equal(await sampling({ top_p: 0.5, sequence: 'top_k;temperature' }), [
    ['sequence', 'top_k;temperature'],
    ['top_p', 0.5],
  ])
  for (const wrong of [{ top_k: 1.5 }, { temperature: '0.6' }]) {
    await rejects(sampling(wrong), FormatError, 'HF_GENERATION')
  }
})

test('how to pool is taken from the folders of sentence-transformers', async () => {
  const pooling = async (json: Json, name = 'Tiny-Qwen3') => {
    const files = kinFolder(name)
    setJson(files, 'modules.json', [
      { idx: 0, path: '', type: 'sentence_transformers.models.Transformer' },
      { idx: 1, path: '1_Pooling', type: 'sentence_transformers.models.Pooling' },
    ])
    setJson(files, '1_Pooling/config.json', json)
    const { metadata } = await opened(files)
    return metadata.get(`${metadata.get('general.architecture')}.pooling_type`)
  }
  assert.is(await pooling({ pooling_mode_cls_token: false, pooling_mode_lasttoken: true }), 3)
  assert.is(await pooling({ pooling_mode: 'mean' }, 'Tiny-Qwen2'), 1)
  assert.is(await pooling({ pooling_mode_cls_token: true }, 'Tiny-Arcee'), 2)
  assert.is(await pooling({ pooling_mode: 'mean' }, 'Tiny-Gemma'), undefined)
  await rejects(pooling({ pooling_mode: 'max' }), FormatError, 'HF_POOLING')
})

for (const [name, { vocabulary }] of MODELS) {
  if (vocabulary !== 'bpe') continue
  test(`${name}: chat templates in files of their own`, async () => {
    const files = kinFolder(name)
    const settings = jsonIn(files, 'tokenizer_config.json')
    setJson(files, 'tokenizer_config.json', { ...settings, chat_template: undefined })
    files.set('chat_template.jinja', Buffer.from('A'))
    files.set('additional_chat_templates/tool_use.jinja', Buffer.from('B'))
    const { metadata } = await opened(files)
    assert.is(metadata.get('tokenizer.chat_template'), 'A')
    assert.is(metadata.get('tokenizer.chat_template.tool_use'), 'B')
  })
}

sharedTest('the sampling of a folder that people brought', async () => {
  const folder = shared('cases/core-36-convert-generation-config/folder')
  if (!existsSync(folder)) return
  const files = new Map(readdirSync(folder).map((name) => [name, new Uint8Array(readFileSync(join(folder, name)))]))
  const { metadata } = await opened(files)
  const expected = readFileSync(shared('cases/core-36-convert-generation-config/expected'), 'utf8')
  const said = [...expected.matchAll(/\b(top_k|top_p|temp) ([\d.]+\d|\d+)/g)]
  assert.is(said.length, 3)
  for (const [, name, value] of said) assert.is(metadata.get(`general.sampling.${name}`), Math.fround(Number(value)))
})

test.run()
