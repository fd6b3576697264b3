/** Granite 4 without state-space layers and experts, whose class has both: a Granite, whatever its folder calls it. */
import { UnsupportedError } from '../../errors.ts'
import { bool, type Family, type HfConfig, sizes, uint32 } from './family.ts'
import { granite, scales } from './granite.ts'
import { feedForward, llamaLayer } from './layers.ts'
import { count, only } from './values.ts'

const ATTENTION = ['attention', 'full_attention']

export const granitehybrid: Family = {
  ...granite,
  classes: {
    GraniteMoeHybridForCausalLM: {
      ...sizes(32000, 4096, 11008, 32, 32, null, 2048),
      attention_multiplier: 1,
      embedding_multiplier: 1,
      residual_multiplier: 1,
      logits_scaling: 1,
      num_local_experts: 8,
      shared_intermediate_size: 1024,
    },
  },
  keys: (config) => [
    ...scales(config),
    uint32('feed_forward_length', width(config)),
    bool('rope.scaling.finetuned', config.json.position_embedding_type === 'rope'),
  ],
  check: (config) => {
    const types: unknown = config.json.layer_types
    if (!Array.isArray(types) || !types.every((type) => ATTENTION.includes(type))) {
      const message = `The model has state-space layers (layer_types), which cria does not run; its kin without them convert.`
      throw new UnsupportedError('HF_SETTING', message, 'layer_types')
    }
    only(config, 'num_local_experts', 0)
  },
  layer: (config) => {
    const [input, output] = ['shared_mlp.input_linear', 'shared_mlp.output_linear']
    const fused = { names: [input, input, output] as const, fused: input, fusedOnly: true }
    const feed = feedForward(config, { width: width(config), ...fused })
    return llamaLayer(config, feed, { outputBias: config.json.attention_bias === true })
  },
  vocabulary: {},
}

function width({ json }: HfConfig): number {
  return count(json, 'shared_intermediate_size')
}
