/** What an architecture is: how it reads sizes and traits from the metadata, and which tensors its layers have. */
import { MAX_HEAD_DIM } from '../../assembly/layout.ts'
import { FormatError, UnsupportedError } from '../errors.ts'
import { getBoolean, getNumber, getNumbers, getString } from '../gguf/metadata.ts'
import type { Gguf, Metadata } from '../gguf/types.ts'
import type { Warn } from '../util/warn.ts'
import type { LayerConfig, ModelConfig, RopeConfig } from './config.ts'
import { refuseVocabulary } from './kinds.ts'
import { Finder, type LayerTensors, type ModelTensors } from './tensors.ts'

/** A LLaMA or one of its kin. What it leaves out is as in LLaMA. */
export interface Architecture {
  /** `general.architecture`, and the prefix of its keys. */
  readonly name: string
  /** Which dimensions of a head are rotated together: 2i and 2i + 1, or i and i + half ("NeoX"). */
  readonly rope: 'interleaved' | 'half'
  /** Norms with a mean and biases; else RMSNorm. */
  readonly norm?: 'layer'
  /** Keys that change nothing here, beside those that never do. */
  readonly ignores?: readonly string[]
  /** The sizes and traits in which it differs from `config`, which is what the keys that all architectures share make of it. */
  config?(keys: Keys, config: ModelConfig, gguf: Gguf): Partial<ModelConfig>
  /** The tensors of layer i. */
  layer?(find: Finder, config: ModelConfig, i: number): LayerTensors
}

/** As many as llama.cpp takes. */
const MOST_EXPERTS = 512
/** Larger sizes than any LLaMA has; products of three of them stay exact in a double. */
const LARGEST = 2_097_152
/** Longest context, in tokens: far beyond what anybody runs. */
const LONGEST = 4_294_967_295

/** Keys that change nothing unless an architecture reads them; YaRN's as llama.cpp has it. */
const NEUTRAL =
  /^rope\.scaling\.(finetuned|yarn_(ext_factor|attn_factor|log_multiplier)|alpha)$|^attention\.layer_norm(_rms)?_epsilon$/
/** Keys that files of any architecture may have, and that llama.cpp, as cria, reads of those alone that need them. */
const IDLE = /^(attention\.scale|rope\.(freq_base_swa|dimension_sections))$/
/** Keys that do say something of the results, in some architecture at least. */
const TELLING =
  /softcap|sliding_window|swa|scale|scaling|expert|clamp|^rope\.|^attention\.|sections|mapping|alpha|parallel|norm|gate|gating|altup|laurel|shared|ssm|conv|residual|activation|_out$/

/** Metadata under the architecture's own prefix, so that errors name the file's own keys. Remembers which keys were read. */
export class Keys {
  private readonly read = new Set<string>()

  constructor(
    readonly metadata: Metadata,
    private readonly architecture: string,
  ) {}

  /** The whole key. */
  of(name: string): string {
    this.read.add(name)
    return `${this.architecture}.${name}`
  }

  has(name: string): boolean {
    return this.metadata.has(this.of(name))
  }

  number(name: string, fallback?: number): number {
    return getNumber(this.metadata, this.of(name), fallback)
  }

  boolean(name: string, fallback?: boolean): boolean {
    return getBoolean(this.metadata, this.of(name), fallback)
  }

  string(name: string, fallback?: string): string {
    return getString(this.metadata, this.of(name), fallback)
  }

  /** A whole number in 1…LARGEST. */
  size(name: string, fallback?: number): number {
    return whole(this.of(name), this.number(name, fallback), LARGEST)
  }

