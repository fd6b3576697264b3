/** Qwen 1.5 and 2 with experts: Yang et al. 2024. Every token takes a shared expert too, weighed by a sigmoid of its own. */
import { type Architecture, llamaLayer } from './architecture.ts'
import { expertWidths, sharedExpert } from './experts.ts'

export const qwen2moe: Architecture = {
  name: 'qwen2moe',
  rope: 'half',
  config(keys, config) {
    const widths = expertWidths(keys, config)
    const shared = keys.number('expert_shared_feed_forward_length', 0) || config.feedForwardLength
    return { ...widths, expertSharedFeedForwardLength: shared, expertWeightsNorm: false }
  },
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i),
    ...sharedExpert(find, config, i),
    ffnGateInpShexp: find.lookup(`blk.${i}.ffn_gate_inp_shexp`, 1, config.embeddingLength),
  }),
}
