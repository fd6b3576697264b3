/** Gemma: GeGLU; 1 is added to its norms. */
import { type Family, sizes } from './family.ts'
import { unusualRotation } from './keys.ts'
import { feedForward, llamaLayer } from './layers.ts'
import { only } from './values.ts'

const GELU = 'gelu_pytorch_tanh'
/** What its configuration says where it says nothing. */
export const GEMMA = { hidden_act: GELU, head_dim: 256, tie_word_embeddings: true }

export const gemma: Family = {
  name: 'gemma',
  classes: { GemmaForCausalLM: { ...sizes(256000, 3072, 24576, 28, 16, 16, 8192), ...GEMMA } },
  // Its first configurations say gelu and mean the same.
  activations: [GELU, 'gelu'],
  keys: unusualRotation,
  order:
    'context_length embedding_length block_count feed_forward_length attention.head_count attention.head_count_kv ' +
    'attention.layer_norm_rms_epsilon attention.key_length attention.value_length general.file_type',
  check: (config) => {
    only(config, 'use_bidirectional_attention', false, null)
    only(config, 'tie_word_embeddings', true)
  },
  head: 'never',
  shiftsNorms: true,
  layer: (config) => llamaLayer(config, feedForward(config)),
  vocabulary: { spacePrefix: 'never', ids: () => ({ eot: 107 }) },
}
