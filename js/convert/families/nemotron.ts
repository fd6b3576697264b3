/** Nemotron 4 and Minitron: LayerNorm, to which 1 is added; ReLU² without a gate; a part of each head is rotated. */
import { type Family, float32, sizes, text, uint32 } from './family.ts'
import { attention, feedForward, norm } from './layers.ts'
import { turnedDimensions } from './rope.ts'
import { positive } from './values.ts'

export const nemotron: Family = {
  name: 'nemotron',
  classes: {
    NemotronForCausalLM: {
      ...sizes(256000, 6144, 24576, 32, 48, null, 4096),
      rms_norm_eps: undefined,
      norm_eps: 1e-5,
      hidden_act: 'relu2',
      partial_rotary_factor: 0.5,
    },
  },
  activations: ['relu2'],
  turnsPart: true,
  headDim: 'always',
  keys: (config) => [
    uint32('vocab_size', config.vocabSize),
    float32('attention.layer_norm_epsilon', positive(config.json, 'norm_eps')),
    uint32('rope.dimension_count', turnedDimensions(config)),
    ...(config.rope.scaling === undefined ? [text('rope.scaling.type', 'none')] : []),
  ],
  outputNormBias: true,
  shiftsNorms: true,
  layer: (config) => {
    const { json, embeddingLength } = config
    const layerNorm = (name: string, source: string) => norm(name, source, embeddingLength, { bias: true })
    return [
      ...layerNorm('attn_norm', 'input_layernorm'),
      ...attention(config, { outputBias: json.attention_bias === true }),
      ...layerNorm('ffn_norm', 'post_attention_layernorm'),
      ...feedForward(config, { bias: json.mlp_bias === true, names: [undefined, 'mlp.up_proj', 'mlp.down_proj'] }),
    ]
  },
  vocabulary: { ids: () => ({ pad: 0, unk: 1 }) },
}
