/** Hunyuan, dense: Tencent 2025. Queries and keys are normed after they are rotated. */
import { pow } from '../util/math.ts'
import { type Architecture, llamaLayer } from './architecture.ts'

export const hunyuanDense: Architecture = {
  name: 'hunyuan-dense',
  rope: 'half',
  config(keys, { headDim, ropes: [rope] }) {
    keys.only('rope.dimension_sections', [0], 'UNSUPPORTED_ROPE', 'cria rotates heads by one position only')
    // "Dynamic" NTK scaling.
    const alpha = keys.number('rope.scaling.alpha', 0)
    const base = alpha > 0 ? rope!.base * pow(alpha, headDim / (headDim - 2)) : rope!.base
    return { headNorm: 'after', ropes: [{ ...rope!, base }] }
  },
  layer: (find, config, i) => ({
    ...llamaLayer(find, config, i),
    ...find.headNorms(i, config.headDim, config.headDim),
  }),
}
