/** What the metadata says of a model. */
import { MAX_HEAD_DIM } from '../../assembly/layout.ts'
import { FormatError, UnsupportedError } from '../errors.ts'
import { ARCHITECTURES, getBoolean, getNumber, getNumbers, getString, underLlama } from '../gguf/metadata.ts'
import type { Gguf, Metadata } from '../gguf/types.ts'
import { log } from '../util/math.ts'

export interface RopeConfig {
  /** Dimensions of a head that are rotated; even. */
  dimensions: number
  base: number
  scaling: 'none' | 'linear' | 'yarn'
  factor: number
  originalContext: number
  attentionFactor: number
  betaFast: number
  betaSlow: number
}

export interface ModelConfig {
  name: string
  dim: number
  ffn: number
  layers: number
  heads: number
  kvHeads: number
  headDim: number
  vocabulary: number
  /** Experts of each layer, 0 where the model is dense, and how many of them a token takes. */
  experts: number
  expertsUsed: number
  /** Context the model was trained for. */
  context: number
  epsilon: number
  attentionScale: number
  /** Of mistral3: how much queries grow with the logarithm of their position, in original contexts. */
  temperatureScale?: number
  rope: RopeConfig
}

/** As many as llama.cpp takes. */
const MOST_EXPERTS = 512

/** Larger sizes than any LLaMA has; products of three of them stay exact in a double. */
const LARGEST = 2_097_152
/** Longest context, in tokens: far beyond what anybody runs. */
const LONGEST = 1_073_741_824

/** A whole number in 1…LARGEST. */
function size(metadata: Metadata, key: string, fallback?: number): number {
  return checkSize(key, getNumber(metadata, key, fallback))
}

function checkSize(key: string, value: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= LARGEST) return value
  throw outOfRange(key, value, LARGEST)
}

function outOfRange(key: string, value: number, most: number): FormatError {
  return new FormatError(
    'METADATA_RANGE',
    `The metadata key ${key} is ${value}; it should be a whole number from 1 to ${most}. The file is damaged or hostile.`,
    value,
  )
}

function positive(metadata: Metadata, key: string, fallback?: number): number {
  const value = getNumber(metadata, key, fallback)
  if (Number.isFinite(value) && value > 0) return value
  throw new FormatError('METADATA_RANGE', `The metadata key ${key} is ${value}; it should be above 0.`, value)
}

/** A size of every layer: one number, or an array that gives all layers the same. */
function layerSize(metadata: Metadata, key: string, fallback?: number): number {
  const value = metadata.get(key)
  if (value === undefined || typeof value === 'number') return size(metadata, key, fallback)
  const sizes = Array.from(getNumbers(metadata, key))
  if (sizes.length > 0 && sizes.every((other) => other === sizes[0])) return checkSize(key, sizes[0]!)
  throw new UnsupportedError(
    key.includes('head_count') ? 'UNSUPPORTED_HEADS' : 'UNSUPPORTED_LAYERS',
    `${key} differs from layer to layer; cria needs the same in all layers.`,
    sizes,
  )
}

/** A length in tokens; models name some of millions. */
function tokens(metadata: Metadata, key: string, fallback?: number): number {
  const value = getNumber(metadata, key, fallback)
  if (Number.isInteger(value) && value >= 1 && value <= LONGEST) return value
  throw outOfRange(key, value, LONGEST)
}

/**
 * Reads and checks the sizes of a model.
 * @throws UnsupportedError for another architecture or a feature that cria lacks; FormatError for sizes that cannot be.
 * @internal
 */
