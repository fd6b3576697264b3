/** Granite 3 and 4, dense and with experts: IBM 2024. Scales of embedding, residual stream, attention and logits. */
import { type Architecture, type Keys, llamaLayer } from './architecture.ts'
import type { ModelConfig } from './config.ts'
import { sharedExpert } from './experts.ts'

function scales(keys: Keys, { attentionScale }: ModelConfig): Partial<ModelConfig> {
  return {
    embeddingScale: keys.positiveOr('embedding_scale', 1),
    residualScale: keys.positiveOr('residual_scale', 1),
    attentionScale: keys.positiveOr('attention.scale', attentionScale),
    // What the file says is a divisor.
    logitScale: 1 / keys.positive('logit_scale'),
    expertSharedFeedForwardLength: keys.number('expert_shared_feed_forward_length', 0),
  }
}

export const granite: Architecture = {
  name: 'granite',
  rope: 'interleaved',
  // Granite 4 without state-space layers says how large they would be.
  ignores: ['conv_kernel', 'state_size', 'group_count', 'inner_size', 'time_step_rank'].map((key) => `ssm.${key}`),
  config(keys, config) {
    const rotated = keys.boolean('rope.scaling.finetuned', true)
    return {
      ...scales(keys, config),
      ...(!rotated && { layers: config.layers.map((layer) => ({ ...layer, rope: -1 })) }),
    }
  },
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i),
    ...(config.expertCount > 0 ? sharedExpert(find, config, i) : {}),
  }),
}

export const granitemoe: Architecture = { ...granite, name: 'granitemoe', config: scales }
