/** Seed-OSS: LLaMA with biases of queries, keys and values. */
import { type Family, sizes } from './family.ts'
import { attention, feedForward, norm } from './layers.ts'
import { only } from './values.ts'

export const seed_oss: Family = {
  name: 'seed_oss',
  classes: {
    SeedOssForCausalLM: { ...sizes(155136, 4096, 27648, 64, 80, 8, 524288), head_dim: 128, attention_bias: true },
  },
  check: (config) => {
    only(config, 'attention_out_bias', false, null)
    only(config, 'mlp_bias', false, null)
  },
  layer: (config) => [
    ...norm('attn_norm', 'input_layernorm', config.embeddingLength),
    ...attention(config),
    ...norm('post_attention_norm', 'post_attention_layernorm', config.embeddingLength),
    ...feedForward(config),
  ],
}
