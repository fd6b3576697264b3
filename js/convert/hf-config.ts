/**
 * A Hugging Face model's config.json: what its architecture is, and the metadata that says so in GGUF. Source: the
 * documentation of transformers' LlamaConfig, MistralConfig and MixtralConfig (names and defaults); llama.cpp's convert_hf_to_gguf.py (keys,
 * their order, and the factors of Llama 3's rotary scaling).
 */

import { FormatError, UnsupportedError } from '../errors.ts'
import type { MetadataEntry, ScalarType, ScalarValue } from '../gguf/writer.ts'
import { pow } from '../util/math.ts'
import type { CriaWarning } from '../util/warn.ts'
import { asObject, type Json } from './folder.ts'

const ARCHITECTURES = ['LlamaForCausalLM', 'MistralForCausalLM', 'MixtralForCausalLM']
/** Far above any real model. */
const MOST = 1 << 24
const MOST_LAYERS = 4096

export interface HfConfig {
  readonly vocabulary: number
  readonly dim: number
  readonly hidden: number
  readonly layers: number
  readonly heads: number
  readonly kvHeads: number
  /** Columns of a head, where config.json says so itself. */
  readonly statedHeadDim: number | undefined
  readonly headDim: number
  readonly context: number
  readonly epsilon: number
  readonly rope: Rope
  /** The head is the embedding. */
  readonly tied: boolean
  readonly attentionBias: boolean
  readonly feedForwardBias: boolean
  /** 0 in a dense model. */
  readonly experts: number
  readonly expertsUsed: number
}

interface Rope {
  theta: number
  /** `linear`, `yarn`, `llama3`, or what is left to the context the model was trained for. */
  type: string | undefined
  parameters: Json
}

/**
 * @throws UnsupportedError for other architectures, quantized weights, activations and rotary scalings that GGUF's llama
 *   has not; FormatError HF_CONFIG for what is missing or out of range
 */
export function readHfConfig(json: Json, warn: (warning: CriaWarning) => void): HfConfig {
  const architecture = Array.isArray(json.architectures) ? String(json.architectures[0]) : 'none'
  if (!ARCHITECTURES.includes(architecture)) {
    const message = `config.json names the architecture ${architecture}; cria converts ${ARCHITECTURES.join(', ')}.`
    throw new UnsupportedError('HF_ARCHITECTURE', message, architecture)
  }
  refuseWhatIsOther(json)
  const isMistral = architecture !== 'LlamaForCausalLM'
  const hasExperts = architecture === 'MixtralForCausalLM'
  const dim = count(json, 'hidden_size')
  const heads = count(json, 'num_attention_heads')
  const statedHeadDim = optionalCount(json, 'head_dim')
  if (statedHeadDim === undefined && dim % heads !== 0)
    throw wrong('num_attention_heads', 'a divisor of hidden_size', heads)
  const kvHeads =
    optionalCount(json, 'num_key_value_heads') ?? (isMistral && !('num_key_value_heads' in json) ? 8 : heads)
  if (heads % kvHeads !== 0) throw wrong('num_key_value_heads', 'a divisor of num_attention_heads', kvHeads)
  const headDim = statedHeadDim ?? dim / heads
  if (headDim % 2 !== 0) throw wrong('head_dim', 'even', headDim)
  const layers = count(json, 'num_hidden_layers')
  if (layers > MOST_LAYERS) throw wrong('num_hidden_layers', `at most ${MOST_LAYERS}`, layers)
  const context = optionalCount(json, 'max_position_embeddings') ?? (isMistral ? 131072 : 2048)
  return {
    vocabulary: count(json, 'vocab_size'),
    dim,
    hidden: count(json, 'intermediate_size'),
    layers,
    heads,
    kvHeads,
    statedHeadDim,
    headDim,
    context,
    epsilon: number(json, 'rms_norm_eps', 1e-6),
    rope: readRope(json, context, warn),
    tied: json.tie_word_embeddings === true,
    attentionBias: json.attention_bias === true,
    feedForwardBias: json.mlp_bias === true,
    experts: hasExperts ? (optionalCount(json, 'num_local_experts') ?? 8) : 0,
    expertsUsed: optionalCount(json, 'num_experts_per_tok') ?? 2,
  }
}

function refuseWhatIsOther(json: Json): void {
  const method = asObject(json.quantization_config)
  if (method) {
    const name = String(method.quant_method ?? 'unknown')
    const message = `The weights are quantized (${name}); convert the model from its F32, F16 or BF16 weights.`
    throw new UnsupportedError('HF_QUANTIZED', message, name)
  }
  const activation = json.hidden_act ?? 'silu'
  if (activation === 'silu') return
  const message = `config.json has hidden_act ${String(activation)}; models of GGUF's llama architecture have silu.`
  throw new UnsupportedError('HF_ACTIVATION', message, activation)
}

const NO_SCALING = ['default', 'none']
const SCALINGS = ['linear', 'yarn', 'llama3']