export function readConfig(gguf: Gguf): ModelConfig {
  const architecture = getString(gguf.metadata, 'general.architecture')
  if (!ARCHITECTURES.includes(architecture)) {
    throw new UnsupportedError(
      'UNSUPPORTED_ARCHITECTURE',
      `The architecture is ${architecture}; cria runs ${ARCHITECTURES.join(', ')}: LLaMA, Llama, Mistral, Mixtral and what was converted like them (docs/MODELS.md).`,
      architecture,
    )
  }
  const metadata = underLlama(gguf.metadata, architecture)
  refuseFeatures(metadata, gguf.shards)
  const dim = size(metadata, 'llama.embedding_length')
  const heads = layerSize(metadata, 'llama.attention.head_count')
  const kvHeads = layerSize(metadata, 'llama.attention.head_count_kv', heads)
  const headDim = size(metadata, 'llama.attention.key_length', Math.floor(dim / heads))
  checkHeads(metadata, heads, kvHeads, headDim)
  const embedding = gguf.tensors.get('token_embd.weight')
  const vocabulary = embedding?.dimensions[1] ?? size(metadata, 'llama.vocab_size')
  checkVocabulary(metadata, vocabulary)
  const context = tokens(metadata, 'llama.context_length')
  return {
    name: getString(metadata, 'general.name', 'unnamed'),
    dim,
    ffn: layerSize(metadata, 'llama.feed_forward_length'),
    layers: size(metadata, 'llama.block_count'),
    heads,
    kvHeads,
    headDim,
    vocabulary: checkSize('token_embd.weight', vocabulary),
    ...readExperts(metadata),
    context,
    epsilon: positive(metadata, 'llama.attention.layer_norm_rms_epsilon'),
    attentionScale: positiveOr(metadata, 'llama.attention.scale', 1 / Math.sqrt(headDim)),
    ...(architecture === 'mistral3' && {
      temperatureScale: positiveOr(metadata, 'llama.attention.temperature_scale', 0),
    }),
    rope: readRope(metadata, headDim, context, architecture),
  }
}

/** 0 in files means none. */
function positiveOr(metadata: Metadata, key: string, usual: number): number {
  return getNumber(metadata, key, usual) === 0 ? usual : positive(metadata, key, usual)
}

function refuseFeatures(metadata: Metadata, shards: Gguf['shards']): void {
  const parts = getNumber(metadata, 'split.count', 1)
  if (parts > 1 && parts !== shards) {
    throw new UnsupportedError(
      'UNSUPPORTED_SPLIT',
      `The file is one of the ${parts} shards of a model: pass the path or URL of the first, named …-00001-of-${String(parts).padStart(5, '0')}.gguf with the others beside it, or a list of all in their order.`,
      parts,
    )
  }
  if (!getBoolean(metadata, 'llama.attention.causal', true)) {
    throw new UnsupportedError(
      'UNSUPPORTED_ATTENTION',
      'The model’s attention is not causal; cria has causal only.',
      false,
    )
  }
}

/**
 * Experts are Mixtral's: softmax over the router's logits, the weights of the chosen made to sum to 1.
 * @throws FormatError for numbers that cannot be; UnsupportedError for other kinds of experts
 */
function readExperts(metadata: Metadata): { experts: number; expertsUsed: number } {
  const experts = getNumber(metadata, 'llama.expert_count', 0)
  const expertsUsed = getNumber(metadata, 'llama.expert_used_count', 0)
  if (experts === 0 && expertsUsed === 0) return { experts, expertsUsed }
  if (!Number.isInteger(experts) || experts < 1) throw outOfRange('llama.expert_count', experts, MOST_EXPERTS)
  if (!Number.isInteger(expertsUsed) || expertsUsed < 1 || expertsUsed > experts) {
    throw outOfRange('llama.expert_used_count', expertsUsed, experts)
  }
  if (experts > MOST_EXPERTS) {
    const message = `The model has ${experts} experts a layer; cria runs models of up to ${MOST_EXPERTS}.`
    throw new UnsupportedError('UNSUPPORTED_EXPERTS', message, experts)
  }
  for (const [key, usual] of EXPERT_KEYS) {
    const value = metadata.get(`llama.${key}`)
    if (value === undefined || usual.includes(value)) continue
    const message = `llama.${key} is ${String(value)}: cria has experts as Mixtral’s only, weighted by a softmax that sums to 1.`
    throw new UnsupportedError('UNSUPPORTED_EXPERTS', message, value)
  }
  return { experts, expertsUsed }
}