  /** A size of every layer: one number, or an array that gives all layers the same. */
  layerSize(name: string, fallback?: number): number {
    const key = this.of(name)
    const value = this.metadata.get(key)
    if (value === undefined || typeof value === 'number') return this.size(name, fallback)
    const sizes = Array.from(getNumbers(this.metadata, key))
    const layers = this.size('block_count')
    if (sizes.length !== layers) {
      throw new FormatError('METADATA_RANGE', `${key} has ${sizes.length} entries for ${layers} layers.`, sizes)
    }
    if (sizes.every((other) => other === sizes[0])) return whole(key, sizes[0]!, LARGEST)
    throw new UnsupportedError(
      name.includes('head_count') ? 'UNSUPPORTED_HEADS' : 'UNSUPPORTED_LAYERS',
      `${key} differs from layer to layer; cria needs the same in all layers.`,
      sizes,
    )
  }

  /** A length in tokens; models name some of millions. */
  tokens(name: string, fallback?: number): number {
    return whole(this.of(name), this.number(name, fallback), LONGEST)
  }

  positive(name: string, fallback?: number): number {
    const value = this.number(name, fallback)
    if (Number.isFinite(value) && value > 0) return value
    throw new FormatError(
      'METADATA_RANGE',
      `The metadata key ${this.of(name)} is ${value}; it should be above 0.`,
      value,
    )
  }

  /** A scale of which 0 in files means that there is none. */
  positiveOr(name: string, usual: number): number {
    return this.number(name, usual) === 0 ? usual : this.positive(name, usual)
  }

  /** @throws UnsupportedError where a key says something else than one of `usual`, the first of which is meant without it */
  only(name: string, usual: readonly unknown[], code: string, what: string): void {
    const value = this.metadata.get(this.of(name)) ?? usual[0]
    const values = ArrayBuffer.isView(value) ? Array.from(value as ArrayLike<number> & ArrayBufferView) : [value]
    if (values.every((one) => usual.includes(one))) return
    throw new UnsupportedError(code, `${this.of(name)} is ${String(value)}: ${what}.`, value)
  }

  /** `attention.sliding_window`: positions that a query of a windowed layer sees; 0: there are no such layers. */
  window(fallback = 0): number {
    const name = 'attention.sliding_window'
    return this.number(name, fallback) === 0 ? 0 : this.tokens(name, fallback)
  }

  /**
   * Which layers are windowed, by `attention.sliding_window_pattern`: an array of booleans, or a number n of which every nth layer
   * is not; without it, `pattern`.
   */
  windowed(blockCount: number, pattern: number): boolean[] {
    const key = this.of('attention.sliding_window_pattern')
    const value = this.metadata.get(key)
    if (value === undefined || typeof value === 'number') {
      const n = value === undefined ? pattern : Math.floor(whole(key, value, LARGEST))
      return Array.from({ length: blockCount }, (_, i) => i % n < n - 1)
    }
    const listed = Array.from(getNumbers(this.metadata, key))
    if (listed.length === blockCount && listed.every((one) => one === 0 || one === 1))
      return listed.map((one) => one === 1)
    const message = `${key} should say of each of the ${blockCount} layers whether it is windowed; cria knows no other pattern.`
    throw new UnsupportedError('UNSUPPORTED_WINDOW', message, value)
  }

  /**
   * @param warn hears of keys that change results in other architectures only
   * @throws UnsupportedError for a key that nobody read and that changes results
   */
  refuseOthers(warn: Warn): void {
    const prefix = `${this.architecture}.`
    for (const [key, value] of this.metadata) {
      const name = key.slice(prefix.length)
      if (!key.startsWith(prefix) || this.read.has(name) || NEUTRAL.test(name) || !TELLING.test(name)) continue
      // Nothing of something is as without it.
      if (value === 0 || value === false) continue
      if (IDLE.test(name)) {
        warn({
          code: 'KEY_IGNORED',
          message: `The file has the key ${key}, which says nothing of a ${this.architecture} model.`,
        })
        continue
      }
      const message = `The file has the key ${key}, which cria does not know of a ${this.architecture} model: leaving it out could give wrong results.`
      throw new UnsupportedError('KEY_UNKNOWN', message, value)
    }
  }
}

function whole(key: string, value: number, most: number): number {
  if (Number.isInteger(value) && value >= 1 && value <= most) return value
  throw new FormatError(
    'METADATA_RANGE',
    `The metadata key ${key} is ${value}; it should be a whole number from 1 to ${most}. The file is damaged or hostile.`,
    value,
  )
}

