/** Arcee's AFM: ReLU² without a gate. */
import { type Family, sizes } from './family.ts'
import { feedForward, llamaLayer } from './layers.ts'
import { llama } from './llama.ts'
import { only } from './values.ts'

export const arcee: Family = {
  ...llama,
  name: 'arcee',
  classes: {
    ArceeForCausalLM: { ...sizes(32000, 2560, 18432, 32, 32, null, 4096), rms_norm_eps: 1e-5, hidden_act: 'relu2' },
  },
  activations: ['relu2'],
  pools: true,
  check: (config) => only(config, 'mlp_bias', false, null),
  layer: (config) => llamaLayer(config, feedForward(config, { names: [undefined, 'mlp.up_proj', 'mlp.down_proj'] })),
}
