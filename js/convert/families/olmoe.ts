/** OLMoE: experts; norms of whole rows of queries and keys. */
import { type Family, sizes } from './family.ts'
import { experts, headNorms, llamaLayer } from './layers.ts'
import { EXPERTS } from './qwen2moe.ts'
import { only } from './values.ts'

export const olmoe: Family = {
  name: 'olmoe',
  classes: {
    OlmoeForCausalLM: {
      ...sizes(50304, 2048, 2048, 16, 16, null, 4096),
      rms_norm_eps: 1e-5,
      num_local_experts: 64,
      num_experts_per_tok: 8,
      norm_topk_prob: false,
    },
  },
  check: (config) => {
    only(config, 'norm_topk_prob', false)
    only(config, 'clip_qkv', null)
    // Converters write it so, whatever the model has.
    only(config, 'rms_norm_eps', 1e-5)
  },
  layer: (config) => [...llamaLayer(config, experts(config, EXPERTS)), ...headNorms(config, { rows: true })],
}
