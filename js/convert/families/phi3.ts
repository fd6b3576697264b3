/** Phi-3, 3.5 and 4: queries, keys and values in one tensor, gate and up in another; LongRoPE; windows. */
import { type Family, float32, type HfConfig, sizes, uint32 } from './family.ts'
import { unusualRotation } from './keys.ts'
import { fusedFeedForward, linear, norm } from './layers.ts'
import { longRopeFactor, turnedDimensions } from './rope.ts'
import type { TensorRule } from './tensor-rule.ts'
import { optionalCount } from './values.ts'

export const phi3: Family = {
  name: 'phi3',
  classes: {
    Phi3ForCausalLM: {
      ...sizes(32064, 3072, 8192, 32, 32, null, 4096),
      rms_norm_eps: 1e-5,
      original_max_position_embeddings: 4096,
    },
  },
  scalings: ['longrope'],
  turnsPart: true,
  first: (config) =>
    config.rope.scaling === 'longrope' ? [float32('rope.scaling.attn_factor', longRopeFactor(config))] : [],
  keys: (config) => [
    ...unusualRotation(config),
    uint32('rope.scaling.original_context_length', config.rope.originalContext),
    uint32('rope.dimension_count', turnedDimensions(config)),
    // 0 says that it has none.
    uint32('attention.sliding_window', optionalCount(config.json, 'sliding_window') ?? 0),
  ],
  order:
    'context_length rope.scaling.original_context_length embedding_length feed_forward_length block_count ' +
    'attention.head_count attention.head_count_kv attention.layer_norm_rms_epsilon rope.dimension_count rope.freq_base ' +
    'general.file_type attention.sliding_window',
  layer,
  vocabulary: { addsFromJson: true },
}

function layer(config: HfConfig): TensorRule[] {
  const { embeddingLength, headCount, headCountKv, headDim } = config
  const q = headCount * headDim
  return [
    ...norm('attn_norm', 'input_layernorm', embeddingLength),
    ...linear('attn_qkv', 'self_attn.qkv_proj', [q + 2 * headCountKv * headDim, embeddingLength]),
    ...linear('attn_output', 'self_attn.o_proj', [embeddingLength, q]),
    ...norm('ffn_norm', 'post_attention_layernorm', embeddingLength),
    ...fusedFeedForward(config),
  ]
}
