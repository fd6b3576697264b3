/** OLMoE: Muennighoff et al. 2024. Queries and keys are normed as whole rows; the weights of experts are not made to sum to 1. */
import { type Architecture, llamaLayer } from './architecture.ts'

export const olmoe: Architecture = {
  name: 'olmoe',
  rope: 'half',
  config: () => ({ headNorm: 'row', expertWeightsNorm: false }),
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i),
    ...find.headNorms(i, config.headCount * config.headDim, config.headCountKv * config.headDim),
  }),
}
