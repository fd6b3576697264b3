/** Qwen 3, dense and with experts: Yang et al. 2025. Queries and keys are normed before they are rotated. */
import { type Architecture, llamaLayer } from './architecture.ts'
import { expertWidths } from './experts.ts'

export const qwen3: Architecture = {
  name: 'qwen3',
  rope: 'half',
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i),
    ...find.headNorms(i, config.headDim, config.headDim),
  }),
}

export const qwen3moe: Architecture = { ...qwen3, name: 'qwen3moe', config: expertWidths }