/**
 * Reads and checks the sizes and traits of a model.
 * @throws UnsupportedError for a feature that cria lacks; FormatError for sizes that cannot be.
 */
export function configOf(architecture: Architecture, gguf: Gguf, warn: Warn): ModelConfig {
  refuseShard(gguf)
  const keys = new Keys(gguf.metadata, architecture.name)
  for (const name of architecture.ignores ?? []) keys.of(name)
  const common = commonConfig(architecture, keys, gguf)
  const config = { ...common, ...architecture.config?.(keys, common, gguf) }
  keys.refuseOthers(warn)
  return config
}

/** What the keys that all architectures share make of a model, as it is without any trait. */
function commonConfig(architecture: Architecture, keys: Keys, gguf: Gguf): ModelConfig {
  const norm = architecture.norm ?? 'rms'
  keys.only('attention.causal', [true], 'UNSUPPORTED_ATTENTION', 'cria has causal attention only')
  const embeddingLength = keys.size('embedding_length')
  const nextnPredictLayers = keys.number('nextn_predict_layers', 0)
  const blockCount = whole(keys.of('block_count'), keys.size('block_count') - nextnPredictLayers, LARGEST)
  const headCount = keys.layerSize('attention.head_count')
  const headCountKv = keys.layerSize('attention.head_count_kv', headCount)
  const headDim = keys.size('attention.key_length', Math.floor(embeddingLength / headCount))
  checkHeads(keys, headCount, headCountKv, headDim)
  const rows = gguf.tensors.get('token_embd.weight')?.dimensions[1] ?? keys.size('vocab_size')
  checkVocabulary(gguf.metadata, rows)
  const contextLength = keys.tokens('context_length')
  const experts = readExperts(keys)
  const feedForwardLength =
    keys.has('feed_forward_length') || experts.expertCount === 0
      ? keys.layerSize('feed_forward_length')
      : keys.size('expert_feed_forward_length')
  return {
    architecture: getString(gguf.metadata, 'general.architecture'),
    name: getString(gguf.metadata, 'general.name', 'unnamed'),
    embeddingLength,
    feedForwardLength,
    expertFeedForwardLength: feedForwardLength,
    expertSharedFeedForwardLength: 0,
    blockCount,
    nextnPredictLayers,
    headCount,
    headCountKv,
    headDim,
    vocabSize: whole('token_embd.weight', rows, LARGEST),
    ...experts,
    contextLength,
    norm,
    epsilon: keys.positive(norm === 'rms' ? 'attention.layer_norm_rms_epsilon' : 'attention.layer_norm_epsilon'),
    activation: 'swiglu',
    headNorm: 'before',
    parallel: false,
    embeddingScale: 1,
    residualScale: 1,
    attentionScale: 1 / Math.sqrt(headDim),
    logitScale: 1,
    attentionCap: 0,
    logitCap: 0,
    temperatureScale: 0,
    ropes: [readRope(keys, headDim, contextLength)],
    layers: new Array<LayerConfig>(blockCount).fill({ window: 0, rope: 0 }),
  }
}

function refuseShard({ metadata, shards }: Gguf): void {
  const parts = getNumber(metadata, 'split.count', 1)
  if (parts <= 1 || parts === shards) return
  throw new UnsupportedError(
    'UNSUPPORTED_SPLIT',
    `The file is one of the ${parts} shards of a model: pass the path or URL of the first, named …-00001-of-${String(parts).padStart(5, '0')}.gguf with the others beside it, or a list of all in their order.`,
    parts,
  )
}

type Experts = Pick<ModelConfig, 'expertCount' | 'expertUsedCount' | 'expertWeightsNorm' | 'expertWeightsScale'>

/**
 * Experts are weighted by a softmax; those of Mixtral so that the weights of the chosen sum to 1.
 * @throws FormatError for numbers that cannot be; UnsupportedError for other kinds of experts
 */
