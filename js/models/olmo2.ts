/** OLMo 2 (OLMo et al. 2024) and OLMo 3, which goes by its name: norms after each block instead of before, windows in OLMo 3. */
import { type Architecture, windowedLayers } from './architecture.ts'
import { postNormLayer } from './exaone4.ts'

export const olmo2: Architecture = {
  name: 'olmo2',
  rope: 'half',
  // Windowed layers are turned as the others, but for the scaling.
  ignores: ['rope.freq_base_swa'],
  config(keys, { blockCount, ropes: [rope] }) {
    const window = keys.number('attention.sliding_window', 0)
    if (window === 0) return { headNorm: 'row' }
    const windowed = keys.windowed(blockCount, 4)
    return {
      headNorm: 'row',
      ropes: [rope!, { ...rope!, scaling: 'none', factor: 1, attentionFactor: 1 }],
      layers: windowedLayers(windowed, keys.tokens('attention.sliding_window'), 1),
    }
  },
  layer: (find, config, i) => ({
    ...postNormLayer(find, config, i),
    ...find.headNorms(i, config.headCount * config.headDim, config.headCountKv * config.headDim),
  }),
}
