/** Qwen 3, dense and with experts: norms of each head's queries and keys. */
import { type Family, sizes, uint32 } from './family.ts'
import { experts, feedForward, headNorms, llamaLayer } from './layers.ts'
import { checkWindows, QWEN } from './qwen2.ts'
import { checkSparse, EXPERTS } from './qwen2moe.ts'
import { count, only } from './values.ts'
import { refuseWindows } from './windows.ts'

const QWEN3 = { ...sizes(151936, 4096, 22016, 32, 32, 32, 32768), ...QWEN, head_dim: 128 }

export const qwen3: Family = {
  name: 'qwen3',
  classes: { Qwen3ForCausalLM: QWEN3, Qwen3Model: QWEN3 },
  pools: true,
  check: checkWindows,
  layer: (config) => [...llamaLayer(config, feedForward(config)), ...headNorms(config)],
}

export const qwen3moe: Family = {
  name: 'qwen3moe',
  classes: {
    Qwen3MoeForCausalLM: {
      ...sizes(151936, 2048, 6144, 24, 32, 4, 32768),
      ...QWEN,
      num_local_experts: 128,
      num_experts_per_tok: 8,
      moe_intermediate_size: 768,
      norm_topk_prob: false,
      decoder_sparse_step: 1,
    },
  },
  keys: ({ json }) => [uint32('expert_feed_forward_length', count(json, 'moe_intermediate_size'))],
  check: (config) => {
    if (config.json.use_sliding_window === true) refuseWindows(config)
    checkSparse(config)
    only(config, 'norm_topk_prob', true)
  },
  layer: (config) => {
    const width = count(config.json, 'moe_intermediate_size')
    return [...llamaLayer(config, experts(config, { ...EXPERTS, width })), ...headNorms(config)]
  },
}