function readExperts(keys: Keys): Experts {
  const expertCount = keys.number('expert_count', 0)
  const expertUsedCount = keys.number('expert_used_count', 0)
  const weights = { expertWeightsNorm: true, expertWeightsScale: 1 }
  for (const name of EXPERT_KEYS.keys()) keys.of(name)
  if (expertCount === 0 && expertUsedCount === 0) return { expertCount, expertUsedCount, ...weights }
  if (expertCount > MOST_EXPERTS) {
    const message = `The model has ${expertCount} experts a layer; cria runs models of up to ${MOST_EXPERTS}.`
    throw new UnsupportedError('UNSUPPORTED_EXPERTS', message, expertCount)
  }
  whole(keys.of('expert_count'), expertCount, MOST_EXPERTS)
  whole(keys.of('expert_used_count'), expertUsedCount, expertCount)
  for (const [name, usual] of EXPERT_KEYS) {
    const value = keys.metadata.get(keys.of(name))
    if (value === undefined || usual.includes(value)) continue
    const message = `${keys.of(name)} is ${String(value)}: cria has experts that are weighted by a softmax, as Mixtral’s are, and no groups of them.`
    throw new UnsupportedError('UNSUPPORTED_EXPERTS', message, value)
  }
  return { expertCount, expertUsedCount, ...weights }
}

/** What else files say of experts, and the values that change nothing. */
const EXPERT_KEYS: ReadonlyMap<string, readonly unknown[]> = new Map<string, readonly unknown[]>([
  ['expert_shared_count', [0]],
  ['expert_weights_scale', [0, 1]],
  ['expert_weights_norm', [true]],
  ['expert_gating_func', [0, 1]],
  ['expert_group_count', [0, 1]],
  ['expert_group_used_count', [0, 1]],
])

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

function checkHeads(keys: Keys, headCount: number, headCountKv: number, headDim: number): void {
  for (const name of ['attention.value_length', 'attention.key_length_swa', 'attention.value_length_swa']) {
    const length = keys.number(name, headDim)
    if (length === headDim) continue
    const message = `${keys.of(name)} is ${length}, and keys have ${headDim} dimensions; cria needs the same everywhere.`
    throw new UnsupportedError('UNSUPPORTED_HEADS', message, length)
  }
  if (headCount % headCountKv !== 0) {
    const message = `${headCount} heads cannot share ${headCountKv} kv heads evenly.`
    throw new FormatError('METADATA_RANGE', message, headCountKv)
  }
  if (headDim > MAX_HEAD_DIM || headDim % 2 !== 0) {
    const message = `A head has ${headDim} dimensions; cria takes even numbers up to ${MAX_HEAD_DIM}.`
    throw new UnsupportedError('UNSUPPORTED_HEADS', message, headDim)
  }
}

function readRope(keys: Keys, headDim: number, contextLength: number): RopeConfig {
  const dimensions = keys.size('rope.dimension_count', headDim)
  if (dimensions % 2 !== 0 || dimensions > headDim) {
    throw new FormatError(
      'METADATA_RANGE',
      `${keys.of('rope.dimension_count')} is ${dimensions}; it should be even and at most ${headDim}, a head’s size.`,
      dimensions,
    )
  }
  keys.only(
    'rope.dimension_count_swa',
    [dimensions],
    'UNSUPPORTED_ROPE',
    'cria rotates as many dimensions in every layer',
  )
  const legacy = keys.number('rope.scale_linear', 1)
  // A factor without a type is linear.
  const scaling = keys.string('rope.scaling.type', 'linear')
  if (scaling !== 'none' && scaling !== 'linear' && scaling !== 'yarn' && scaling !== 'longrope') {
    throw new UnsupportedError(
      'UNSUPPORTED_ROPE',
      `The rope scaling is ${scaling}; cria has none, linear, yarn and longrope (and Llama 3’s rope_freqs.weight).`,
      scaling,
    )
  }
  // A factor of 0 in files means none.
  const factor = keys.number('rope.scaling.factor', legacy) === 0 ? 1 : keys.positive('rope.scaling.factor', legacy)
  return {
    dimensions,
    base: keys.positive('rope.freq_base', 10000),
    scaling,
    factor: scaling === 'none' ? 1 : factor,
    originalContext: keys.tokens('rope.scaling.original_context_length', contextLength),
    attentionFactor: keys.positive('rope.scaling.attn_factor', 1),
    betaFast: keys.positive('rope.scaling.yarn_beta_fast', 32),
    betaSlow: keys.positive('rope.scaling.yarn_beta_slow', 1),
  }
}

