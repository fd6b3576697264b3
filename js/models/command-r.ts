/** Command R, Command R+ and Aya: Cohere 2024. LayerNorm without biases, both blocks side by side, a scale of the logits. */
import { type Architecture, llamaLayer } from './architecture.ts'

export const commandR: Architecture = {
  name: 'command-r',
  rope: 'interleaved',
  norm: 'layer',
  config: (keys) => ({ headNorm: 'each', parallel: true, logitScale: keys.positiveOr('logit_scale', 1) }),
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i, { ffnNorm: undefined }),
    // The large model's.
    ...find.eachHeadNorms(i),
  }),
}
