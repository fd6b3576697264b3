/** MiniCPM: Granite's scales, from other settings. */
import { type Family, float32, type HfConfig, type Key, sizes, uint32 } from './family.ts'
import { feedForward, llamaLayer } from './layers.ts'
import { longRopeFactor } from './rope.ts'
import { positive } from './values.ts'

export const minicpm: Family = {
  name: 'minicpm',
  classes: {
    MiniCPMForCausalLM: { ...sizes(32000, 4096, 11008, 32, 32, null, 2048), tie_word_embeddings: true },
  },
  scalings: ['longrope'],
  interleaves: true,
  keys: (config) => {
    const { json, blockCount, embeddingLength } = config
    return [
      float32('embedding_scale', positive(json, 'scale_emb', 1)),
      float32('residual_scale', positive(json, 'scale_depth', 1) / Math.sqrt(blockCount)),
      float32('logit_scale', embeddingLength / positive(json, 'dim_model_base', 1)),
      ...longRope(config),
    ]
  },
  layer: (config) => llamaLayer(config, feedForward(config), { outputBias: config.json.attention_bias === true }),
}

/** Where the context was extended, which llama.cpp's converter does not say. */
function longRope(config: HfConfig): Key[] {
  const { contextLength, rope } = config
  if (rope.scaling !== 'longrope' || rope.originalContext === contextLength) return []
  return [
    uint32('rope.scaling.original_context_length', rope.originalContext),
    float32('rope.scaling.attn_factor', longRopeFactor(config)),
  ]
}
