/** StableLM 2 and 3B: LayerNorm; a part of each head is rotated; some blocks side by side, some with norms of each head. */
import { bool, type Family, type HfConfig, sizes, uint32 } from './family.ts'
import { unusualRotation } from './keys.ts'
import { attention, feedForward, norm } from './layers.ts'
import { turnedDimensions } from './rope.ts'
import type { TensorRule } from './tensor-rule.ts'

const STABLELM = {
  ...sizes(50304, 2560, 6912, 32, 32, 32, 4096),
  rms_norm_eps: undefined,
  layer_norm_eps: 1e-5,
  partial_rotary_factor: 0.25,
}

export const stablelm: Family = {
  name: 'stablelm',
  classes: { StableLmForCausalLM: STABLELM },
  turnsPart: true,
  keys: (config) => [
    uint32('rope.dimension_count', turnedDimensions(config)),
    bool('use_parallel_residual', isParallel(config)),
    ...unusualRotation(config),
  ],
  order:
    'context_length embedding_length block_count feed_forward_length rope.dimension_count attention.head_count ' +
    'attention.head_count_kv use_parallel_residual attention.layer_norm_epsilon general.file_type',
  outputNormBias: true,
  layer: (config) => {
    const { json, embeddingLength } = config
    const layerNorm = (name: string, source: string) => norm(name, source, embeddingLength, { bias: true })
    return [
      ...layerNorm('attn_norm', 'input_layernorm'),
      ...attention(config, { bias: json.use_qkv_bias === true }),
      ...(json.qk_layernorm === true ? eachHeadNorms(config) : []),
      ...(isParallel(config) ? [] : layerNorm('ffn_norm', 'post_attention_layernorm')),
      ...feedForward(config),
    ]
  },
}

function isParallel({ json }: HfConfig): boolean {
  return json.use_parallel_residual === true
}

/** With weights of each head: [headDim, heads]. */
function eachHeadNorms({ headDim, headCount, headCountKv }: HfConfig): TensorRule[] {
  const rule = (part: string, heads: number): TensorRule => ({
    name: `attn_${part}_norm.weight`,
    dimensions: [headDim, heads],
    forms: [{ source: `self_attn.${part}_layernorm.norms.*.weight`, shape: [headDim], stack: heads }],
  })
  return [rule('q', headCount), rule('k', headCountKv)]
}
