/** StableLM 2 and 3B: Bellagente et al. 2024. LayerNorm; a part of each head is rotated; some blocks side by side. */
import { type Architecture, llamaLayer } from './architecture.ts'

export const stablelm: Architecture = {
  name: 'stablelm',
  rope: 'half',
  norm: 'layer',
  // What the tensors say, too.
  ignores: ['use_parallel_residual'],
  config: (_keys, _config, gguf) => ({ headNorm: 'each', parallel: !gguf.tensors.has('blk.0.ffn_norm.weight') }),
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i, config.parallel ? { ffnNorm: undefined } : {}),
    ...find.eachHeadNorms(i),
  }),
}
