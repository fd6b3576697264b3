/** Gemma 2: Riviere et al. 2024. Gemma with norms after each block too, capped scores and logits, every second layer windowed. */
import { type Architecture, llamaLayer, windowedLayers } from './architecture.ts'
import type { ModelConfig } from './config.ts'
import { gemma } from './gemma.ts'
import type { Finder, LayerTensors } from './tensors.ts'

/** Blocks of the 27B, whose scores are scaled by another length than a head's. */
const LARGE = 46

export const gemma2: Architecture = {
  ...gemma,
  name: 'gemma2',
  config(keys, config, gguf) {
    const {
      blockCount,
      ropes: [rope],
    } = config
    const windowed = keys.windowed(blockCount, 2)
    const window = keys.window(4096)
    return {
      ...gemma.config!(keys, config, gguf),
      attentionScale: largeScale(config, LARGE),
      attentionCap: keys.positive('attn_logit_softcapping', 50),
      logitCap: keys.positive('final_logit_softcapping', 30),
      ropes: [rope!, { ...rope!, base: keys.positive('rope.freq_base_swa', rope!.base) }],
      layers: windowedLayers(windowed, window, 1),
    }
  },
  layer: gemma2Layer,
}

/** What scores are multiplied by, in a model of `large` blocks and in others. */
export function largeScale(
  { blockCount, embeddingLength, headCount, attentionScale }: ModelConfig,
  large: number,
): number {
  return blockCount === large ? 1 / Math.sqrt(Math.floor(embeddingLength / headCount)) : attentionScale
}

export function gemma2Layer(find: Finder, config: ModelConfig, i: number): LayerTensors {
  return {
    ...llamaLayer(find, config, i),
    ...find.postNorms(i),
  }
}