function readRope(json: Json, context: number, warn: (warning: CriaWarning) => void): Rope {
  // transformers 5 has all of it in rope_parameters, earlier versions beside rope_scaling.
  const { original_max_position_embeddings = context, ...given } =
    asObject(json.rope_parameters) ?? asObject(json.rope_scaling) ?? {}
  const trained = json.original_max_position_embeddings ?? original_max_position_embeddings
  const parameters: Json = { ...given, original_max_position_embeddings: trained }
  const theta = number(parameters, 'rope_theta', number(json, 'rope_theta', 10000))
  if (number(json, 'partial_rotary_factor', number(parameters, 'partial_rotary_factor', 1)) !== 1) {
    throw new UnsupportedError('HF_ROPE', 'config.json rotates only a part of each head (partial_rotary_factor).', json)
  }
  const name = given.rope_type ?? given.type
  const type = typeof name === 'string' ? name.toLowerCase() : undefined
  if (type === undefined || NO_SCALING.includes(type)) return { theta, type: undefined, parameters }
  if (SCALINGS.includes(type)) return { theta, type, parameters }
  if (type === 'dynamic') {
    const message = `The rotary scaling 'dynamic' is left out, as GGUF has none: beyond the context that the model was trained for it will do worse.`
    warn({ code: 'ROPE_DYNAMIC', message })
    return { theta, type: undefined, parameters }
  }
  const message = `The rotary scaling ${type} is not supported for the llama architecture; cria converts ${SCALINGS.join(', ')}.`
  throw new UnsupportedError('HF_ROPE', message, type)
}

const entry = (key: string, type: ScalarType, value: ScalarValue): MetadataEntry => ({ key, type, value })
const uint32 = (key: string, value: number): MetadataEntry => entry(`llama.${key}`, 'uint32', value)
const float32 = (key: string, value: number): MetadataEntry => entry(`llama.${key}`, 'float32', value)

/** From llama.block_count to llama.rope.dimension_count. */
export function describeArchitecture(config: HfConfig, fileType: number): MetadataEntry[] {
  const { rope, statedHeadDim } = config
  return [
    uint32('block_count', config.layers),
    uint32('context_length', config.context),
    uint32('embedding_length', config.dim),
    uint32('feed_forward_length', config.hidden),
    uint32('attention.head_count', config.heads),
    uint32('attention.head_count_kv', config.kvHeads),
    ...describeScaling(rope),
    float32('rope.freq_base', rope.theta),
    float32('attention.layer_norm_rms_epsilon', config.epsilon),
    ...(config.experts > 0
      ? [uint32('expert_count', config.experts), uint32('expert_used_count', config.expertsUsed)]
      : []),
    ...(statedHeadDim === undefined
      ? []
      : [uint32('attention.key_length', statedHeadDim), uint32('attention.value_length', statedHeadDim)]),
    entry('general.file_type', 'uint32', fileType),
    uint32('vocab_size', config.vocabulary),
    uint32('rope.dimension_count', config.headDim),
  ]
}

function describeScaling({ type, parameters }: Rope): MetadataEntry[] {
  if (type !== 'linear' && type !== 'yarn') return []
  const scaling = [
    entry('llama.rope.scaling.type', 'string', type),
    float32('rope.scaling.factor', number(parameters, 'factor')),
  ]
  if (type === 'linear') return scaling
  scaling.push(uint32('rope.scaling.original_context_length', count(parameters, 'original_max_position_embeddings')))
  const attention = parameters.attention_factor === undefined ? 'attn_factor' : 'attention_factor'
  for (const [key, name] of [
    ['extrapolation_factor', 'yarn_ext_factor'],
    [attention, 'yarn_attn_factor'],
    ['beta_fast', 'yarn_beta_fast'],
    ['beta_slow', 'yarn_beta_slow'],
  ] as const) {
    if (typeof parameters[key] === 'number') scaling.push(float32(`rope.scaling.${name}`, parameters[key]))
  }
  return scaling
}

const fround = (value: number): number => Math.fround(value)
/** 2π as f32. */
const TURN = 6.2831854820251465

/**
 * The values of rope_freqs.weight [headDim / 2]: what Llama 3's scaling divides each frequency by. Computed in f32, in
 * PyTorch's order, to give the bits of llama.cpp's converter. Undefined for other scalings.
 */
export function ropeFactors({ rope, headDim }: HfConfig): Float32Array | undefined {
  if (rope.type !== 'llama3') return undefined
  const factor = number(rope.parameters, 'factor', 8)
  const low = number(rope.parameters, 'low_freq_factor', 1)
  const high = number(rope.parameters, 'high_freq_factor', 4)
  const trained = number(rope.parameters, 'original_max_position_embeddings')
  if (high <= low) throw wrong('high_freq_factor', 'above low_freq_factor', high)
  return Float32Array.from({ length: headDim / 2 }, (_, i) => {
    const frequency = fround(1 / fround(pow(rope.theta, fround((2 * i) / headDim))))
    const wavelength = fround(fround(1 / frequency) * TURN)
    if (wavelength < trained / high) return 1
    if (wavelength > trained / low) return factor
    const turns = fround(fround(1 / wavelength) * fround(trained))
    const smooth = fround(fround(turns - fround(low)) / fround(high - low))
    return fround(1 / fround(fround(fround(1 - smooth) / fround(factor)) + smooth))
  })
}

function count(json: Json, key: string): number {
  const value = json[key]
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST) return value
  throw wrong(key, `a whole number from 1 to ${MOST}`, value)
}

function optionalCount(json: Json, key: string): number | undefined {
  return json[key] === undefined || json[key] === null ? undefined : count(json, key)
}

/** A number above 0. */
function number(json: Json, key: string, fallback?: number): number {
  const value = json[key] ?? fallback
  if (typeof value === 'number' && value > 0 && Number.isFinite(value)) return value
  throw wrong(key, 'a number above 0', value)
}

function wrong(key: string, rule: string, value: unknown): FormatError {
  const shown = value === undefined ? 'absent' : JSON.stringify(value)
  return new FormatError('HF_CONFIG', `config.json: ${key} should be ${rule}, but is ${shown}. Download it again.`, key)
}
