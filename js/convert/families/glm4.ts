/** GLM-4: norms beside those before each block; a part of each head is rotated; gate and up in one tensor. */
import { type Family, sizes, uint32 } from './family.ts'
import { fusedFeedForward, llamaLayer, norm } from './layers.ts'
import { turnedDimensions } from './rope.ts'

export const glm4: Family = {
  name: 'glm4',
  classes: {
    Glm4ForCausalLM: {
      ...sizes(151552, 4096, 13696, 40, 32, 2, 131072),
      rms_norm_eps: 1.5625e-7,
      head_dim: 128,
      attention_bias: true,
      partial_rotary_factor: 0.5,
    },
  },
  // No rows change places: transformers rotates 2i and 2i + 1 of its heads, too.
  turnsPart: true,
  keys: (config) => [uint32('rope.dimension_count', turnedDimensions(config))],
  layer: (config) => [
    ...llamaLayer(config, fusedFeedForward(config)),
    ...norm('post_attention_norm', 'post_self_attn_layernorm', config.embeddingLength),
    ...norm('post_ffw_norm', 'post_mlp_layernorm', config.embeddingLength),
  ],
  vocabulary: { parts: 'eos=<|endoftext|> eot=<|user|> unk=<|endoftext|> bos=<|endoftext|>' },
}
