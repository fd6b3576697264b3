/** GLM-4: GLM team 2024. Norms before and after each block, a part of each head is rotated. */
import { type Architecture, llamaLayer } from './architecture.ts'

export const glm4: Architecture = {
  name: 'glm4',
  rope: 'interleaved',
  config(keys) {
    keys.only('rope.dimension_sections', [0], 'UNSUPPORTED_ROPE', 'cria rotates heads by one position only')
    return {}
  },
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i),
    ...find.postNorms(i),
  }),
}
