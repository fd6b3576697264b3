/** Granite 3 and 4, dense and with experts: scales of embedding, residual stream, attention and logits. */
import { type Family, float32, type HfConfig, type Key, sizes, uint32 } from './family.ts'
import { experts, feedForward, llamaLayer } from './layers.ts'
import { llama, llamaKeys } from './llama.ts'
import type { TensorRule } from './tensor-rule.ts'
import { optionalCount, positive } from './values.ts'

const GRANITE = {
  ...sizes(32000, 4096, 11008, 32, 32, null, 2048),
  attention_multiplier: 1,
  embedding_multiplier: 1,
  residual_multiplier: 1,
  logits_scaling: 1,
}
const MOE = { ...GRANITE, num_local_experts: 8, num_experts_per_tok: 2 }

export function scales(config: HfConfig): Key[] {
  const { json } = config
  const scale = (name: string, key: string): Key[] => (json[key] ? [float32(name, positive(json, key))] : [])
  return [
    ...llamaKeys(config),
    ...scale('attention.scale', 'attention_multiplier'),
    ...scale('embedding_scale', 'embedding_multiplier'),
    ...scale('residual_scale', 'residual_multiplier'),
    ...scale('logit_scale', 'logits_scaling'),
  ]
}

export const granite: Family = {
  ...llama,
  name: 'granite',
  classes: { GraniteForCausalLM: GRANITE },
  headDim: 'never',
  keys: scales,
}

export const granitemoe: Family = {
  ...granite,
  name: 'granitemoe',
  classes: { GraniteMoeForCausalLM: MOE, GraniteMoeSharedForCausalLM: MOE },
  keys: (config) => {
    const width = sharedWidth(config)
    return [...scales(config), ...(width === undefined ? [] : [uint32('expert_shared_feed_forward_length', width)])]
  },
  layer: (config) => {
    const moe = 'block_sparse_moe'
    const fused = [`${moe}.input_linear.weight`, `${moe}.output_linear.weight`] as const
    const feed = [...experts(config, { router: `${moe}.router.layer`, fused }), ...sharedExpert(config)]
    return llamaLayer(config, feed, { outputBias: config.json.attention_bias === true })
  },
}

function sharedWidth({ json }: HfConfig): number | undefined {
  return json.shared_intermediate_size === 0 ? undefined : optionalCount(json, 'shared_intermediate_size')
}

function sharedExpert(config: HfConfig): TensorRule[] {
  const width = sharedWidth(config)
  if (width === undefined) return []
  const [input, output] = ['shared_mlp.input_linear', 'shared_mlp.output_linear']
  const fused = { names: [input, input, output] as const, fused: input, fusedOnly: true }
  return feedForward(config, { width, suffix: '_shexp', ...fused })
}
