/** What a model's keys and values depend on, as far as its sizes and traits go. */
import type { ModelConfig } from './config.ts'

/** LLaMA's traits. */
const TRAITS: Partial<ModelConfig> = {
  expertSharedFeedForwardLength: 0,
  expertWeightsNorm: true,
  expertWeightsScale: 1,
  norm: 'rms',
  activation: 'swiglu',
  headNorm: 'before',
  parallel: false,
  embeddingScale: 1,
  residualScale: 1,
  attentionCap: 0,
}

/** Whose saved states have no name of an architecture. */
const OLDEST = ['llama', 'mistral3']

/**
 * The sizes and traits as JSON; of the oldest in the form in which saved states have always named them, of others with what
 * differs from LLaMA.
 */
export function identityOf(config: ModelConfig): object {
  const { architecture, ropes, layers } = config
  const [rope, ...others] = ropes
  const traits = Object.entries(TRAITS).flatMap(([key, usual]) => {
    const value = config[key as keyof ModelConfig]
    return value === usual ? [] : [[key, value]]
  })
  const plain = layers.every((layer) => layer.window === 0 && layer.rope === 0)
  return {
    dim: config.embeddingLength,
    ffn: config.expertFeedForwardLength,
    layers: config.blockCount,
    heads: config.headCount,
    kvHeads: config.headCountKv,
    headDim: config.headDim,
    vocabulary: config.vocabSize,
    experts: config.expertCount,
    expertsUsed: config.expertUsedCount,
    context: config.contextLength,
    epsilon: config.epsilon,
    attentionScale: config.attentionScale,
    ...(architecture === 'mistral3' && { temperatureScale: config.temperatureScale }),
    rope,
    ...(!OLDEST.includes(architecture) && { architecture }),
    ...Object.fromEntries(traits),
    ...(!plain && { ropes: others, perLayer: layers }),
  }
}
