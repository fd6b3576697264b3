/** Qwen 1.5 and 2 with experts, and a shared one with a gate of its own. */
import { UnsupportedError } from '../../errors.ts'
import { type Family, type HfConfig, sizes, uint32 } from './family.ts'
import { experts, feedForward, linear, llamaLayer } from './layers.ts'
import { checkWindows, QWEN } from './qwen2.ts'
import { count, only } from './values.ts'

/** Names of experts, one by one and all together. */
export const EXPERTS = {
  names: ['gate', 'up', 'down'].map((part) => `mlp.experts.*.${part}_proj.weight`) as [string, string, string],
  fused: ['mlp.experts.gate_up_proj', 'mlp.experts.down_proj'],
} as const

/** Experts in every layer. */
export function checkSparse(config: HfConfig): void {
  only(config, 'decoder_sparse_step', 1)
  const dense: unknown = config.json.mlp_only_layers
  if (!Array.isArray(dense) || dense.length === 0) return
  const message = `config.json has layers without experts (mlp_only_layers ${dense.join(', ')}), which GGUF's ${config.family.name} has not.`
  throw new UnsupportedError('HF_SETTING', message, 'mlp_only_layers')
}

export const qwen2moe: Family = {
  name: 'qwen2moe',
  classes: {
    Qwen2MoeForCausalLM: {
      ...sizes(151936, 2048, 5632, 24, 16, 16, 32768),
      ...QWEN,
      num_local_experts: 60,
      num_experts_per_tok: 4,
      moe_intermediate_size: 1408,
      shared_expert_intermediate_size: 5632,
      norm_topk_prob: false,
      decoder_sparse_step: 1,
      qkv_bias: true,
    },
  },
  keys: ({ json }) => [
    uint32('expert_feed_forward_length', count(json, 'moe_intermediate_size')),
    uint32('expert_shared_feed_forward_length', count(json, 'shared_expert_intermediate_size')),
  ],
  check: (config) => {
    checkWindows(config)
    checkSparse(config)
    only(config, 'norm_topk_prob', false)
  },
  layer: (config) => {
    const { json, embeddingLength } = config
    const shared = 'mlp.shared_expert'
    const names = [`${shared}.gate_proj`, `${shared}.up_proj`, `${shared}.down_proj`] as const
    const feed = [
      ...experts(config, { ...EXPERTS, width: count(json, 'moe_intermediate_size') }),
      ...feedForward(config, { width: count(json, 'shared_expert_intermediate_size'), suffix: '_shexp', names }),
      ...linear('ffn_gate_inp_shexp', `${shared}_gate`, [1, embeddingLength]),
    ]
    return llamaLayer(config, feed, { bias: json.qkv_bias === true })
  },
}
