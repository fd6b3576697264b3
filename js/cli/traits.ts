/** A model's sizes, and the traits in which it differs from a plain LLaMA, for reading. */
import type { TensorInfo } from '../gguf/types.ts'
import type { ModelConfig, RopeConfig } from '../models/config.ts'
import type { SamplerOptions } from '../sampler/types.ts'

/** Name and value; traits that a model lacks have no row. */
export function modelRows(config: ModelConfig, tensors: readonly TensorInfo[]): [name: string, value: string][] {
  const { embeddingLength, blockCount, headCount, headCountKv, headDim, vocabSize, contextLength } = config
  const rows: [name: string, value: string | undefined][] = [
    ['architecture', config.architecture],
    ['layers', layers(blockCount, config.nextnPredictLayers)],
    ['embedding', `${embeddingLength}, ${vocabSize} tokens`],
    ['attention', `${headCount} heads of ${headDim}, ${headCountKv} kv heads`],
    ['feed-forward', `${feedForward(config)}, ${ACTIVATIONS[config.activation]}`],
    ['norms', norms(config, tensors)],
    ['context', `${contextLength} tokens`],
    ['windows', windows(config)],
    ['rotation', rotation(config)],
    ['scales', scales(config)],
    ['soft caps', caps(config)],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]]))
}

const ACTIVATIONS: Readonly<Record<ModelConfig['activation'], string>> = {
  swiglu: 'SwiGLU',
  geglu: 'GeGLU',
  relu2: 'ReLU² without a gate',
}

const HEAD_NORMS: Readonly<Record<ModelConfig['headNorm'], string>> = {
  before: 'before rotation',
  after: 'after rotation',
  each: 'with weights of each head',
  row: 'over whole rows',
}

function layers(blockCount: number, nextn: number): string {
  return nextn > 0 ? `${blockCount}, and ${nextn} for predicting further tokens, which are not run` : String(blockCount)
}

function feedForward(config: ModelConfig): string {
  const { expertCount, expertUsedCount, expertFeedForwardLength, expertSharedFeedForwardLength } = config
  if (expertCount === 0) return String(config.feedForwardLength)
  const shared = expertSharedFeedForwardLength > 0 ? `, and a shared one of ${expertSharedFeedForwardLength}` : ''
  const weights = config.expertWeightsNorm ? '' : ', weights not made to sum to 1'
  return `${expertCount} experts of ${expertFeedForwardLength}, ${expertUsedCount} used${shared}${weights}`
}

function norms({ norm, epsilon, headNorm, parallel }: ModelConfig, tensors: readonly TensorInfo[]): string {
  const kind = norm === 'rms' ? 'RMSNorm' : 'LayerNorm'
  const has = (part: string): boolean => tensors.some(({ name }) => name.startsWith(`blk.0.${part}`))
  const ways = [
    `${kind}, epsilon ${short(epsilon)}`,
    ...(has('attn_norm') ? [] : ['none before blocks']),
    ...(has('post_ffw_norm') ? ['after blocks'] : []),
    ...(has('attn_q_norm') ? [`of queries and keys ${HEAD_NORMS[headNorm]}`] : []),
    ...(parallel ? ['attention and feed-forward side by side'] : []),
  ]
  return ways.join('; ')
}

function windows({ layers }: ModelConfig): string | undefined {
  const windowed = layers.flatMap(({ window }, i) => (window > 0 ? [i] : []))
  if (windowed.length === 0) return undefined
  const positions = [...new Set(windowed.map((i) => layers[i]!.window))].join(', ')
  const whole = layers.flatMap(({ window }, i) => (window > 0 ? [] : [i]))
  if (whole.length === 0) return `${positions} positions in every layer`
  return `${positions} positions in ${windowed.length} of ${layers.length} layers, all but ${runs(whole)}`
}

function rotation({ ropes, layers, headDim, temperatureScale }: ModelConfig): string {
  const kinds = layers.map(({ rope }) => (rope < 0 ? 'none' : ropeText(ropes[rope]!, headDim)))
  const parts = [...new Set(kinds)].map((kind) => {
    const its = kinds.flatMap((other, i) => (other === kind ? [i] : []))
    return its.length === layers.length ? kind : `${kind} in ${its.length === 1 ? 'layer' : 'layers'} ${runs(its)}`
  })
  if (temperatureScale > 0)
    parts.push(`queries grow by ${short(temperatureScale)} with the logarithm of their position`)
  return parts.join('; ')
}

function ropeText(rope: RopeConfig, headDim: number): string {
  const { dimensions, base, scaling, factor, originalContext, attentionFactor } = rope
  return [
    `base ${short(base)}`,
    ...(dimensions < headDim ? [`${dimensions} of ${headDim} dimensions`] : []),
    ...(scaling === 'yarn' || scaling === 'longrope' ? [`${scaling} from ${originalContext} tokens`] : []),
    ...(factor === 1 ? [] : [`factor ${short(factor)}`]),
    ...(attentionFactor === 1 ? [] : [`attention factor ${short(attentionFactor)}`]),
  ].join(', ')
}

function scales(config: ModelConfig): string | undefined {
  const { embeddingScale, residualScale, attentionScale, logitScale, expertWeightsScale, headDim } = config
  const named: [name: string, value: number, usual: number][] = [
    ['embedding', embeddingScale, 1],
    ['residual', residualScale, 1],
    ['attention', attentionScale, 1 / Math.sqrt(headDim)],
    ['logits', logitScale, 1],
    ['experts', expertWeightsScale, 1],
  ]
  return listed(named.filter(([, value, usual]) => value !== usual).map(([name, value]) => `${name} ${short(value)}`))
}

function caps({ attentionCap, logitCap }: ModelConfig): string | undefined {
  return listed([
    ...(attentionCap > 0 ? [`attention ${short(attentionCap)}`] : []),
    ...(logitCap > 0 ? [`logits ${short(logitCap)}`] : []),
  ])
}

/** What a file says of sampling: `temperature 0.6, topK 20`; empty where it says nothing. */
export function samplingText(sampling: SamplerOptions): string {
  const values = Object.entries(sampling).map(([name, value]) => `${name} ${[value].flat().join(' ')}`)
  return listed(values) ?? ''
}

function listed(parts: readonly string[]): string | undefined {
  return parts.length > 0 ? parts.join(', ') : undefined
}

/** Layers in order: `0-3 6`. */
function runs(layers: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < layers.length; ) {
    let j = i
    while (layers[j + 1] === layers[j]! + 1) j++
    parts.push(i === j ? `${layers[i]}` : `${layers[i]}-${layers[j]}`)
    i = j + 1
  }
  return parts.join(' ')
}

/** Six digits: files hold f32. */
function short(value: number): string {
  return String(Number(value.toPrecision(6)))
}