/** What else files say of experts, and the values that mean Mixtral’s. */
const EXPERT_KEYS: readonly (readonly [key: string, usual: readonly unknown[]])[] = [
  ['expert_shared_count', [0]],
  ['expert_weights_scale', [0, 1]],
  ['expert_weights_norm', [true]],
  ['expert_gating_func', [0, 1]],
  ['expert_group_count', [0, 1]],
]

/** An embedding may have rows to spare, not too few. */
function checkVocabulary(metadata: Metadata, rows: number): void {
  const texts = metadata.get('tokenizer.ggml.tokens')
  if (!Array.isArray(texts) || texts.length <= rows) return
  throw new FormatError(
    'VOCABULARY_SIZE',
    `The vocabulary has ${texts.length} tokens and token_embd.weight ${rows} rows: the file is damaged or was converted wrongly.`,
    texts.length,
  )
}

function checkHeads(metadata: Metadata, heads: number, kvHeads: number, headDim: number): void {
  const valueLength = getNumber(metadata, 'llama.attention.value_length', headDim)
  if (valueLength !== headDim) {
    throw new UnsupportedError(
      'UNSUPPORTED_HEADS',
      `Keys have ${headDim} dimensions and values ${valueLength}; cria needs the same.`,
      valueLength,
    )
  }
  if (heads % kvHeads !== 0) {
    throw new FormatError('METADATA_RANGE', `${heads} heads cannot share ${kvHeads} kv heads evenly.`, kvHeads)
  }
  if (headDim > MAX_HEAD_DIM || headDim % 2 !== 0) {
    const message = `A head has ${headDim} dimensions; cria takes even numbers up to ${MAX_HEAD_DIM}.`
    throw new UnsupportedError('UNSUPPORTED_HEADS', message, headDim)
  }
}

function readRope(metadata: Metadata, headDim: number, context: number, architecture: string): RopeConfig {
  const dimensions = size(metadata, 'llama.rope.dimension_count', headDim)
  if (dimensions % 2 !== 0 || dimensions > headDim) {
    throw new FormatError(
      'METADATA_RANGE',
      `llama.rope.dimension_count is ${dimensions}; it should be even and at most ${headDim}, a head’s size.`,
      dimensions,
    )
  }
  const legacy = getNumber(metadata, 'llama.rope.scale_linear', 1)
  // A factor without a type is linear.
  const scaling = getString(metadata, 'llama.rope.scaling.type', 'linear')
  if (scaling !== 'none' && scaling !== 'linear' && scaling !== 'yarn') {
    throw new UnsupportedError(
      'UNSUPPORTED_ROPE',
      `The rope scaling is ${scaling}; cria has none, linear and yarn (and Llama 3’s rope_freqs.weight).`,
      scaling,
    )
  }
  const factor = scaling === 'none' ? 1 : ropeFactor(metadata, legacy)
  // By which mistral3 divides the scale of YaRN. Source: llama.cpp, rope_yarn_log_mul.
  const multiplier = architecture === 'mistral3' ? getNumber(metadata, 'llama.rope.scaling.yarn_log_multiplier', 0) : 0
  const divisor = scaling === 'yarn' && factor > 1 ? 1 + 0.1 * multiplier * log(factor) : 1
  return {
    dimensions,
    base: positive(metadata, 'llama.rope.freq_base', 10000),
    scaling,
    factor,
    originalContext: tokens(metadata, 'llama.rope.scaling.original_context_length', context),
    attentionFactor: positive(metadata, 'llama.rope.scaling.attn_factor', 1) / divisor,
    betaFast: positive(metadata, 'llama.rope.scaling.yarn_beta_fast', 32),
    betaSlow: positive(metadata, 'llama.rope.scaling.yarn_beta_slow', 1),
  }
}

/** A factor of 0 in files means none. */
function ropeFactor(metadata: Metadata, legacy: number): number {
  const key = 'llama.rope.scaling.factor'
  return getNumber(metadata, key, legacy) === 0 ? 1 : positive(metadata, key, legacy)
}