/** Layers of which those that `windowed` says see `window` positions; `rope`, `fullRope`: see LayerConfig.rope, of these and of the others. */
export function windowedLayers(
  windowed: readonly boolean[],
  window: number,
  rope: number,
  fullRope = 0,
): LayerConfig[] {
  return windowed.map((one) => (one ? { window, rope } : { window: 0, rope: fullRope }))
}

/** The tensors of a llama's layer; `norms`: in place of its own. */
export function llamaLayer(
  find: Finder,
  config: ModelConfig,
  i: number,
  norms: Pick<LayerTensors, 'attnNorm' | 'ffnNorm'> = {},
): LayerTensors {
  const name = (part: string): string => `blk.${i}.${part}`
  const { headCount, headDim, embeddingLength, feedForwardLength, expertCount } = config
  return {
    attnNorm: 'attnNorm' in norms ? norms.attnNorm : find.norm(name('attn_norm')),
    ffnNorm: 'ffnNorm' in norms ? norms.ffnNorm : find.norm(name('ffn_norm')),
    ...find.qkv(i),
    attnOutput: find.matrix(name('attn_output'), embeddingLength, headCount * headDim),
    ...(expertCount > 0 ? find.experts(i) : { experts: [find.feedForward(i, feedForwardLength)] }),
  }
}

/** A llama's layer with norms after its blocks instead of before. */
export function postNormLayer(find: Finder, config: ModelConfig, i: number): LayerTensors {
  return {
    ...llamaLayer(find, config, i, { attnNorm: undefined, ffnNorm: undefined }),
    ...find.postNorms(i),
  }
}

/**
 * Finds every tensor of the model and checks its type and shape.
 * @throws FormatError TENSOR_MISSING, TENSOR_SHAPE; UnsupportedError TENSOR_TYPE, TENSOR_UNKNOWN
 */
export function tensorsOf(architecture: Architecture, gguf: Gguf, config: ModelConfig): ModelTensors {
  refuseVocabulary(gguf)
  const { headDim, ropes, blockCount, nextnPredictLayers } = config
  const { dimensions } = ropes[0]!
  const halfSplit = architecture.rope === 'half' ? { headDim, dimensions } : undefined
  const find = new Finder(gguf.tensors, config, halfSplit)
  const tensors = takeTensors(architecture, find, config)
  find.refuseOthers(nextnPredictLayers > 0 ? blockCount : Number.POSITIVE_INFINITY)
  return tensors
}

/** Asks for every tensor of the model. */
export function takeTensors(architecture: Architecture, find: Finder, config: ModelConfig): ModelTensors {
  const { embeddingLength, vocabSize, ropes, blockCount } = config
  const { dimensions } = ropes[0]!
  const embedding = find.lookup('token_embd', vocabSize, embeddingLength)
  const outputNorm = find.norm('output_norm')
  const output = find.has('output.weight')
    ? find.matrix('output', vocabSize, embeddingLength)
    : { ...embedding, bias: find.optional('output.bias', vocabSize) }
  const factors = find.optional('rope_freqs.weight', dimensions / 2)
  const ropeFactors = {
    long: factors ?? find.optional('rope_factors_long.weight', dimensions / 2),
    short: factors ?? find.optional('rope_factors_short.weight', dimensions / 2),
  }
  const layer = architecture.layer ?? llamaLayer
  const layers = Array.from({ length: blockCount }, (_, i) => layer(find, config, i))
  return { embedding, outputNorm, output, ropeFactors, layers }
}
