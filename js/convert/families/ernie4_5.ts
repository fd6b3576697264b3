/** ERNIE 4.5, dense: LLaMA by other names in its older folders. */
import { type Family, sizes } from './family.ts'
import { feedForward, llamaLayer } from './layers.ts'
import { only } from './values.ts'

const ERNIE = {
  ...sizes(103424, 1024, 3072, 18, 16, 2, 131072),
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  head_dim: 128,
  tie_word_embeddings: true,
}

export const ernie4_5: Family = {
  name: 'ernie4_5',
  classes: { Ernie4_5ForCausalLM: ERNIE, Ernie4_5_ForCausalLM: ERNIE },
  // No rows change places: transformers rotates 2i and 2i + 1 of its heads, too.
  check: (config) => only(config, 'use_bias', false, null),
  rename: (name) => name.replace('ernie.', 'model.'),
  layer: (config) =>
    llamaLayer(config, feedForward(config, { fused: 'mlp.up_gate_proj' }), { fused: 'self_attn.qkv_proj' }),
  vocabulary: { spacePrefix: 'last' },
}
